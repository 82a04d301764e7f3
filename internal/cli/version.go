// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// versions are what the command version tells.
type versions struct {
	Plugin buildinfo.Info `json:"plugin"`
	// Installed are the Deployments of the operator and the verifier; nil: not asked for.
	Installed []operations.Component `json:"installed,omitempty"`
}

// newVersion returns the command that tells versions.
func newVersion(s *session) *cobra.Command {
	client, format := false, ""
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell the versions of plugin, operator and verifier",
		Long: `Tell the version of the plugin, and what the Deployments of operator and verifier run, for which you need the right to list
Deployments in the whole cluster.

The version of a Deployment is its label app.kubernetes.io/version, or else the tag of its image. "/manager --version" and
"/verifier --version" in a container tell what the program itself was built from.`,
		Example: `  kubectl apikey version --client

  # For a script
  kubectl apikey version -o json`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.tellVersions(cmd.Context(), client, format) },
	}
	cmd.Flags().BoolVar(&client, "client", false, "Tell the version of the plugin alone, without asking the cluster.")
	cmd.Flags().StringVarP(&format, "output", "o", "", "json or yaml; not set: lines for people.")
	completeValues(cmd, "output", "json", "yaml")

	return cmd
}

func (s *session) tellVersions(ctx context.Context, client bool, format string) error {
	if !slices.Contains([]string{"", "json", "yaml"}, format) {
		return usagef("-o %q: must be json or yaml", format)
	}
	told := versions{Plugin: s.Build}
	if client {
		return printVersions(s.stdout(), format, told)
	}
	service, _, err := s.service()
	if err != nil {
		return err
	}
	told.Installed, err = service.Installed(ctx)
	if printed := printVersions(s.stdout(), format, told); printed != nil {
		return printed
	}
	if err == nil && len(told.Installed) == 0 {
		s.say("No Deployment of operator or verifier found.")
	}

	return err
}

// printVersions prints the versions that are known.
func printVersions(w io.Writer, format string, told versions) error {
	switch format {
	case "json":
		return printJSON(w, told)
	case "yaml":
		text, err := yaml.Marshal(told)
		if err != nil {
			return err
		}
		_, err = w.Write(text)

		return err
	}
	if _, err := fmt.Fprintf(w, "plugin:   %s\n", told.Plugin); err != nil {
		return err
	}
	for _, part := range told.Installed {
		if _, err := fmt.Fprintf(w, "%-9s %s (%s, %d of %d ready, namespace %s)\n", output.Clean(part.Component)+":",
			output.Clean(part.Version), output.Clean(part.Image), part.Ready, part.Wanted, output.Clean(part.Namespace)); err != nil {
			return err
		}
	}

	return nil
}
