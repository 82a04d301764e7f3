// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// outageWait is how long an effect is waited for before the benchmark fails.
	outageWait = 3 * time.Minute
	// outagePoll is how often an effect is looked for.
	outagePoll = 20 * time.Millisecond
	// outageNamespace has the keys, and the Lease.
	outageNamespace = "default"
)

// outageSite is two operators with leader election and a verifier, as processes that reach the API server through a relay.
type outageSite struct {
	*cluster

	options    outageOptions
	relay      *testkit.Relay
	kubeconfig string
	operators  []*replica
	verifier   *replica
}

// replica is one process of a program, which can be started again.
type replica struct {
	*process.Program

	name, path      string
	args            []string
	metrics, probes string
	http            string // of the verifier
}

// newOutageSite starts the programs and waits until they are ready.
func newOutageSite(ctx context.Context, c *cluster, o outageOptions) (s *outageSite, err error) {
	s = &outageSite{cluster: c, options: o}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.relay, err = c.plane.NewRelay(ctx); err != nil {
		return s, err
	}
	if err := s.createPoliced(ctx); err != nil {
		return s, err
	}
	if s.kubeconfig, err = s.relay.Kubeconfig(c.plane, "programs", "system:masters"); err != nil {
		return s, err
	}
	for i := range 2 {
		r := &replica{name: fmt.Sprintf("operator-%d", i+1), path: o.operator, args: []string{
			"--leader-elect", "--leader-election-namespace=" + outageNamespace, "--require-guardrails=false",
		}}
		if err := s.start(ctx, r); err != nil {
			return s, err
		}
		s.operators = append(s.operators, r)
	}
	http, err := c.plane.FreeAddress()
	if err != nil {
		return s, err
	}
	s.verifier = &replica{
		name: "verifier", path: o.verifier, http: http, args: []string{"--grpc-bind-address=0", "--http-bind-address=" + http},
	}

	return s, s.start(ctx, s.verifier)
}

// start starts a replica, and waits until it is ready.
func (s *outageSite) start(ctx context.Context, r *replica) error {
	addresses, err := s.fill([]string{"", ""})
	if err != nil {
		return err
	}
	r.metrics, r.probes = "http://"+addresses[0]+"/metrics", "http://"+addresses[1]+"/readyz"
	//nolint:noctx // stop ends it with a grace period; a context would kill it
	cmd := exec.Command(r.path, append(r.args, "--kubeconfig="+s.kubeconfig, "--metrics-secure=false",
		"--metrics-bind-address="+addresses[0], "--health-probe-bind-address="+addresses[1])...)
	cmd.Env = os.Environ()
	if r.Program, err = process.StartProgram(r.name, filepath.Join(s.plane.Folder(), r.name+".log"), cmd); err != nil {
		return fmt.Errorf("%w (run `make build`, which builds it)", err)
	}
	if err := r.AwaitReady(ctx, startTimeout, r.ready); err != nil {
		return r.Explain(err)
	}

	return nil
}

func (r *replica) ready(ctx context.Context) error {
	return testkit.Get(ctx, http.DefaultClient, r.probes)
}

// stop ends all programs.
func (s *outageSite) stop() {
	for _, r := range append(s.operators, s.verifier) {
		if r != nil && r.Program != nil {
			r.Stop(s.hurry, stopGrace)
		}
	}
	if s.relay != nil {
		_ = s.relay.Close()
	}
}

// alive returns an error if a program has ended, which none may because of an outage.
func (s *outageSite) alive() error {
	for _, r := range append(s.operators, s.verifier) {
		select {
		case <-r.Ended():
			return r.Explain(fmt.Errorf("the %s has ended", r.name))
		default:
		}
	}

	return nil
}

// leader returns the operator that leads.
func (s *outageSite) leader(ctx context.Context) (leader *replica, err error) {
	err = eventually(ctx, "a leader", func(ctx context.Context) error {
		for _, r := range s.operators {
			if leads, err := r.hasMetric(ctx, "leader_election_master_status{", " 1"); err == nil && leads {
				leader = r

				return nil
			}
		}

		return errors.New("no operator leads")
	})

	return leader, err
}

// hasMetric reports whether /metrics has a line that begins and ends so.
func (r *replica) hasMetric(ctx context.Context, begin, end string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.metrics, http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, begin) && strings.HasSuffix(line, end) {
			return true, nil
		}
	}

	return false, nil
}

// loseLeader kills the leader or ends it in order, mints a key meanwhile, and starts the operator again.
func (s *outageSite) loseLeader(ctx context.Context, kill bool, name string) (time.Duration, error) {
	leader, err := s.leader(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range s.operators {
		if err := eventually(ctx, "both operators ready", r.ready); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	if kill {
		leader.Stop(process.AtOnce(), 0)
	} else if err := leader.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	key := newOutageKey(name)
	if err := s.client.Create(ctx, key); err != nil {
		return 0, err
	}
	if err := eventually(ctx, "a mint", func(ctx context.Context) error { return s.active(ctx, key) }); err != nil {
		return 0, err
	}
	took := time.Since(began)
	leader.Stop(nil, stopGrace)

	return took, s.start(ctx, leader)
}

// eventually waits until check returns nil. Its error is the last one of check.
func eventually(ctx context.Context, what string, check func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, outagePoll, outageWait, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)

		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s: not within %s: %w", what, outageWait, last)
	}

	return nil
}
