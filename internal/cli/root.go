// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// program is how the person starts the program.
const program = "kubectl apikey"

const rootLong = `Create, look at, rotate and end API keys that the apikey-operator keeps in this cluster.

Each command acts with the rights of your kubeconfig and with no others. A key is printed by "reveal" alone, and is never
accepted as an argument: pass it through standard input or a file.

` + exitCodes

// newRoot returns the command that holds all others.
func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-apikey",
		Short:         "Create, look at, rotate and end API keys",
		Long:          rootLong,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: program},
		SilenceErrors: true, // Run prints them
		SilenceUsage:  true,
		Version:       s.Build.String(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q: run `%s --help`", args[0], program)
			}

			return nil
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v: run `%s --help`", err, cmd.CommandPath())
	})
	s.config.AddFlags(root.PersistentFlags())
	root.PersistentFlags().Lookup("cache-dir").DefValue = "$HOME/.kube/cache" // in --help: the same for everybody
	root.SetUsageTemplate(withoutGlobalFlags(root.UsageTemplate()))
	groups(root)
	add(root, "look", newList(s), newDescribe(s), newAudit(s), newUI(s))
	add(root, "make", newCreate(s))
	add(root, "change", newRename(s), newRotate(s), newSuspend(s), newResume(s))
	add(root, "end", newRevoke(s), newDelete(s))
	add(root, "use", newReveal(s), newExplain(s), newLeaked(s))
	add(root, "move", newBackup(s), newRestore(s))
	add(root, "other", newVersion(s), newCompletion(), newOptions())

	return root
}

// groups orders the commands in --help by what they are for.
func groups(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: "make", Title: "Make a key:"},
		&cobra.Group{ID: "look", Title: "Look at keys:"},
		&cobra.Group{ID: "use", Title: "Use a key:"},
		&cobra.Group{ID: "change", Title: "Change a key:"},
		&cobra.Group{ID: "end", Title: "End a key:"},
		&cobra.Group{ID: "move", Title: "Move keys to another cluster:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// withoutGlobalFlags makes the help of each command name the command that lists the connection flags, as kubectl does.
func withoutGlobalFlags(template string) string {
	const begin, end = "{{if .HasAvailableInheritedFlags}}", "{{end}}{{if .HasHelpSubCommands}}"
	before, rest, found := strings.Cut(template, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return template
	}

	return before + begin + "\n\nUse \"" + program + ` options" for the connection flags that every command takes, such as -n and --context.` + end + after
}
