// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// scaleOptions are the flags of bench scale.
type scaleOptions struct {
	manager, verifier         string
	keys, mints, revokes, get int
	rest                      time.Duration
}

// scaleBench is one run of bench scale: the installed operator and verifier in a cluster with many settled keys.
type scaleBench struct {
	*verifyBench

	options scaleOptions
	// operatorLimit and verifierLimit are the memory limits of the containers as they are shipped, in bytes.
	operatorLimit, verifierLimit int64
}

// newScale returns the command that measures a cluster with many keys.
func newScale(hurry <-chan struct{}) *cobra.Command {
	var o scaleOptions
	short := "Measure operator, verifier, kubectl and etcd with 100,000 keys"
	command := newCommand("scale", short, o.complaint, func(c *cobra.Command) error {
		b := &scaleBench{options: o, verifyBench: &verifyBench{
			options: verifyOptions{program: o.verifier, keys: o.keys, connections: 1, concurrency: 1},
			account: installedAccount(verifierAccount), report: newReport("scale"),
		}}

		return runBenchmark(c, hurry, b.report, &b.cluster, b.measure)
	})
	flags := command.Flags()
	flags.StringVar(&o.manager, "manager", builtProgram("manager"), "`path` of the operator")
	flags.StringVar(&o.verifier, "verifier", builtProgram("verifier"), "`path` of the verifier")
	flags.IntVar(&o.keys, "keys", 100_000, "how many settled keys the cluster has")
	flags.IntVar(&o.mints, "mints", 200, "how many more keys to mint, one after the other; 0 skips minting")
	flags.IntVar(&o.revokes, "revocations", 200, "how many of the settled keys to revoke, one after the other; 0 skips revocation")
	flags.IntVar(&o.get, "gets", 1, "how often to time kubectl get; 0 skips kubectl")
	flags.DurationVar(&o.rest, "rest", 150*time.Second,
		"how long to count API calls before memory counts as settled: more than the two minutes after which Go collects garbage; "+
			"0: until the operator has checked each Secret")

	return command
}

// complaint returns what makes no sense in the options; empty: nothing.
func (o *scaleOptions) complaint() string {
	if o.keys < 1 || o.keys > maxSeeds-1 || o.mints < 0 || o.revokes < 0 || o.revokes > o.keys || o.get < 0 || o.rest < 0 {
		return "--keys must be from 1 to 999999, --revocations at most --keys, and no number negative"
	}

	return ""
}

// measure gives an installed cluster its keys, and then starts the verifier and the operator.
func (b *scaleBench) measure(ctx context.Context) (err error) {
	if b.operatorLimit, err = shippedLimit("manager"); err != nil {
		return err
	}
	if b.verifierLimit, err = shippedLimit("verifier"); err != nil {
		return err
	}
	if err := b.install(ctx); err != nil {
		return fmt.Errorf("install config/default: %w", err)
	}
	if err := b.fillEtcd(ctx); err != nil {
		return err
	}
	b.log.Printf("starting the verifier")
	began := time.Now()

	return b.withVerifier(ctx, func(ctx context.Context, verifier *program) error {
		b.reportReady("verifier", time.Since(began))
		before, err := b.requests(ctx)
		if err != nil {
			return err
		}
		b.log.Printf("starting the operator")
		began := time.Now()

		return b.withOperator(ctx, func(ctx context.Context, operator *program) error {
			b.reportReady("operator", time.Since(began))

			return b.measureLoaded(ctx, operator, verifier, before)
		})
	})
}

// withOperator runs the operator with the rights and the memory limit that are shipped.
func (b *scaleBench) withOperator(ctx context.Context, do func(context.Context, *program) error) error {
	as := installedAccount(operatorAccount)
	kubeconfig, err := b.plane.Kubeconfig(as.name, as.groups...)
	if err != nil {
		return err
	}

	return b.withProgram(ctx, invocation{
		name: "operator", path: b.options.manager, target: "build",
		environment: []string{"GOMEMLIMIT=" + strconv.FormatInt(b.operatorLimit, 10)},
		args: func([]string) []string {
			return []string{"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--metrics-secure=false", "--start-timeout=" + startTimeout.String()}
		},
	}, do)
}

// shippedLimit returns the memory limit of the container in config/COMPONENT/COMPONENT.yaml, in bytes.
func shippedLimit(component string) (int64, error) {
	root, err := testkit.Root()
	if err != nil {
		return 0, err
	}
	path := filepath.Join(root, "config", component, component+".yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var deployment appsv1.Deployment
	if err := yaml.Unmarshal(text, &deployment); err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	for i := range deployment.Spec.Template.Spec.Containers {
		if limit := deployment.Spec.Template.Spec.Containers[i].Resources.Limits.Memory(); !limit.IsZero() {
			return limit.Value(), nil
		}
	}

	return 0, fmt.Errorf("%s has no container with a memory limit", path)
}
