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
	"os/exec"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// answer is what an HTTP server said.
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
	// Headers go to standard input: everybody on this machine can read the arguments of a process, and one may be a key.
	var config, printed, complaint bytes.Buffer
	for _, header := range headers {
		_, _ = fmt.Fprintf(&config, "header = \"%s\"\n", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(header))
	}
	// The reader's own settings (-q comes first for that) and proxies would change what the tour shows.
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
		return answer{}, fmt.Errorf("curl %s printed what is no HTTP response: %w", url, err)
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

// printable is a text as a terminal shows it, without the last line end.
func printable(text string) string {
	return strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}
