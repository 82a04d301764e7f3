// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// kubectl runs kubectl as one user. Copies with another kubeconfig are other users.
type kubectl struct {
	program    string
	kubeconfig string
	cache      string // for what kubectl remembers of a cluster, which it else leaves in the home folder
	workDir    string
	stdin      []byte
}

// with returns a kubectl that is given a text on standard input.
func (k kubectl) with(stdin []byte) kubectl {
	k.stdin = stdin

	return k
}

// run runs one command and returns what it printed, in the order in which it did, without the last line end.
// The error of a command that failed holds that too.
func (k kubectl) run(ctx context.Context, args ...string) (string, error) {
	var output bytes.Buffer
	cmd := process.Command(ctx, k.program, args...)
	cmd.Dir = k.workDir
	cmd.Stdin = bytes.NewReader(k.stdin)
	cmd.Stdout, cmd.Stderr = &output, &output
	// KUBECTL_KUBERC: the reader's own preferences would change what the tour shows.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig, "KUBECACHEDIR="+k.cache, "KUBECTL_KUBERC=false")
	err := cmd.Run()
	printed := strings.TrimRight(output.String(), "\n")
	switch {
	case err == nil:
		return printed, nil
	case ctx.Err() != nil:
		return printed, context.Cause(ctx)
	default:
		return printed, fmt.Errorf("%s: %w\n%s", commandLine(args), err, printed)
	}
}

// commandLine is the command as one types it into a shell.
func commandLine(args []string) string {
	words := make([]string, 0, len(args)+1)
	words = append(words, "kubectl")
	for _, arg := range args {
		words = append(words, quote(arg))
	}

	return strings.Join(words, " ")
}

// quote quotes a word where a POSIX shell would else read it as something else.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,@%+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}

	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
