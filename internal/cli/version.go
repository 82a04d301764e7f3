// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// newVersion returns the command that tells versions.
func newVersion(s *session) *cobra.Command {
	client := false
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Tell the versions of plugin, operator and verifier",
		Long:              `Tell the version of the plugin, and the images of operator and verifier, for which you need the right to list Deployments.`,
		Example:           `  kubectl apikey version --client`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.tellVersions(cmd.Context(), client) },
	}
	cmd.Flags().BoolVar(&client, "client", false, "Tell the version of the plugin alone, without asking the cluster.")

	return cmd
}

func (s *session) tellVersions(ctx context.Context, client bool) error {
	if _, err := fmt.Fprintln(s.Out, "plugin:   "+s.Version); err != nil || client {
		return err
	}
	service, _, err := s.service()
	if err != nil {
		return err
	}
	installed, err := service.Installed(ctx)
	if err != nil {
		return err
	}
	if len(installed) == 0 {
		s.say("No Deployment of operator or verifier found.")
	}
	for _, part := range installed {
		if _, err := fmt.Fprintf(s.Out, "%-9s %s\n", output.Clean(part.Component)+":", output.Clean(part.Image)); err != nil {
			return err
		}
	}

	return nil
}
