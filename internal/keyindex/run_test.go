// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const patience = 30 * time.Second

// followed is an index that follows a real API server.
type followed struct {
	*keyindex.Index

	admin    client.Client
	registry *prometheus.Registry
	mu       sync.Mutex
	log      bytes.Buffer
}

func (f *followed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.log.Write(p)
}

func (f *followed) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.log.String()
}

func follow(t *testing.T) *followed {
	t.Helper()
	plane := testkit.StartFor(t, testkit.Options{})

	return followBy(t, plane, plane.Config)
}

// followBy follows the API server of a control plane by another way to it.
func followBy(t *testing.T, plane *testkit.ControlPlane, way *rest.Config) *followed {
	t.Helper()
	f := &followed{registry: prometheus.NewRegistry()}
	var err error
	if f.admin, err = plane.Client(); err != nil {
		t.Fatal(err)
	}
	f.Index, err = keyindex.New(keyindex.Options{
		Log: slog.New(slog.NewJSONHandler(f, nil)), Clock: clock.RealClock{}, Registerer: f.registry, MaxStaleness: keyindex.LeastMaxStaleness,
	})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := keyindex.NewClient(way)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx, cluster) })
	t.Cleanup(func() { cancel(); running.Wait() })

	return f
}

// create stores an APIKey that has handed out a key.
//
//nolint:revive // context-as-argument: gomega first
func (f *followed) create(g *WithT, ctx context.Context, name, credential string, roles ...v1alpha1.RoleName) *v1alpha1.APIKey {
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Roles: roles},
	}
	g.Expect(f.admin.Create(ctx, key)).To(Succeed())
	digest := keys.DigestOf(credential)
	key.Status.Phase = v1alpha1.PhaseActive
	key.Status.Keys = []v1alpha1.KeyRecord{{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive, CreatedAt: metav1.Now()}}
	g.Expect(f.admin.Status().Update(ctx, key)).To(Succeed())

	return key
}

func (f *followed) reason(credential string, permission v1alpha1.Permission) func() string {
	return func() string {
		r := access.Request{Credential: access.Presented, Environment: v1alpha1.EnvironmentProduction, Permission: permission}

		return access.Decide(&r, f.Find(keys.DigestOf(credential)), time.Now()).Reason.String()
	}
}

func TestIndexFollowsTheCluster(t *testing.T) {
	f := follow(t)
	g, ctx := NewWithT(t), t.Context()
	g.SetDefaultEventuallyTimeout(patience)
	g.Eventually(f.Synced()).Should(BeClosed())

	t.Run("a change of a role reaches every key that names it, and touches none", func(t *testing.T) {
		g := NewWithT(t)
		g.SetDefaultEventuallyTimeout(patience)
		first, second := f.create(g, ctx, "first", "credential-1", "reader"), f.create(g, ctx, "second", "credential-2", "reader")
		g.Eventually(f.reason("credential-2", "")).Should(Equal("allowed"))
		g.Expect(f.reason("credential-1", "orders:read")()).To(Equal("permission_denied"))

		role := &v1alpha1.APIKeyRole{
			ObjectMeta: metav1.ObjectMeta{Name: "reader"},
			Spec:       v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"orders:read"}},
		}
		g.Expect(f.admin.Create(ctx, role)).To(Succeed())
		for _, credential := range []string{"credential-1", "credential-2"} {
			g.Eventually(f.reason(credential, "orders:read")).Should(Equal("allowed"))
		}
		role.Spec.Permissions = []v1alpha1.Permission{"orders:write"}
		g.Expect(f.admin.Update(ctx, role)).To(Succeed())
		for _, credential := range []string{"credential-1", "credential-2"} {
			g.Eventually(f.reason(credential, "orders:read")).Should(Equal("permission_denied"))
			g.Expect(f.reason(credential, "orders:write")()).To(Equal("allowed"))
		}
		g.Expect(f.admin.Delete(ctx, role)).To(Succeed())
		g.Eventually(f.reason("credential-1", "orders:write")).Should(Equal("permission_denied"))
		for _, key := range []*v1alpha1.APIKey{first, second} {
			now := key.DeepCopy()
			g.Expect(f.admin.Get(ctx, client.ObjectKeyFromObject(key), now)).To(Succeed())
			g.Expect(now.ResourceVersion).To(Equal(key.ResourceVersion))
		}
	})

	t.Run("a digest that is copied to another APIKey stops both, and says so", func(t *testing.T) {
		g := NewWithT(t)
		g.SetDefaultEventuallyTimeout(patience)
		f.create(g, ctx, "victim", "credential-3")
		g.Eventually(f.reason("credential-3", "")).Should(Equal("allowed"))
		thief := f.create(g, ctx, "thief", "credential-3")
		g.Eventually(f.reason("credential-3", "")).Should(Equal("disputed"))
		g.Eventually(func() error { // the key is refused first, and then it is told
			return testutil.GatherAndCompare(f.registry, strings.NewReader(`
				# HELP apikey_verifier_index_disputed_keys Keys that are refused because several APIKeys have a record of them. Above 0: a status was forged.
				# TYPE apikey_verifier_index_disputed_keys gauge
				apikey_verifier_index_disputed_keys 1
			`), "apikey_verifier_index_disputed_keys")
		}).Should(Succeed())
		g.Eventually(f.logged).Should(And(ContainSubstring(`"level":"WARN"`), ContainSubstring("default/victim"), ContainSubstring("default/thief")))

		g.Expect(f.admin.Delete(ctx, thief)).To(Succeed())
		g.Eventually(f.reason("credential-3", "")).Should(Equal("allowed"))
	})

	t.Run("a key that is deleted is unknown", func(t *testing.T) {
		g := NewWithT(t)
		g.SetDefaultEventuallyTimeout(patience)
		key := f.create(g, ctx, "short", "credential-4")
		g.Eventually(f.reason("credential-4", "")).Should(Equal("allowed"))
		g.Expect(f.admin.Delete(ctx, key)).To(Succeed())
		g.Eventually(f.reason("credential-4", "")).Should(Equal("unknown"))
	})
}
