// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
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

// commandLine returns the command as a line for a shell.
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

// answer is an answer of the demo API.
type answer struct {
	status int
	header http.Header
	body   string
	whole  string // as `curl -i` prints it
}

// curl sends requests with the program, or with Go's own client where there is none.
type curl struct {
	program string // empty: there is none
}

// findCurl looks for the program.
func findCurl() curl {
	program, err := exec.LookPath("curl")
	if err != nil {
		return curl{}
	}

	return curl{program: program}
}

// get sends a GET request with some headers, each "Name: value".
func (c curl) get(ctx context.Context, url string, headers []string) (answer, error) {
	if c.program == "" {
		return getWithoutCurl(ctx, url, headers)
	}
	// Headers go to standard input: every user of this machine can read the arguments of a process, and a header may be a key.
	var config, printed, complaint bytes.Buffer
	for _, header := range headers {
		_, _ = fmt.Fprintf(&config, "header = \"%s\"\n", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(header))
	}
	// -q, which must come first, and --noproxy ignore the settings and proxies of the user: they would change the output.
	cmd := process.Command(ctx, c.program, "-q", "--noproxy", "*", "-sS", "-i", "--config", "-", url)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &config, &printed, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}

		return answer{}, fmt.Errorf("curl %s: %w\n%s", url, err, complaint.String())
	}
	whole := printed.String()
	response, err := http.ReadResponse(bufio.NewReader(&printed), nil)
	if err != nil {
		return answer{}, fmt.Errorf("curl %s did not print an HTTP response: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()

	return answerOf(response, whole)
}

// getWithoutCurl does what curl would do.
func getWithoutCurl(ctx context.Context, url string, headers []string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	for _, header := range headers {
		name, value, found := strings.Cut(header, ": ")
		if !found {
			return answer{}, errors.New("a header has the form \"Name: value\"")
		}
		request.Header.Add(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}

		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	whole, err := httputil.DumpResponse(response, true)
	if err != nil {
		return answer{}, err
	}

	return answerOf(response, string(whole))
}

func answerOf(response *http.Response, whole string) (answer, error) {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}

	return answer{
		status: response.StatusCode, header: response.Header, body: printable(string(body)), whole: printable(whole),
	}, nil
}

// printable returns a text with the line ends of a terminal, without the last one.
func printable(text string) string {
	return strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}
