// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the operator: it mints, rotates and ends the API keys that APIKey objects declare.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// gcPercent is how much the heap grows between garbage collections where GOGC does not say. Nearly all of it is the cache,
// which lives long: at Go's 100, 20,000 settled keys took 4.7 KiB each of resident memory, of which 2.5 KiB were in use.
const gcPercent = 50

// readyTimeout bounds one readiness check; the kubelet's own default is 1s.
const readyTimeout = 500 * time.Millisecond

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "manager: %v\nRun it with --help to see its flags.\n", err)
		os.Exit(2)
	}
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	metricsAddress, probeAddress    string
	metricsSecure                   bool
	metricsCertDir                  string
	leaderElect                     bool
	leaderElectionNamespace, prefix string
	concurrency                     int
	startTimeout                    time.Duration
	requireGuardrails               bool
	zap                             zap.Options
}

// flagSet is the command line that fills in options.
func flagSet(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("manager", flag.ContinueOnError)
	fs.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "Address of /metrics; 0 turns it off.")
	fs.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve /metrics over TLS, only to those who may get the non-resource URL /metrics.")
	fs.StringVar(&o.metricsCertDir, "metrics-cert-dir", "", "Folder with tls.crt and tls.key for /metrics, reloaded when they change; empty: a self-signed certificate.")
	fs.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 turns them off.")
	fs.BoolVar(&o.leaderElect, "leader-elect", false, "Let one replica work at a time. Several at once are safe, but do the same work.")
	fs.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "Namespace of the Lease for --leader-elect; empty: the namespace of the pod.")
	fs.StringVar(&o.prefix, "key-prefix", keys.DefaultPrefix, "What new keys begin with: 1 to 10 lower-case letters and digits, a letter first. Keys with another prefix stay valid.")
	fs.IntVar(&o.concurrency, "concurrent-reconciles", 16, "How many APIKeys are worked on at once, from 1 to 1000.")
	fs.DurationVar(&o.startTimeout, "start-timeout", 2*time.Minute, "How long every resource that is watched may take to be listed at the start. After that the operator ends and names those that cannot be listed.")
	fs.BoolVar(&o.requireGuardrails, "require-guardrails", true, "Mint keys only while the policies of config/policy are in force at the API server: without them, whoever may create an APIKey can give it any permission. --require-guardrails=false is for clusters where something else decides about that.")
	if kubeconfig := flag.Lookup("kubeconfig"); kubeconfig != nil { // controller-runtime reads it where it has put it
		fs.Var(kubeconfig.Value, kubeconfig.Name, kubeconfig.Usage)
	}
	o.zap.BindFlags(fs)

	return fs
}

// parse reads the command line and says what is wrong with it. It answers --help itself.
func parse(args []string, help io.Writer) (options, error) {
	var o options
	fs := flagSet(&o)
	fs.SetOutput(io.Discard) // the caller says what is wrong, once and without all the flags
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(help, "Runs the operator: it mints, rotates and ends the API keys that APIKey objects declare.\n\nFlags:\n")
		fs.SetOutput(help)
		fs.PrintDefaults()
	}
	if err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q: there are only flags, see --help", fs.Arg(0))
	}
	if err := keys.CheckPrefix(o.prefix); err != nil {
		return o, fmt.Errorf("--key-prefix: %w", err)
	}
	if o.startTimeout <= 0 {
		return o, fmt.Errorf("--start-timeout=%s: must be more than 0", o.startTimeout)
	}
	if o.concurrency < 1 || o.concurrency > 1000 {
		return o, fmt.Errorf("--concurrent-reconciles=%d: must be from 1 to 1000", o.concurrency)
	}

	return o, nil
}

// run runs the operator until the context ends.
func run(ctx context.Context, o options) error {
	log := zap.New(zap.UseFlagOptions(&o.zap))
	ctrl.SetLogger(log)
	klog.SetLogger(log) // of libraries that log by themselves; their verbosity stays 0

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	mgr, err := newManager(o)
	if err != nil {
		return err
	}
	if err := controller.Setup(mgr, controller.Options{
		Keys: keys.Generator{Prefix: o.prefix}, Concurrency: o.concurrency,
		Clock: clock.RealClock{}, Registerer: metrics.Registry, RequireGuardrails: o.requireGuardrails,
	}); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	if err := addProbes(mgr); err != nil {
		return err
	}

	return controller.ExplainEnd(ctx, mgr, o.requireGuardrails, mgr.Start(ctx))
}

func newManager(o options) (ctrl.Manager, error) {
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		return nil, err
	}
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig, $KUBECONFIG, or a pod's service account): %w", err)
	}
	cfg.QPS = -1 // no throttling here: the API server's priority and fairness knows what it can take

	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        s,
		Cache:                         controller.CacheOptions(),
		Client:                        controller.ClientOptions(),
		Metrics:                       metricsOptions(o),
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              controller.Name + "." + v1alpha1.GroupName,
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		Controller:                    config.Controller{CacheSyncTimeout: o.startTimeout},
		LeaderElectionReleaseOnCancel: true, // nothing runs after Start returns, so the next one need not wait
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}

	return mgr, nil
}

func metricsOptions(o options) metricsserver.Options {
	m := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure, CertDir: o.metricsCertDir}
	if o.metricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
		// HTTP/2 stays off: metrics need none of it, and its stream resets are a way to exhaust a server (CVE-2023-44487).
		m.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
	}

	return m
}

// addProbes says alive while the process answers, and ready once the caches have been filled, also on a replica that
// stands by: one that has not is no replacement for the leader.
func addProbes(mgr ctrl.Manager) error {
	synced := func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet")
		}

		return nil
	}

	return errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced))
}
