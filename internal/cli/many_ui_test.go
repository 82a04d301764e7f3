// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// servePageOfMany serves the page from a process of its own, and reports how long the first view, the whole list, a search and a page in
// the middle take, and the memory of the process.
func servePageOfMany(t *testing.T, plane *testkit.ControlPlane) {
	t.Helper()
	p := startPage(t, plane)
	_, first := p.get("/")
	firstAfter := time.Since(p.started)
	for text := ""; !strings.Contains(text, "1 to 100 of 10,000"); {
		if text, _ = p.get("/"); time.Since(p.started) > patience {
			t.Fatalf("the list does not fill:\n%s", text)
		}
	}
	all := time.Since(p.started)
	found, search := p.get("/?q=key-09999")
	if strings.Count(found, "<tr data-key=") != 1 {
		t.Error("the search finds no single key")
	}
	_, middle := p.get("/?page=50&sort=-name")
	memory, err := process.MemoryOf(p.process.Pid)
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	t.Logf("first view %s after the start (%s for the request), all keys after %s, a search %s, page 50 in reverse %s, memory at most %d MiB",
		firstAfter, first, all, search, middle, memory.Peak>>20)
	if memory.Peak > 300<<20 {
		t.Errorf("it took %d MiB", memory.Peak>>20)
	}
	if search > 5*time.Second || middle > 5*time.Second {
		t.Errorf("a search took %s, a page %s", search, middle)
	}
}

// runningPage is a `kubectl apikey ui` in a process of its own.
type runningPage struct {
	t       *testing.T
	process *os.Process
	started time.Time
	address string
	browser *http.Client
}

// startPage starts the page and enters it.
func startPage(t *testing.T, plane *testkit.ControlPlane) *runningPage {
	t.Helper()
	kubeconfig, err := plane.Kubeconfig("reader", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "kubectl-apikey")
	testkit.Build(t, program, "./cmd/kubectl-apikey")
	cmd := exec.CommandContext(t.Context(), program, "ui", "--no-browser", "--kubeconfig", kubeconfig)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &runningPage{t: t, started: time.Now()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.process = cmd.Process
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	link := strings.TrimPrefix(strings.TrimSpace(line), "The page is at ")
	address, token, _ := strings.Cut(link, "/enter#")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.address, p.browser = address, &http.Client{Jar: jar}
	p.ask(http.MethodPost, "/session", token)

	return p
}

// get reads a path, and returns how long that took.
func (p *runningPage) get(path string) (text string, took time.Duration) {
	p.t.Helper()
	asked := time.Now()

	return p.ask(http.MethodGet, path, ""), time.Since(asked)
}

func (p *runningPage) ask(method, path, body string) string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.address+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := p.browser.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusBadRequest {
		p.t.Fatalf("%s: %s, %v", path, response.Status, err)
	}

	return string(text)
}
