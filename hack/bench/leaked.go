// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// leakedOptions are the flags of bench leaked.
type leakedOptions struct{ megabytes, rounds int }

// newLeaked returns the command that measures the search for keys in text.
func newLeaked() *cobra.Command {
	var o leakedOptions
	complaint := func() string {
		if o.megabytes < 1 || o.rounds < 1 {
			return "--megabytes and --rounds must be at least 1"
		}

		return ""
	}
	short := "Measure kubectl apikey leaked beside grep -E and gitleaks on the same files"
	command := newCommand("leaked", short, complaint, func(c *cobra.Command) error {
		r := newReport("leaked")

		return r.conclude(c.OutOrStdout(), o.measure(c.Context(), r))
	})
	command.Flags().IntVar(&o.megabytes, "megabytes", 64, "size of each file in `MB`")
	command.Flags().IntVar(&o.rounds, "rounds", 3, "how often each program reads each file; they take turns")

	return command
}

// searcher is a program that searches a file for keys.
type searcher struct {
	name string
	args []string
	// none is the exit code that tells that there is no key.
	none int
}

// measure searches each kind of text with each program. No text holds a key, so that none of them spends time on findings.
func (o *leakedOptions) measure(ctx context.Context, r *report) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bench-leaked-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system cleans its folder for temporary files too
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		return err
	}
	r.explain("Each program searches the same file, which is in memory already and holds no key, and starts anew each time: best of %d rounds in turns. "+
		"leaked and gitleaks search each file for keys and for keys in base64. grep -E searches the log for keys, and the base64 for what "+
		"the middle of a key becomes in base64.", o.rounds)
	for _, kind := range []struct{ name, text, pattern string }{
		{"log", logText(o.megabytes), strings.ReplaceAll(keys.Pattern(), "(?:", "(")},
		{"base64", base64Text(o.megabytes), leak.EncodedPattern()},
	} {
		searchers := []searcher{
			{"leaked", []string{filepath.Join(root, "bin", "kubectl-apikey"), "leaked", "--kubeconfig", kubeconfig}, 0},
			{"grep -E", []string{"env", "LC_ALL=C", "grep", "-aE", kind.pattern}, 1}, // the fastest locale
			{"gitleaks", []string{
				filepath.Join(root, "bin", "gitleaks"), "dir", "--no-banner", "--log-level=error",
				"--config", filepath.Join(root, "config", "secret-scanning", "gitleaks.toml"),
			}, 0},
		}
		file := filepath.Join(folder, kind.name+".txt")
		if err := os.WriteFile(file, []byte(kind.text), 0o600); err != nil {
			return err
		}
		if err := o.compare(ctx, r, kind.name, file, searchers); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}

	return nil
}

// compare adds the speed of each program on one file.
func (o *leakedOptions) compare(ctx context.Context, r *report, kind, file string, searchers []searcher) error {
	speeds := make([][]float64, len(searchers))
	for range o.rounds {
		for i, program := range searchers {
			speed, err := program.search(ctx, file)
			if err != nil {
				return err
			}
			speeds[i] = append(speeds[i], speed)
		}
	}
	for i, program := range searchers {
		key := "leaked." + kind + "." + strings.Fields(program.name)[0]
		r.add(figure{
			Key: key, Name: program.name + ", " + kind, Value: percentile(speeds[i], 100), Unit: "MB/s", Note: spread(speeds[i]),
		})
	}
	ratio := figure{
		Key: "leaked." + kind + ".ratio", Name: "leaked to grep -E, " + kind, Value: median(ratios(speeds[0], speeds[1])), Unit: "ratio",
		Note: spread(ratios(speeds[0], speeds[1])),
	}
	if kind == "log" { // grep -E alone does not tell keys in base64 from other text
		ratio.Aim = &aim{atLeast, 1}
	}
	r.add(ratio)

	return nil
}

// search runs the program on a file and returns its speed in MB/s.
func (s searcher) search(ctx context.Context, file string) (float64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	run := exec.CommandContext(ctx, s.args[0], append(append([]string{}, s.args[1:]...), file)...)
	started := time.Now()
	out, err := run.CombinedOutput()
	took := time.Since(started)
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil && !errors.As(err, &exit) || run.ProcessState.ExitCode() != s.none {
		return 0, fmt.Errorf("%s: %w: %s", s.name, err, out)
	}

	return float64(info.Size()) / 1e6 / took.Seconds(), nil
}

// logText returns an access log without a key.
func logText(megabytes int) string {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: the same text for each run
	var text strings.Builder
	for text.Len() < megabytes*1e6 {
		_, _ = fmt.Fprintf(&text, "2026-11-26T12:%02d:%02d.%03dZ INFO gateway request_id=%016x GET /customers/%d/orders status=200 duration_ms=%d "+
			"user_agent=\"curl/8.5\"\n", random.IntN(60), random.IntN(60), random.IntN(1000), random.Uint64(), random.IntN(1e6), random.IntN(900))
	}

	return text.String()
}

// base64Text returns a dump that is base64 altogether, in lines of 76 characters, without a key.
func base64Text(megabytes int) string {
	encoded := base64.StdEncoding.EncodeToString([]byte(logText(megabytes * 3 / 4)))
	var text strings.Builder
	for ; len(encoded) > 76; encoded = encoded[76:] {
		text.WriteString(encoded[:76] + "\n")
	}

	return text.String()
}
