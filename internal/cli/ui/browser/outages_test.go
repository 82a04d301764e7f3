// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestOperatorAway: a key that was created while the operator is away is shown when the operator has made it.
func TestOperatorAway(t *testing.T) {
	p := newAdministrator(t, "operator-away")
	p.cluster.operator.Stop(nil, programGrace)
	t.Cleanup(func() {
		select {
		case <-p.cluster.operator.Ended():
			if err := p.cluster.startOperator(t.Context()); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		default:
		}
	})
	tb, s := p.browse()
	i := newInspector(t, tb)
	tb.open(s.Origin + "/create")
	tb.fill("#displayName", "Patient")
	tb.click("input[name=environment][value=Production]")
	tb.click("form .primary")
	tb.untilText("Your key is not there yet")
	i.inspect("once-waiting")
	if err := p.cluster.startOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	tb.untilText("Copy your key now")
	p.untilVerified(tb.text("#key"), "", 200)
	tb.click("#stored")
}

// TestClusterAway: the page says that the cluster does not answer, and goes on when it does again.
func TestClusterAway(t *testing.T) {
	p := newAdministrator(t, "cluster-away")
	p.newKey("shop", v1alpha1.APIKeySpec{DisplayName: "Shop"})
	line := p.throughLine()
	tb, s := p.browse()
	tb.problemsExpected = true
	tb.untilText("Shop")
	line.cut()
	tb.open(s.Origin + p.path("shop"))
	tb.untilText("The cluster does not answer")
	newInspector(t, tb).inspect("cluster-away")
	tb.open(s.Origin + "/")
	tb.untilText("The cluster does not answer")
	tb.untilText("Shop") // what was read stays
	line.restore(t)
	tb.open(s.Origin + p.path("shop"))
	tb.untilText("What it may do")
}

// TestInterrupt: Ctrl-C ends the command, and the page says so.
func TestInterrupt(t *testing.T) {
	p := newAdministrator(t, "interrupt")
	tb, s := p.browse()
	tb.problemsExpected = true
	tb.untilText("No keys")
	if code := s.Stop(); code != 130 {
		t.Errorf("exit code %d, want 130; it printed\n%s", code, s.Output)
	}
	tb.untilText("This page has ended.")
}

// line is a connection to the API server that can be cut.
type line struct {
	address, target string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

// throughLine lets the person reach the API server through a line of their own.
func (p *person) throughLine() *line {
	p.t.Helper()
	config, err := clientcmd.LoadFromFile(p.kubeconfig)
	if err != nil {
		p.t.Fatal(err)
	}
	l := &line{target: strings.TrimPrefix(p.cluster.Config.Host, "https://"), address: "127.0.0.1:0"}
	l.restore(p.t)
	p.t.Cleanup(l.cut)
	for _, c := range config.Clusters {
		c.Server = "https://" + l.address
	}
	p.kubeconfig += ".line"
	if err := clientcmd.WriteToFile(*config, p.kubeconfig); err != nil {
		p.t.Fatal(err)
	}

	return l
}

// restore takes connections, at the same address as before.
func (l *line) restore(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener, l.address = listener, listener.Addr().String()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.target)
			if err != nil {
				_ = from.Close()

				continue
			}
			l.mu.Lock()
			l.open = append(l.open, from, to)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
}

// cut closes every connection and takes no more.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	for _, connection := range l.open {
		_ = connection.Close()
	}
	l.open = nil
}
