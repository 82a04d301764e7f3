// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pageLimit is how long the page may take to come up on a loaded machine.
const pageLimit = time.Minute

// pageLine is the suggestion to open the page.
const pageLine = plugin + " ui --all-namespaces  # the same and more, in your browser"

// tryPage starts the page without a browser, enters it as a browser does and looks for a key, so that the suggestion is none that fails.
func (g *guide) tryPage(ctx context.Context, root, want string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, pageLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root, plugin), "ui", "--all-namespaces", "--no-browser")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "KUBECONFIG="+g.kubectl.kubeconfig)
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cancel(); _ = cmd.Wait() }() // it ends as after Ctrl-C
	var text strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if _, link, found := strings.Cut(lines.Text(), "http://"); found {
			return enterPage(ctx, "http://"+link, want)
		}
	}

	return fmt.Errorf("%s, which would be suggested, prints no link:\n%s", pageLine, text.String())
}

// enterPage exchanges the token of a link for a session, and looks for a text on the first view.
func enterPage(ctx context.Context, link, want string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	address, token, _ := strings.Cut(link, "/enter#")
	for _, step := range []struct{ method, path, body, want string }{
		{http.MethodPost, "/session", token, ""}, {http.MethodGet, "/", "", want},
	} {
		request, err := http.NewRequestWithContext(ctx, step.method, address+step.path, strings.NewReader(step.body))
		if err != nil {
			return err
		}
		response, err := browser.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it was read
		if err != nil {
			return err
		}
		if response.StatusCode >= http.StatusBadRequest || !strings.Contains(string(text), step.want) {
			return fmt.Errorf("the page answers %s %s with %s, without %q", step.method, step.path, response.Status, step.want)
		}
	}

	return nil
}
