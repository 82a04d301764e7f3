// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/manager"
	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/verifier"
)

var update = flag.Bool("update", false, "write the golden files")

// patience is how long the control plane and the operator may take on a loaded machine.
const patience = 5 * time.Minute

const operatorUser = "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager"

// cluster is a control plane with everything that config/default installs, and the operator running as its service account.
type cluster struct {
	*testkit.ControlPlane

	admin client.Client
}

// theCluster is shared by all tests: each has a namespace of its own.
var theCluster struct {
	once    sync.Once
	cluster *cluster
	err     error
	stops   []func() error
}

// asProgram makes this test program behave as the operator or the verifier, in a process of its own.
const asProgram = "TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch name := os.Getenv(asProgram); name {
	case "manager":
		os.Exit(program.Main(name, manager.Parse, manager.Run)) //nolint:forbidigo // it is the program
	case "verifier":
		os.Exit(program.Main(name, verifier.Parse, verifier.Run)) //nolint:forbidigo // it is the program
	}
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	code := m.Run()
	for _, stop := range slices.Backward(theCluster.stops) {
		if err := stop(); err != nil && code == 0 {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // TestMain ends the process
}

// start returns the cluster, which the first test that needs it starts.
func start(t *testing.T) *cluster {
	t.Helper()
	theCluster.once.Do(func() { theCluster.cluster, theCluster.err = startCluster() })
	if theCluster.err != nil {
		t.Fatal(theCluster.err)
	}

	return theCluster.cluster
}

func startCluster() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	plane, err := testkit.StartContext(ctx, testkit.Options{WithoutCRDs: true})
	if err != nil {
		return nil, err
	}
	theCluster.stops = append(theCluster.stops, plane.Stop)
	c := &cluster{ControlPlane: plane}
	if err := c.install(ctx); err != nil {
		return nil, err
	}
	if c.admin, err = plane.Client(); err != nil {
		return nil, err
	}
	if err := plane.StartControllerManager(ctx); err != nil {
		return nil, err
	}
	stop, err := plane.RunOperatorAs(context.Background(), operatorUser, "system:serviceaccounts", "system:serviceaccounts:apikey-operator-system")
	if err != nil {
		return nil, err
	}
	theCluster.stops = append(theCluster.stops, stop)

	return c, nil
}

// install applies config/default, the CRDs first, and waits until the guardrails answer.
func (c *cluster) install(ctx context.Context) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	for _, part := range []string{filepath.Join("config", "crd"), filepath.Join("config", "default")} {
		if err := c.kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(root, part)); err != nil {
			return err
		}
	}
	_, err = installation.AwaitGuardrails(ctx, c.Config)

	return err
}

func (c *cluster) kubectl(ctx context.Context, args ...string) error {
	kubeconfig, err := c.Kubeconfig("installer", "system:masters")
	if err != nil {
		return err
	}
	run := exec.CommandContext(ctx, c.Program("kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	run.Stderr = os.Stderr

	return run.Run()
}

// person is a user of the cluster at a shell.
type person struct {
	t          *testing.T
	cluster    *cluster
	namespace  string
	kubeconfig string
	// terminal tells whether standard input and output are one.
	terminal bool
	// out is where standard output goes instead of the result; nil: into the result.
	out io.Writer
	// interrupt ends the context of the commands once its text stands on standard error; empty: never.
	interrupt string
}

// newAdministrator returns a person who may do everything, in a namespace of their own.
func newAdministrator(t *testing.T, namespace string) *person {
	t.Helper()
	c := start(t)
	kubeconfig, err := c.Kubeconfig("administrator-"+namespace, "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, cluster: c, namespace: namespace, kubeconfig: kubeconfig}
	p.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})

	return p
}

// create creates an object that is deleted after the test. It waits until one of an earlier run of the test is gone.
func (p *person) create(object client.Object) {
	p.t.Helper()
	var last error
	p.eventually("the object is created", func(ctx context.Context) bool {
		last = p.cluster.admin.Create(ctx, object)

		return !apierrors.IsAlreadyExists(last)
	})
	if last != nil {
		p.t.Fatal(last)
	}
	p.t.Cleanup(func() {
		if err := p.cluster.admin.Delete(context.Background(), object); err != nil {
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
	user := &person{t: p.t, cluster: p.cluster, namespace: p.namespace, kubeconfig: kubeconfig}
	p.allow(name, rules...)

	return user
}

// allow gives a user more rules in the namespace.
func (p *person) allow(name string, rules ...rbacv1.PolicyRule) {
	p.t.Helper()
	if len(rules) == 0 {
		return
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, GenerateName: "allowed-"}, Rules: rules}
	if err := p.cluster.admin.Create(p.t.Context(), role); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cluster.admin.Create(p.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}); err != nil {
		p.t.Fatal(err)
	}
}

// result is what a command has done.
type result struct {
	code     int
	out, err string
}

// run runs a command without input.
func (p *person) run(args ...string) result { return p.answer("", args...) }

// answer runs a command whose standard input holds a text.
func (p *person) answer(input string, args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithCancelCause(p.t.Context())
	defer cancel(nil)
	in := io.Reader(strings.NewReader(input))
	if p.interrupt != "" {
		pipe, writer := io.Pipe() // a terminal at which nothing is typed
		defer func() { _ = writer.Close() }()
		in = io.MultiReader(in, pipe)
	}
	var out bytes.Buffer
	stdout := io.Writer(&out)
	if p.out != nil {
		stdout = p.out
	}
	said := &watched{text: p.interrupt, seen: func() { cancel(cli.InterruptError{Signal: 2}) }}
	at := len(args)
	if args[0] == "__complete" {
		at-- // the last argument is the one to complete
	}
	code := cli.Run(ctx, slices.Insert(slices.Clone(args), at, "--kubeconfig", p.kubeconfig, "--namespace", p.namespace), cli.Environment{
		In: in, Out: stdout, Err: said, InTerminal: p.terminal, OutTerminal: p.terminal, Clock: clock.RealClock{}, Build: buildinfo.Info{Version: "test"},
	})

	return result{code: code, out: out.String(), err: said.String()}
}

// must runs a command that has to succeed, and returns what it prints on standard output.
func (p *person) must(args ...string) string {
	p.t.Helper()
	r := p.run(args...)
	if r.code != cli.ExitDone {
		p.t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}

	return r.out
}

// watched is a standard error that tells when a text has appeared.
type watched struct {
	bytes.Buffer

	text string
	seen func()
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.text != "" && strings.Contains(w.String(), w.text) {
		w.seen()
	}

	return n, err
}

// key reads an APIKey as the administrator.
func (p *person) key(name string) *v1alpha1.APIKey {
	p.t.Helper()
	var key v1alpha1.APIKey
	if err := p.cluster.admin.Get(p.t.Context(), client.ObjectKey{Namespace: p.namespace, Name: name}, &key); err != nil {
		p.t.Fatal(err)
	}

	return &key
}

// eventually waits until a condition holds.
func (p *person) eventually(what string, holds func(ctx context.Context) bool) {
	p.t.Helper()
	if err := wait.PollUntilContextTimeout(p.t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return holds(ctx), nil
	}); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// golden compares a text with a file, after taking out what differs from run to run.
func golden(t *testing.T, file, got string) {
	t.Helper()
	testkit.Golden(t, file, stable(got), *update)
}

// stable replaces ids and ages.
func stable(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`key [A-Za-z0-9_-]{12} `, "key <id> "},
		{`place of [A-Za-z0-9_-]{12}`, "place of <id>"},
		{`\b\d+(ms|s)\b +\n`, "<age>\n"},
		{`(last used|AGE) \d+[smh]`, "$1 <age>"},
		{`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "<time>"},
		{`(?m) +\d+m?s$`, "   <age>"},
		{`\d+d\d*h?\b`, "<days>"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}

	return text
}
