// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	command "github.com/apikey-operator/apikey-operator/internal/verifier"
)

// argumentsVariable holds the command line of a verifier that is a process of its own, one argument a line.
const argumentsVariable = "VERIFIER_ARGUMENTS"

// slowest is how long a client may wait for an answer when the verifier is away: a second to connect, two for the answer, and
// what a busy machine takes.
const slowest = 15 * time.Second

// TestVerifierProcess is the verifier in a process of its own, which can be stopped and killed.
func TestVerifierProcess(t *testing.T) {
	arguments := os.Getenv(argumentsVariable)
	if arguments == "" {
		t.Skip("other tests start it")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := command.RunCommand(ctx, strings.Split(arguments, "\n"), os.Stdout); err != nil {
		t.Fatal(err)
	}
}

// startProcess starts a verifier in a process of its own that ends with the test, and waits until it is ready.
func (s *site) startProcess(t *testing.T) (address string, process *os.Process) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address, probes, said := testkit.FreeAddress(t), testkit.FreeAddress(t), &transcript{}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^TestVerifierProcess$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), argumentsVariable+"="+strings.Join(s.arguments(address, "0", probes), "\n"))
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // also when it is stopped, and when it has been killed before
		_ = cmd.Wait()
	})
	s.waitReady(t, probes, said)

	return address, cmd.Process
}

// saysWhyNot checks what clients are told when the verifier cannot decide: the same by every gateway.
func (s *site) saysWhyNot(t *testing.T, p program) {
	p.variant(t, "says why it cannot tell")
	t.Run("the verifier is stopped, continues and is killed", func(t *testing.T) { s.outlastsStops(t, p) })
	t.Run("the route is misconfigured", func(t *testing.T) { s.namesMisconfiguration(t, p) })
	for sentence, start := range map[string]func(*testing.T) (address string){
		"the port is the one for gRPC":                   func(t *testing.T) string { t.Helper(); return s.grpc },
		"the verifier refuses connections":               func(*testing.T) string { return refusing },
		"the verifier takes no more connections":         s.startFull,
		"the verifier accepts connections and is silent": func(t *testing.T) string { t.Helper(); return s.startMute(t, false) },
		"the verifier hangs up":                          func(t *testing.T) string { t.Helper(); return s.startMute(t, true) },
		"the verifier hangs":                             func(t *testing.T) string { t.Helper(); return s.startSilent(t, "", false) },
		"the verifier hangs in the middle of its answer": func(t *testing.T) string {
			t.Helper()
			return s.startSilent(t, "HTTP/1.1 200 OK\r\nX-Apikey-Id: evil\r\n", false)
		},
		"the verifier hangs up instead of answering": func(t *testing.T) string { t.Helper(); return s.startSilent(t, "", true) },
		"something else answers that it is busy": func(t *testing.T) string {
			t.Helper()
			return s.startSilent(t, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno", true)
		},
		"something else answers that it finds nothing": func(t *testing.T) string {
			t.Helper()
			return s.startSilent(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", true)
		},
		"something else answers that it is elsewhere": func(t *testing.T) string {
			t.Helper()
			return s.startSilent(t, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", true)
		},
		"something else answers with another protocol": func(t *testing.T) string {
			t.Helper()
			return s.startSilent(
				t, "220 mail.example.com ESMTP\r\n", true,
			)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p.variant(t, sentence)
			t.Parallel() // most of it is waiting
			s.isUnavailable(t, p, startGateway(t, p, start(t), s.ca, nil))
		})
	}
}

// namesMisconfiguration checks that a route which does not say correctly what it needs is answered with that reason.
func (s *site) namesMisconfiguration(t *testing.T, p program) {
	for sentence, requirements := range map[string]string{
		"it names an environment that is not": "environment=Nowhere",
		"it needs something twice":            "environment=Production&permission=customers:read&permission=customers:write",
		"it misspells what it needs":          "environment=Production&permision=customers:read",
		"it does not say what it needs":       "",
	} {
		t.Run(sentence, func(t *testing.T) {
			g := startGateway(t, p, s.address, s.ca, edit{"environment=Production&permission=customers:read": requirements})
			for _, line := range []string{"X-API-Key: " + s.keys["reader"], "Accept: */*"} {
				exchange(t, g.address, get(line)).is(t, http.StatusInternalServerError, "misconfigured")
			}
			if calls := g.api.take(); len(calls) > 0 {
				t.Errorf("it reached the API: %q", s.blank(calls[0].raw))
			}
		})
	}
}

// isUnavailable checks that nothing gets to the API, and that clients learn in time that this is no matter of their key.
func (s *site) isUnavailable(t *testing.T, p program, g *gateway) {
	t.Helper()
	bare := p.variant(t, t.Name()).bare
	requests := []string{get("X-API-Key: " + s.keys["reader"]), get(), post("X-API-Key: "+s.keys["reader"], "Content-Length: 2", "", "hi")}
	if bare {
		requests = requests[:1] // each may take 10 s, and more of them say no more
	}
	for _, request := range requests {
		start := time.Now()
		answer := exchange(t, g.address, request)
		if took := time.Since(start); took > slowest {
			t.Errorf("the answer took %s, want at most %s", took, slowest)
		}
		if !bare {
			answer.is(t, http.StatusServiceUnavailable, "unavailable")
		} else if answer.status != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503; it said %q", answer.status, answer.body)
		}
	}
	if calls := g.api.take(); len(calls) > 0 {
		t.Errorf("it reached the API: %q", s.blank(calls[0].raw))
	}
}

// outlastsStops stops a verifier that a gateway has connections to, lets it continue, and kills it.
func (s *site) outlastsStops(t *testing.T, p program) {
	address, process := s.startProcess(t)
	g := startGateway(t, p, address, s.ca, nil)
	valid := get("X-API-Key: " + s.keys["reader"])
	signalled := func(signal os.Signal) {
		if err := process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	exchange(t, g.address, valid).is(t, http.StatusOK, "")
	g.api.take()
	signalled(syscall.SIGSTOP)
	if _, err := syscall.Wait4(process.Pid, nil, syscall.WUNTRACED, nil); err != nil { // until it has stopped
		t.Fatal(err)
	}
	s.isUnavailable(t, p, g)
	s.isUnavailable(t, p, g)
	signalled(syscall.SIGCONT)
	//nolint:contextcheck // exchange has a deadline of its own
	eventually(t, "keys are accepted again", func(context.Context) bool { return exchange(t, g.address, valid).status == http.StatusOK })
	g.api.take()
	signalled(syscall.SIGKILL)
	if _, err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	s.isUnavailable(t, p, g)
	s.isUnavailable(t, p, g)
}
