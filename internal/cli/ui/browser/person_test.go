// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// person is a user of the cluster in front of a browser.
type person struct {
	t          *testing.T
	cluster    *cluster
	namespace  string
	kubeconfig string
}

// newAdministrator returns a person who may do everything, in a namespace of their own.
func newAdministrator(t *testing.T, namespace string) *person {
	t.Helper()
	chromium(t) // without it the test is skipped before the cluster starts
	c := start(t)
	kubeconfig, err := c.Kubeconfig("administrator-"+namespace, "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, cluster: c, namespace: namespace, kubeconfig: kubeconfig}
	p.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"team": namespace}}})

	return p
}

// create creates an object that is deleted after the test. It waits until one of an earlier run of the test is gone.
func (p *person) create(object client.Object) {
	p.t.Helper()
	var last error
	eventually(p.t, "the object is created", func(ctx context.Context) bool {
		last = p.cluster.admin.Create(ctx, object)

		return !apierrors.IsAlreadyExists(last)
	})
	if last != nil {
		p.t.Fatal(last)
	}
	p.t.Cleanup(func() {
		if err := client.IgnoreNotFound(p.cluster.admin.Delete(context.Background(), object)); err != nil {
			p.t.Error(err)
		}
	})
}

// newUser returns a person of the same namespace who may do what the rules say.
func (p *person) newUser(name string, rules ...rbacv1.PolicyRule) *person {
	p.t.Helper()
	kubeconfig, err := p.cluster.Kubeconfig(name)
	if err != nil {
		p.t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}, Rules: rules}
	p.create(role)
	p.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})

	return &person{t: p.t, cluster: p.cluster, namespace: p.namespace, kubeconfig: kubeconfig}
}

// allow returns a rule about resources of this project.
func allow(resources, names, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: resources, ResourceNames: names, Verbs: verbs}
}

// site is a running `kubectl apikey ui`.
type site struct {
	// Origin is such as "http://127.0.0.1:40000", and Link what the command has printed.
	Origin, Link string
	// Output is what the command prints.
	Output *output
	// Stop ends the command as Ctrl-C does, and returns its exit code.
	Stop func() int
}

// output is what a command prints, from its goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.text.Write(p)
}

// String returns what was printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.text.String()
}

// serve starts `kubectl apikey ui` for the person, which ends with the test.
func (p *person) serve(args ...string) *site {
	p.t.Helper()
	ctx, interrupt := context.WithCancelCause(context.Background())
	s := &site{Output: &output{}}
	ended := make(chan int, 1)
	all := slices.Concat([]string{"ui", "--kubeconfig", p.kubeconfig, "--namespace", p.namespace}, args)
	go func() {
		ended <- cli.Run(ctx, all, cli.Environment{
			In: strings.NewReader(""), Out: s.Output, Err: s.Output, Clock: clock.RealClock{}, Build: buildinfo.Info{Version: "test"},
		})
	}()
	code := sync.OnceValue(func() int {
		interrupt(cli.InterruptError{Signal: 2})

		return <-ended
	})
	s.Stop = code
	p.t.Cleanup(func() { code() })
	link := regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/enter#\S+`)
	eventually(p.t, "the command prints the link", func(context.Context) bool { return link.MatchString(s.Output.String()) })
	found := link.FindStringSubmatch(s.Output.String())
	s.Link, s.Origin = found[0], found[1]

	return s
}

// enter opens the link of a site in a tab.
func (tb *tab) enter(s *site) *tab {
	tb.t.Helper()
	tb.open(s.Link)
	tb.untilAt("/")

	return tb
}

// browse serves the page and opens it in a browser of its own.
func (p *person) browse(args ...string) (*tab, *site) {
	p.t.Helper()
	s := p.serve(args...)

	return newTab(p.t).enter(s), s
}

// name returns the name of an APIKey of the person's namespace.
func (p *person) name(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.namespace, Name: name}
}

// path returns the path of the view of an APIKey.
func (p *person) path(name string) string { return "/keys/" + p.namespace + "/" + name }

// key reads an APIKey as the administrator.
func (p *person) key(name string) *v1alpha1.APIKey {
	p.t.Helper()
	var key v1alpha1.APIKey
	if err := p.cluster.admin.Get(p.t.Context(), p.name(name), &key); err != nil {
		p.t.Fatal(err)
	}

	return &key
}

// newKey creates an APIKey and waits until it is Active.
func (p *person) newKey(name string, spec v1alpha1.APIKeySpec) *v1alpha1.APIKey {
	p.t.Helper()
	if spec.Environment == "" {
		spec.Environment = v1alpha1.EnvironmentProduction
	}
	p.create(operations.New(p.name(name), spec))
	p.untilKey(name, "is Active", func(k *v1alpha1.APIKey) bool { return k.Status.Phase == v1alpha1.PhaseActive })

	return p.key(name)
}

// untilKey waits until an APIKey is as wanted.
func (p *person) untilKey(name, what string, wanted func(*v1alpha1.APIKey) bool) {
	p.t.Helper()
	eventually(p.t, name+" "+what, func(ctx context.Context) bool {
		var key v1alpha1.APIKey

		return p.cluster.admin.Get(ctx, p.name(name), &key) == nil && wanted(&key)
	})
}

// plain reads the key from the Secret of an APIKey.
func (p *person) plain(name string) string {
	p.t.Helper()
	var secret corev1.Secret
	if err := p.cluster.admin.Get(p.t.Context(), p.name(p.key(name).SecretName()), &secret); err != nil {
		p.t.Fatal(err)
	}

	return string(secret.Data[p.key(name).SecretDataKey()])
}

// untilVerified waits until the verifier answers a request with a key and a permission as wanted.
func (p *person) untilVerified(plain, permission string, want int) {
	p.t.Helper()
	p.untilVerifiedFor(v1alpha1.EnvironmentProduction, plain, permission, want)
}

func (p *person) untilVerifiedFor(environment v1alpha1.Environment, plain, permission string, want int) {
	p.t.Helper()
	address := p.cluster.verifierURL + "?environment=" + string(environment)
	if permission != "" {
		address += "&permission=" + permission
	}
	eventually(p.t, "the verifier answers "+http.StatusText(want), func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			p.t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", plain)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		_ = response.Body.Close()

		return response.StatusCode == want
	})
}

// change edits an APIKey as the administrator.
func (p *person) change(name string, edit func(*v1alpha1.APIKey)) {
	p.t.Helper()
	key := p.key(name)
	before := key.DeepCopy()
	edit(key)
	if err := p.cluster.admin.Patch(p.t.Context(), key, client.MergeFrom(before)); err != nil {
		p.t.Fatal(err)
	}
}
