// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestDispatch(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"help is no mistake":                   {[]string{"--help"}, exitOK, "Available Commands:", ""},
		"help as a word":                       {[]string{"help"}, exitOK, "BENCH_JSON", ""},
		"help of a benchmark":                  {[]string{"mint", "--help"}, exitOK, "-settled", ""},
		"no benchmark":                         {nil, exitUsage, "", "Usage:"},
		"a benchmark that is not there":        {[]string{"mine"}, exitUsage, "", `no benchmark "mine"`},
		"a flag that is not there":             {[]string{"mint", "--kyes=3"}, exitUsage, "", "kyes"},
		"a flag that is no number":             {[]string{"mint", "--keys=many"}, exitUsage, "", "many"},
		"an argument too many":                 {[]string{"mint", "2000"}, exitUsage, "", `unexpected argument "2000"`},
		"fewer keys than none":                 {[]string{"mint", "--keys=-1"}, exitUsage, "", "--keys"},
		"one key, of which there is no rate":   {[]string{"mint", "--keys=1"}, exitUsage, "", "--keys"},
		"no workers":                           {[]string{"mint", "--workers=0"}, exitUsage, "", "--workers"},
		"help of another benchmark":            {[]string{"verify", "--help"}, exitOK, "-revocations", ""},
		"no round":                             {[]string{"verify", "--rounds=0"}, exitUsage, "", "--rounds"},
		"less than no load":                    {[]string{"verify", "--seconds=-1"}, exitUsage, "", "--seconds"},
		"more revocations than keys":           {[]string{"verify", "--keys=5", "--revocations=5"}, exitUsage, "", "--revocations"},
		"help of a third benchmark":            {[]string{"gateway", "--help"}, exitOK, "-concurrency", ""},
		"no key to ask with":                   {[]string{"gateway", "--keys=0"}, exitUsage, "", "--keys"},
		"no load for a gateway":                {[]string{"gateway", "--seconds=0"}, exitUsage, "", "--seconds"},
		"help of the search for keys":          {[]string{"leaked", "--help"}, exitOK, "-megabytes", ""},
		"no text to search":                    {[]string{"leaked", "--megabytes=0"}, exitUsage, "", "--megabytes"},
		"a gateway that has no sample":         {[]string{"gateway", "--only=apache"}, exitUsage, "", "--only"},
		"no round for a gateway":               {[]string{"gateway", "--rounds=0"}, exitUsage, "", "--rounds"},
		"help of the outages":                  {[]string{"outage", "--help"}, exitOK, "-longest", ""},
		"an outage that ends before it begins": {[]string{"outage", "--shortest=2s", "--longest=1s"}, exitUsage, "", "--longest"},
		"help of many keys":                    {[]string{"scale", "--help"}, exitOK, "-revocations", ""},
		"more names than there are":            {[]string{"scale", "--keys=1000000"}, exitUsage, "", "--keys"},
		"more revocations than settled keys":   {[]string{"scale", "--keys=5", "--revocations=6"}, exitUsage, "", "--revocations"},
		"no key to verify":                     {[]string{"verify", "--keys=0"}, exitUsage, "", "--keys"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := dispatch(t.Context(), nil, c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code: got %d, want %d", code, c.code)
			}
			for stream, want := range map[*bytes.Buffer]string{&stdout: c.stdout, &stderr: c.stderr} {
				if !strings.Contains(stream.String(), want) || want == "" && stream.Len() > 0 {
					t.Errorf("printed %q, want it to contain %q, or nothing", stream, want)
				}
			}
		})
	}
}

func TestHelpDoesNotListWhatIsStartedByBenchmarks(t *testing.T) {
	var stdout bytes.Buffer
	dispatch(t.Context(), nil, []string{"help"}, &stdout, &bytes.Buffer{})
	for _, c := range newRoot(nil).Commands() {
		if listed := strings.Contains(stdout.String(), "  "+c.Name()+" "); listed == c.Hidden {
			t.Errorf("%s: listed %v, hidden %v", c.Name(), listed, c.Hidden)
		}
	}
}

func TestInParallelStopsAtTheFirstError(t *testing.T) {
	first := errors.New("first")
	var calls atomic.Int32
	err := inParallel(t.Context(), 4, 1000, func(ctx context.Context, i int) error {
		calls.Add(1)
		if i == 0 {
			return first
		}
		<-ctx.Done()

		return errors.New("a consequence")
	})
	if !errors.Is(err, first) {
		t.Errorf("got error %v, want the first one", err)
	}
	if n := calls.Load(); n > 4 {
		t.Errorf("%d calls were begun, want no more than there are workers", n)
	}
}

func TestInParallelReturnsTheCauseOfACancelledContext(t *testing.T) {
	why := errors.New("the operator ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	err := inParallel(ctx, 2, 10, func(context.Context, int) error { return nil })
	if !errors.Is(err, why) {
		t.Errorf("got error %v, want the cause", err)
	}
}

func TestSteady(t *testing.T) {
	level := make([]float64, steadyReadings)
	for i := range level {
		level[i] = 1000
	}
	for name, c := range map[string]struct {
		readings []float64
		want     bool
	}{
		"too few readings":           {level[1:], false},
		"all the same":               {level, true},
		"a peak, but long ago":       {append([]float64{5000}, level...), true},
		"a fall within the readings": {append([]float64{1020}, level[1:]...), false},
		"a little up and down":       {append([]float64{1009}, level[1:]...), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := steady(c.readings); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// asBench makes this test program behave as the benchmark: what it does about signals shows only in a process of its own.
const asBench = "TEST_PROGRAM_IS_BENCH"

func TestMain(m *testing.M) {
	if os.Getenv(asBench) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestInterruptionLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each phase")
	}
	testkit.Build(t, "bin/manager", "./cmd")
	for name, interruption := range map[string]testkit.Interruption{
		"Ctrl-C while the API server starts":   {After: "starting etcd and kube-apiserver", Signal: syscall.SIGINT, Code: 130},
		"Ctrl-C twice while keys are minted":   {After: "the operator mints", Signal: syscall.SIGINT, Again: true, Code: 130},
		"SIGTERM while keys are minted":        {After: "the operator mints", Signal: syscall.SIGTERM, Code: 143},
		"the terminal is closed while minting": {After: "the operator mints", Signal: syscall.SIGHUP, Code: 129},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.StartSession(t, os.Args[0], []string{"mint", "--settled=0"}, asBench+"=1").Interrupt(interruption)
		})
	}
}

func TestMemoryLimitIsThatOfTheDeployment(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(root, "config", "verifier", "verifier.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`limits:\s+memory: (\S+)`).FindSubmatch(manifest)
	if found == nil {
		t.Fatal("the manifest has no memory limit")
	}
	limit, err := resource.ParseQuantity(string(found[1]))
	if err != nil || limit.Value() != memoryLimit {
		t.Errorf("the limit in the manifest is %s, %v; want %d", found[1], err, memoryLimit)
	}
}
