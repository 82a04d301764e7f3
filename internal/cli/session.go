// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/cli/prompt"
)

// errNoTerminal tells that a command needs a confirmation and there is no terminal to ask at.
var errNoTerminal = errors.New("this has to be confirmed, and standard input is not a terminal: add --yes")

// session is one run of the program.
type session struct {
	Environment

	config *genericclioptions.ConfigFlags
	asks   *prompt.Prompter
}

func newSession(env Environment) *session {
	return &session{
		Environment: env,
		config:      genericclioptions.NewConfigFlags(true),
		asks:        prompt.New(env.In, env.Err),
	}
}

// service connects to the cluster of the kubeconfig, and returns the namespace that -n or the context name.
func (s *session) service() (operations.Service, string, error) {
	cfg, namespace, err := s.connection()
	if err != nil {
		return operations.Service{}, "", err
	}
	c, err := operations.Connect(cfg)

	return operations.Service{Client: c, Clock: s.Clock}, namespace, err
}

// connection reads the kubeconfig, and returns the namespace that -n or the context name.
func (s *session) connection() (*rest.Config, string, error) {
	namespace, _, err := s.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	cfg, err := s.config.ToRESTConfig()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	cfg.QPS = -1 // the API server's own priority and fairness governs
	cfg.UserAgent = "kubectl-apikey/" + s.Build.Version
	cfg.WarningHandler = &warnings{to: s.Err}

	return cfg, namespace, nil
}

// stdout returns where results go: with control characters escaped where that is a terminal.
func (s *session) stdout() io.Writer {
	if s.OutTerminal {
		return output.CleanWriter(s.Out)
	}

	return s.Out
}

// say tells the person something that is no result.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintln(s.Err, output.CleanLines(fmt.Sprintf(format, args...)))
}

// warnings prints what the API server warns of, each warning once.
type warnings struct {
	to   io.Writer
	mu   sync.Mutex
	seen []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _, text string) {
	const miscellaneous = 299 // the only code that Kubernetes defines
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.seen, text) || code != miscellaneous || strings.TrimSpace(text) == "" {
		return
	}
	w.seen = append(w.seen, text)
	_, _ = fmt.Fprintln(w.to, "Warning: "+output.Clean(text))
}
