// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// recovery is how long etcd, its API server and the index may take on a machine with much else to do.
const recovery = 2 * time.Minute

// watchUp returns the metric of that name for one resource.
func (f *followed) watchUp(resource string) float64 {
	families, err := f.registry.Gather()
	if err != nil {
		return -1
	}
	for _, family := range families {
		if family.GetName() != "apikey_verifier_index_watch_up" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == resource {
				return m.GetGauge().GetValue()
			}
		}
	}

	return -1
}

func (f *followed) bothUp() bool {
	return f.watchUp("apikeys") == 1 && f.watchUp("apikeyroles") == 1
}

func (f *followed) bothDown() bool {
	return f.watchUp("apikeys") == 0 && f.watchUp("apikeyroles") == 0
}

func (f *followed) tooOld() bool { return f.Staleness(time.Now()) > keyindex.LeastMaxStaleness }

// Mutants that were run and that a test of this file kills: reads with resourceVersion=0; watches of client-go's length; a first watch that
// is not ended after the list.

// An idle cluster: nothing but the reads and the bookmarks shows that the index is complete.
func TestAnIdleIndexStaysFresh(t *testing.T) {
	f := follow(t)
	g := NewWithT(t)
	g.Expect(f.AwaitConfirmed(t.Context())).To(Succeed())
	g.Eventually(f.bothUp).WithTimeout(patience).Should(BeTrue())
	// Twice the maximum: an index that is never confirmed again exceeds it.
	g.Consistently(f.tooOld).WithTimeout(2 * keyindex.LeastMaxStaleness).WithPolling(100 * time.Millisecond).Should(BeFalse())
}

// A stopped etcd keeps its connections. The API server goes on answering watches from its cache, bookmarks included.
func TestAStoppedEtcdIsNoticed(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	f := followBy(t, plane, plane.Config)
	g := NewWithT(t)
	g.Eventually(f.bothUp).WithTimeout(patience).Should(BeTrue())
	resume := func() { g.Expect(plane.Signal("etcd", syscall.SIGCONT)).To(Succeed()) }
	t.Cleanup(resume)

	g.Expect(plane.Signal("etcd", syscall.SIGSTOP)).To(Succeed())
	stopped := time.Now()
	g.Eventually(f.bothDown).WithTimeout(recovery).Should(BeTrue())
	t.Logf("watch_up is 0 after %s", time.Since(stopped))
	g.Eventually(f.tooOld).WithTimeout(recovery).Should(BeTrue())
	t.Logf("stale after %s", time.Since(stopped))
	g.Expect(f.logged()).To(ContainSubstring("Changes may be missed"))
	resume()
	resumed := time.Now()
	g.Eventually(f.bothUp).WithTimeout(recovery).Should(BeTrue())
	g.Expect(f.tooOld()).To(BeFalse())
	t.Logf("watch_up is 1 after %s", time.Since(resumed))
}

// proxy is a way to the API server that can swallow what watches deliver.
type proxy struct {
	*httputil.ReverseProxy

	swallow atomic.Bool
}

// body is that of a watch. Once it has lost bytes nothing more arrives on it, as on a TLS connection.
type body struct {
	io.ReadCloser

	proxy *proxy
	lost  bool
}

func (b *body) Read(p []byte) (int, error) {
	for {
		n, err := b.ReadCloser.Read(p)
		b.lost = b.lost || b.proxy.swallow.Load()
		if err != nil || !b.lost {
			return n, err
		}
	}
}

// startProxy starts a proxy for an administrator.
func startProxy(t *testing.T, plane *testkit.ControlPlane) (*proxy, *rest.Config) {
	t.Helper()
	target, err := url.Parse(plane.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ReverseProxy: httputil.NewSingleHostReverseProxy(target)}
	p.Transport, p.FlushInterval = transport, -1
	p.ModifyResponse = func(response *http.Response) error {
		if strings.Contains(response.Request.URL.RawQuery, "watch=") {
			response.Body = &body{ReadCloser: response.Body, proxy: p}
		}

		return nil
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)

	return p, &rest.Config{Host: server.URL, QPS: -1}
}

// Reads are answered and watches are open, but nothing arrives on them: neither events nor bookmarks.
func TestAWatchThatDeliversNothingIsNoticed(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	way, config := startProxy(t, plane)
	f := followBy(t, plane, config)
	g := NewWithT(t)
	g.SetDefaultEventuallyTimeout(recovery)
	g.Eventually(f.bothUp).Should(BeTrue())
	way.swallow.Store(true)
	key := f.create(g, t.Context(), "unseen", "credential-unseen")
	g.Eventually(f.tooOld).Should(BeTrue())
	g.Eventually(f.bothDown).Should(BeTrue())
	g.Expect(f.reason("credential-unseen", "")()).To(Equal("unknown"))
	way.swallow.Store(false)
	g.Eventually(f.bothUp).Should(BeTrue())
	g.Expect(f.tooOld()).To(BeFalse())
	// Confirmed knowledge has everything from before, whatever was swallowed.
	g.Expect(f.reason("credential-unseen", "")()).To(Equal("allowed"), key.Name)
}
