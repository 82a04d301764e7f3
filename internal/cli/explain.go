// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// fromStdin is the argument that stands for standard input.
const fromStdin = "-"

// explainOptions are the flags of explain.
type explainOptions struct {
	environment, permission, customer, file string
	here                                    bool
}

// newExplain returns the command that tells what a verifier answers.
func newExplain(s *session) *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain NAME | - | --key-file FILE",
		Short: "Find out why a request is refused, and what makes it pass",
		Long: `Tell what a verifier answers to a request, check by check in the order of the verifier, and the change that makes it pass.

Name an APIKey, or give the key that the client sends through standard input (-) or a file. A key is never an argument. The
flags say what the endpoint needs. The verifier's own code decides; only the rate limit is left out, which verifiers alone count.

It reads the APIKeys of all namespaces and all APIKeyRoles. --here reads those of one namespace, where you may not list others.`,
		Example: `  # Why does the website get 401 from the production API?
  kubectl apikey explain main-website --environment Production --permission customers:read

  # What about the key that a client has sent?
  kubectl apikey explain - --environment Production < key.txt`,
		ValidArgsFunction: s.completeOneName,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 0) == (o.file == "") {
				return usagef("name one APIKey, or pass the key by - or --key-file; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.explain(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.environment, "environment", "", "Environment of the endpoint; not set: with a NAME, that of the key.")
	flags.StringVar(&o.permission, "permission", "", "Permission that the endpoint needs.")
	flags.StringVar(&o.customer, "customer", "", "Customer whose data the endpoint opens.")
	flags.StringVar(&o.file, "key-file", "", "File that holds the key.")
	flags.BoolVar(&o.here, "here", false, "Look at the APIKeys of the namespace alone.")
	completeValues(cmd, "environment", environmentNames()...)

	return cmd
}

func (s *session) explain(ctx context.Context, o *explainOptions, name string) error {
	question := operations.Question{Permission: v1alpha1.Permission(o.permission), Customer: v1alpha1.Customer(o.customer)}
	var err error
	if o.environment != "" {
		if question.Environment, err = parseEnvironment(o.environment); err != nil {
			return err
		}
	}
	byKey := name == fromStdin || o.file != ""
	if byKey {
		if question.Key, err = s.readKey(o.file); err != nil {
			return err
		}
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	if !byKey {
		if err := fillIn(ctx, service, types.NamespacedName{Namespace: namespace, Name: name}, &question); err != nil {
			return err
		}
	}
	if !o.here {
		namespace = ""
	}
	fleet, err := service.Fleet(ctx, namespace)
	if err != nil {
		return err
	}
	explanation, err := operations.Explain(question, fleet, s.Clock.Now())
	if err != nil {
		return err
	}

	return s.printExplanation(question, explanation)
}

// fillIn takes from an APIKey what the command line leaves open.
func fillIn(ctx context.Context, service operations.Service, name types.NamespacedName, question *operations.Question) error {
	apikey, err := service.Get(ctx, name)
	if err != nil {
		return err
	}
	digest, found := operations.NewestDigest(apikey)
	if !found {
		return fmt.Errorf("apikey %s has no key: it is %s", name, operations.ViewOf(apikey, service.Clock.Now()).Status)
	}
	question.Digest = digest
	if question.Environment == "" {
		question.Environment = apikey.Spec.Environment
	}

	return nil
}

// maxKeyInput is how much of standard input or a file is read for a key.
const maxKeyInput = 64 << 10

// readKey reads a key from a file, or from standard input where there is none, without spaces around it.
func (s *session) readKey(file string) (string, error) {
	in := s.In
	if file != "" {
		opened, err := os.Open(file) //nolint:gosec // G304: the person names the file
		if err != nil {
			return "", err
		}
		defer func() { _ = opened.Close() }() // it was only read
		in = opened
	} else if s.InTerminal {
		s.say("Paste the key and press Enter, then Ctrl-D. The terminal shows it.")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxKeyInput))

	return strings.TrimSpace(string(text)), err
}

// printExplanation prints the checks, the answer and what helps.
func (s *session) printExplanation(question operations.Question, explanation operations.Explanation) error {
	var text strings.Builder
	if explanation.APIKey != nil {
		view := operations.ViewOf(explanation.APIKey, s.Clock.Now())
		text.WriteString(output.CleanLines(fmt.Sprintf("Key of apikey %s, for %s, %s\nPermissions %s; limit %s, which is not counted here\n",
			operations.NameOf(explanation.APIKey), view.Environment, strings.ToLower(string(view.Status)),
			output.Permissions(view.Permissions, view.Roles), output.Limit(view.Limit))))
		if view.Delivery.Once {
			_, _ = fmt.Fprintf(&text, "Delivered once: %s\n", output.Delivery(view.Delivery, s.Clock.Now()))
		}
	}
	for _, step := range explanation.Steps {
		mark, colour := "pass  ", output.Green
		if step.Refuses {
			mark, colour = "refuse", output.Red
		}
		_, _ = fmt.Fprintf(&text, "  %s  %s\n", output.Paint(mark, colour, s.Colour), sentenceOf(step, question))
	}
	answer := fmt.Sprintf("%d %s", explanation.Reason.Code(), explanation.Reason)
	if explanation.Reason == access.Allowed {
		_, _ = fmt.Fprintf(&text, "Answer: %s\n", output.Paint(answer, output.Green, s.Colour))
	} else {
		_, _ = fmt.Fprintf(&text, "Answer: %s. %s\n", output.Paint(answer, output.Red, s.Colour), explanation.Reason.Detail())
	}
	for _, remedy := range explanation.Remedies {
		_, _ = fmt.Fprintf(&text, "To pass: %s\n", output.Clean(remedy.Advice))
		if remedy.Command != "" {
			_, _ = fmt.Fprintf(&text, "  %s\n", output.Clean(remedy.Command))
		}
	}
	if _, err := io.WriteString(s.Out, text.String()); err != nil {
		return err
	}
	if explanation.Reason != access.Allowed {
		return errFindings
	}

	return nil
}

// sentenceOf says what a check is about.
func sentenceOf(step access.Step, question operations.Question) string {
	return output.Clean(operations.CheckWords(step.Reason, question)) + " (" + step.Reason.String() + ")"
}

func orAny(text, otherwise string) string {
	if text == "" {
		return otherwise
	}

	return text
}
