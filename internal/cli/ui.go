// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/ui"
)

// uiOptions are the flags of ui.
type uiOptions struct {
	all, readOnly, noBrowser bool
	port                     int
}

// newUI returns the command that serves the page.
func newUI(s *session) *cobra.Command {
	o := &uiOptions{}
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "Manage keys on a page in your browser, with your own rights",
		Long: `Serve a page on loopback and open it in your browser: list, create, rotate, disable, revoke and delete keys, find out why a call is
refused, and look at policies, roles and the audit.

The page acts with the rights of your kubeconfig. It answers one browser: the first that opens the printed link. It stops on Ctrl-C, and
after an hour in which nobody used it.`,
		Example: `  # The keys of the namespace
  kubectl apikey ui

  # The keys of all namespaces, without any way to change them
  kubectl apikey ui -A --read-only

  # On a machine without a browser: forward the port, and open the printed link
  kubectl apikey ui --no-browser --port 8765`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.serveUI(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Show the keys of all namespaces.")
	flags.BoolVar(&o.readOnly, "read-only", false, "Leave out everything that changes the cluster or shows a key.")
	flags.BoolVar(&o.noBrowser, "no-browser", false, "Print the link and open no browser.")
	flags.IntVar(&o.port, "port", 0, "Port on 127.0.0.1; 0 takes a free one.")

	return cmd
}

func (s *session) serveUI(ctx context.Context, o *uiOptions) error {
	if o.port < 0 || o.port > 65535 {
		return usagef("--port %d: must be from 0 to 65535", o.port)
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	options := ui.Options{
		Service: service, HomeNamespace: namespace, Cluster: s.clusterName(), ReadOnly: o.readOnly, Port: o.port,
		Ready: func(address string) { s.uiReady(ctx, o, address) },
	}
	if !o.all {
		options.Namespace = namespace
	}
	options.User = s.userName(ctx, service)
	if err := ui.Serve(ctx, options); !errors.Is(err, ui.ErrIdle) {
		return err
	}
	s.say("Stopped: nobody used the page for an hour.")

	return nil
}

// uiReady prints the link and opens it.
func (s *session) uiReady(ctx context.Context, o *uiOptions, address string) {
	s.say("The page is at %s\nThe link works once, in one browser. Ctrl-C stops the page.", address)
	if o.noBrowser || s.OpenBrowser == nil {
		return
	}
	if err := s.OpenBrowser(ctx, address); err != nil {
		s.say("No browser could be opened (%v): open the link yourself.", err)
	}
}

// userName returns the name by which the cluster knows the user; empty: it does not say.
func (s *session) userName(ctx context.Context, service operations.Service) string {
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	name, err := service.WhoAmI(ctx)
	if err != nil {
		return ""
	}

	return name
}

// clusterName returns the name of the cluster in the kubeconfig, or else its address.
func (s *session) clusterName() string {
	config, err := s.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	name := config.CurrentContext
	if given := s.config.Context; given != nil && *given != "" {
		name = *given
	}
	if given := s.config.ClusterName; given != nil && *given != "" {
		return *given
	}
	if found := config.Contexts[name]; found != nil {
		return found.Cluster
	}

	return ""
}
