// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	command "github.com/apikey-operator/apikey-operator/internal/verifier"
)

// patience is how long something that starts or answers by itself may take.
const patience = 30 * time.Second

// site is a cluster with the operator, some keys and the verifier, for gateways to be put in front of an API.
type site struct {
	plane        *testkit.ControlPlane
	address      string            // of the verifier's HTTP interface, which has TLS
	grpc         string            // of its gRPC interface
	ca           []byte            // what signed its certificate
	otherCA      []byte            // an authority that did not
	certificates string            // a folder with the verifier's certificate
	impostor     string            // a folder with a certificate of ca for another name
	keys         map[string]string // by the names of their APIKeys
	ids          map[string]string // of those keys, from the statuses of their APIKeys
	said         sync.Mutex
	identities   map[string]map[string]string // what the verifier has said about keys, under said
}

// apiKeys are the keys of a site, by name. Those with a limit are for one gateway each.
func apiKeys() map[string]v1alpha1.APIKeySpec {
	production := func(permissions ...v1alpha1.Permission) v1alpha1.APIKeySpec {
		return v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Permissions: permissions}
	}
	specs := map[string]v1alpha1.APIKeySpec{
		"reader":    production("customers:read"),
		"owned":     production("customers:read", "telemetry:write"),
		"writer":    production("customers:write"),
		"admin":     production("customers:read", "customers:admin"),
		"counted":   production("customers:read"),
		"suspended": production("customers:read"),
		"staging":   {Environment: v1alpha1.EnvironmentStaging, Permissions: []v1alpha1.Permission{"customers:read"}},
	}
	owned, suspended, counted := specs["owned"], specs["suspended"], specs["counted"]
	owned.Owner, owned.Customers, suspended.Suspend = "jane@example.com", []v1alpha1.Customer{"acme", "globex"}, true
	counted.RateLimit = &v1alpha1.RateLimit{Requests: 1000, Per: "24h"}
	specs["owned"], specs["suspended"], specs["counted"] = owned, suspended, counted
	for name := range programs {
		limited := production("customers:read")
		limited.RateLimit = &v1alpha1.RateLimit{Requests: 1, Per: "24h"}
		specs[limitedFor(name)] = limited
	}

	return specs
}

func limitedFor(program string) string { return "limited-" + strings.ToLower(program) }

// newSite starts all of it. It ends with the test, which then looks for keys in what the verifier has logged.
func newSite(t *testing.T) *site {
	t.Helper()
	plane := testkit.StartFor(t, testkit.Options{})
	install(t, plane)
	ours, other := newAuthority(t), newAuthority(t)
	s := &site{
		plane: plane, address: testkit.FreeAddress(t), grpc: testkit.FreeAddress(t), ca: ours.pem, otherCA: other.pem,
		certificates: ours.issue(t, verifierName), impostor: ours.issue(t, "api.default.svc"),
		keys: map[string]string{}, ids: map[string]string{}, identities: map[string]map[string]string{},
	}
	plane.RunOperatorFor(t)
	s.startVerifier(t, plane)
	s.mint(t, plane)

	return s
}

// inBackground runs something until the test ends. It fails the test with what it returns.
func inBackground(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// mint creates the APIKeys, reads what the operator has put into their Secrets, and waits until the verifier knows them.
func (s *site) mint(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	for name, spec := range apiKeys() {
		key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: spec}
		if err := admin.Create(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	for name := range apiKeys() {
		s.learn(t, admin, name, client.ObjectKey{Namespace: "default", Name: name})
	}
	s.createLargest(t, admin)
}

// learn reads the key of an APIKey, and waits until the verifier knows it.
func (s *site) learn(t *testing.T, admin client.Client, name string, at client.ObjectKey) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		key, secret := &v1alpha1.APIKey{}, &corev1.Secret{}
		if err := admin.Get(ctx, at, key); err != nil || key.Status.SecretRef == nil {
			return false, err
		}
		if err := admin.Get(ctx, at, secret); err != nil {
			return false, err
		}
		s.keys[name], s.ids[name] = string(secret.Data[v1alpha1.SecretKeyDefault]), key.Status.Keys[0].ID
		// In an environment that none of them is for, so that no request counts against a limit.
		_, header := s.ask(ctx, t, "/verify?environment=Development", s.keys[name])

		return header.Get("X-Apikey-Reason") != "unknown", nil
	})
	if err != nil {
		t.Fatalf("no key for %s: %v", name, err)
	}
}

// install applies config/verifier. Its Deployment stays an object; what counts here are the rights.
func install(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig("installer", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"create", "namespace", "system"}, {"apply", "--server-side", "-k", root + "/config/verifier"}} {
		kubectl := exec.CommandContext(t.Context(), plane.Program("kubectl"), append(arguments, "--kubeconfig="+kubeconfig)...)
		if out, err := kubectl.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// arguments are the command line of the verifier.
func (s *site) arguments(address, grpc, probes string) []string {
	return []string{
		"--grpc-bind-address=" + grpc, "--http-bind-address=" + address, "--tls-cert-dir=" + s.certificates,
		"--metrics-bind-address=0", "--health-probe-bind-address=" + probes, "--log-allowed=1", "--drain-delay=0s",
	}
}

// startVerifier runs the verifier with the rights of its manifests, and waits until it is ready.
func (s *site) startVerifier(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	const namespace = "system" // in config/verifier, before config/default renames it
	kubeconfig, err := plane.Kubeconfig("system:serviceaccount:"+namespace+":verifier", "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	said, probes := &transcript{}, testkit.FreeAddress(t)
	t.Cleanup(func() { // runs after the verifier has ended
		if text := said.String(); s.blank(text) != text {
			t.Error("there is a key in the log of the verifier")
		} else if strings.Contains(text, "forbidden") {
			t.Errorf("the verifier lacks a right:\n%s", text)
		}
	})
	inBackground(t, func(ctx context.Context) error {
		return command.RunCommand(ctx, s.arguments(s.address, s.grpc, probes), said)
	})
	s.waitReady(t, probes, said)
}

// waitReady waits until a verifier is ready.
func (s *site) waitReady(t *testing.T, probes string, said *transcript) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+probes+"/readyz", http.NoBody)
		if err != nil {
			return false, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}

		// Reading the log makes sure that what the verifier did before it wrote there is over, to Go's memory model too.
		return resp.StatusCode == http.StatusOK && said.String() != "", resp.Body.Close()
	})
	if err != nil {
		t.Fatalf("the verifier did not become ready: %v; it said\n%s", err, s.blank(said.String()))
	}
}

// foreignKey is one with the right shape and checksum that the operator has not made.
func foreignKey(t *testing.T) string {
	t.Helper()
	key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		t.Fatal(err)
	}

	return key.Reveal()
}
