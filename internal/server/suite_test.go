// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestServer(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	RegisterFailHandler(Fail)
	RunSpecs(t, "The verifier's interfaces")
}

// patience is how long the operator and the watch may take.
const patience = 30 * time.Second

// What all specs share: a cluster where the operator runs, and a verifier that follows it with both interfaces.
var (
	admin    client.Client
	verifier *fixture
)

var _ = BeforeSuite(func() {
	plane, err := testkit.Start(testkit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	admin, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())
	stop, err := plane.RunOperator(context.Background())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(stop()).To(Succeed()) })
	verifier = newFixture(plane)
})

// fixture is a verifier and how to ask it.
type fixture struct {
	index    *keyindex.Index
	clock    *clocktesting.FakeClock
	registry *prometheus.Registry
	log      *transcript
	uses     *uses
	http     string
	grpc     authv3.AuthorizationClient
}

func newFixture(plane *testkit.ControlPlane) *fixture {
	f := &fixture{
		clock:    clocktesting.NewFakeClock(time.Now()),
		registry: prometheus.NewRegistry(),
		log:      &transcript{},
		uses:     &uses{},
	}
	log := slog.New(slog.NewJSONHandler(f.log, nil))
	var err error
	// Specs read the last line of the access log, so the index must not write into it.
	f.index, err = keyindex.New(keyindex.Options{Log: slog.New(slog.DiscardHandler), Clock: f.clock, Registerer: f.registry})
	Expect(err).NotTo(HaveOccurred())
	limiter, err := ratelimit.NewMemory(f.clock, f.registry)
	Expect(err).NotTo(HaveOccurred())
	credentials, err := server.NewCredentialHeaders("api-key", "x-goog-api-key")
	Expect(err).NotTo(HaveOccurred())
	core, err := server.New(server.Options{
		Credentials: credentials,
		Index:       f.index, Limiter: limiter, Uses: f.uses, Clock: f.clock, Log: log, LogAllowed: 1, Registerer: f.registry,
	})
	Expect(err).NotTo(HaveOccurred())
	f.follow(plane.Config)
	f.listen(core)

	return f
}

// follow fills the index until the suite ends.
func (f *fixture) follow(cfg *rest.Config) {
	cluster, err := keyindex.NewClient(cfg)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.index.Run(ctx, cluster) })
	DeferCleanup(func() { cancel(); running.Wait() })
	Eventually(f.index.Synced()).WithTimeout(patience).Should(BeClosed())
}

// listen opens both interfaces on loopback.
func (f *fixture) listen(core *server.Verifier) {
	var listen net.ListenConfig
	overGRPC, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	overHTTP, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	g := grpc.NewServer(extauthz.Codec())
	extauthz.New(core).Register(g)
	h := &http.Server{Handler: forwardauth.New(core), ReadHeaderTimeout: patience}
	go func() { _ = g.Serve(overGRPC) }()
	go func() { _ = h.Serve(overHTTP) }()
	connection, err := grpc.NewClient(overGRPC.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		Expect(connection.Close()).To(Succeed())
		g.Stop()
		Expect(h.Close()).To(Succeed())
	})
	f.grpc = authv3.NewAuthorizationClient(connection)
	f.http = overHTTP.Addr().String()
}

// uses are the uses that were noted.
type uses struct {
	mu  sync.Mutex
	all []string
}

// Used implements server.Uses.
func (u *uses) Used(subject *access.Subject, _ time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, subject.Name)
}

func (u *uses) of(name string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	count := 0
	for _, used := range u.all {
		if used == name {
			count++
		}
	}

	return count
}

// transcript is what was logged.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.text.String()
}

// mint creates an APIKey and waits until the operator has put its key into the Secret and the verifier knows it.
func mint(ctx SpecContext, namespace, name string, spec v1alpha1.APIKeySpec) string {
	GinkgoHelper()
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	Expect(admin.Create(ctx, key)).To(Succeed())

	return known(ctx, namespace, name)
}

// known returns the key in the Secret once the verifier knows it.
func known(ctx SpecContext, namespace, name string) string {
	GinkgoHelper()
	var secret corev1.Secret
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)).To(Succeed())
		g.Expect(verifier.index.Find(keys.DigestOf(string(secret.Data["api-key"])))).NotTo(BeNil())
	}).WithContext(ctx).WithTimeout(patience).Should(Succeed())

	return string(secret.Data["api-key"])
}

// change edits an APIKey and waits until the verifier has seen that.
func change(ctx SpecContext, namespace, name string, edit func(*v1alpha1.APIKey), seen func(*access.Subject) bool) {
	GinkgoHelper()
	var key v1alpha1.APIKey
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &key)).To(Succeed())
	before := key.DeepCopy()
	edit(&key)
	Expect(admin.Patch(ctx, &key, client.MergeFrom(before))).To(Succeed())
	Eventually(func() bool {
		subject := verifier.index.Subject(namespace, name, string(key.UID))

		return subject != nil && seen(subject)
	}).WithContext(ctx).WithTimeout(patience).Should(BeTrue())
}

// newNamespace makes a namespace for a spec.
func newNamespace(ctx SpecContext) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "verifier-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())

	return namespace.Name
}
