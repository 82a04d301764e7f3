// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// style is a way to print, as the parameters of an ANSI escape sequence.
type style string

const (
	bold  style = "1"
	faint style = "2"
	green style = "32"
	cyan  style = "36"
)

// narrator prints what the reader sees. A failed write is not an error: a reader who left gets no tour, but a clean end.
type narrator struct {
	out      io.Writer
	coloured bool
}

// newNarrator returns a narrator that uses colours where the output is a terminal and the environment does not forbid them.
func newNarrator(out io.Writer) narrator {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return narrator{out: out}
	}
	info, err := file.Stat()

	return narrator{out: out, coloured: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// title prints the title of the tour.
func (n narrator) title(text string) { n.print(n.paint(bold, text) + "\n") }

// heading opens a part with its name and reason.
func (n narrator) heading(name, why string) {
	n.print("\n" + n.paint(bold, name+": ") + why + "\n")
}

// command shows a command line.
func (n narrator) command(line string) { n.print("  " + n.paint(cyan, "$ "+line) + "\n") }

// output shows what a command printed.
func (n narrator) output(text string) { n.print("  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n") }

// note prints an explanation.
func (n narrator) note(format string, args ...any) {
	n.print("  " + n.paint(faint, "# "+fmt.Sprintf(format, args...)) + "\n")
}

// held prints a fact that was checked.
func (n narrator) held(format string, args ...any) {
	n.print("  " + n.paint(green, "✓") + " " + fmt.Sprintf(format, args...) + "\n")
}

// farewell prints commands to try next.
func (n narrator) farewell(s *setup) {
	kubectl, err := filepath.Rel(s.cluster.root, s.cluster.kubectl.program)
	if err != nil {
		kubectl = s.cluster.kubectl.program
	}
	n.heading("Your turn", "all this stays up until you press Ctrl-C; then it is gone without a trace")
	n.output("In another terminal, in " + s.cluster.root + ":")
	n.print("\n")
	n.output(strings.Join(slices.Concat([]string{
		"export KUBECONFIG=" + s.cluster.kubeconfig,
		"export KUBECACHEDIR=" + s.cluster.kubectl.cache,
	}, suggestionLines(), []string{
		kubectl + " get " + resource + " --all-namespaces -o wide",
		kubectl + " describe " + resource + " " + overlapping().Name + " -n " + namespace,
		kubectl + " explain " + resource + ".spec",
		"",
		"KEY=$(" + kubectl + strings.TrimPrefix(commandLine(readKeyArgs(overlapping())), "kubectl") + ")",
		request{path: "/customers", headers: []string{withKey}, whole: true}.line(s.api.url.String()),
		"",
		"tail -f " + s.operator.Log + "  # the operator's log",
		"tail -f " + s.verifier.Log + "  # the verifier's log: each request, and why it was refused",
	}), "\n"))
	n.print("\n")
}

// paint puts text into a style.
func (n narrator) paint(s style, text string) string {
	if !n.coloured {
		return text
	}

	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func (n narrator) print(text string) { _, _ = io.WriteString(n.out, text) }

// elapsed prints the time since started, to a tenth of a second.
func elapsed(started time.Time) string { return fmt.Sprintf("%.1fs", time.Since(started).Seconds()) }
