// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	_ "sigs.k8s.io/controller-runtime/pkg/client/config" // adds --kubeconfig to flag.CommandLine

	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
)

// versionFlag is the flag by which a program prints its version.
const versionFlag = "version"

// Off is the address that turns a server off.
const Off = "0"

// Common are the options of both programs.
type Common struct {
	// Metrics says where and to whom /metrics is served.
	Metrics MetricsOptions
	// Namespaces are the namespaces that are watched; empty: all.
	Namespaces Namespaces
	// ProbeAddress is where /healthz and /readyz are served.
	ProbeAddress string

	logLevel slog.Level
}

// Level implements Options.
func (c Common) Level() slog.Level { return c.logLevel }

// Bind defines the flags of the common options, and --kubeconfig.
func (c *Common) Bind(fs *flag.FlagSet) {
	fs.StringVar(&c.Metrics.Address, "metrics-bind-address", ":8443", "Address of /metrics; 0 turns it off.")
	fs.BoolVar(&c.Metrics.Secure, "metrics-secure", true,
		"Serve /metrics over TLS, and only to clients that may get the non-resource URL /metrics. "+
			"--metrics-secure=false serves it to everyone, over plain HTTP.")
	fs.StringVar(&c.Metrics.CertDir, "metrics-cert-dir", "",
		"Folder with tls.crt and tls.key for /metrics, reloaded when they change. Without them the certificate is self-signed.")
	fs.Var(&c.Namespaces, "namespaces",
		"Namespaces whose APIKeys count, separated by commas, at most 100; empty: all. The program needs rights to namespaced objects in "+
			"these namespaces only.")
	fs.StringVar(&c.ProbeAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 turns them off.")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo,
		"Least level that is logged: DEBUG, INFO, WARN or ERROR, also with a distance, such as DEBUG-4. The log is JSON on stdout.")
	fs.Bool(versionFlag, false, "Print the version, the commit and the Go version, and end.")
	if kubeconfig := flag.Lookup("kubeconfig"); kubeconfig != nil { // controller-runtime reads this flag of the whole process
		fs.Var(kubeconfig.Value, kubeconfig.Name, kubeconfig.Usage)
	}
}

// Parse reads the arguments into the flags of a set. It prints the purpose and the flags and returns flag.ErrHelp if --help is among them;
// for --version it prints the version, and returns the same.
func Parse(fs *flag.FlagSet, purpose string, args []string, help io.Writer) error {
	fs.SetOutput(io.Discard) // the caller prints the error, without all flags
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(help, purpose, "\n\nFlags:\n")
		fs.SetOutput(help)
		fs.PrintDefaults()
	}
	if err != nil {
		return err
	}
	if asked := fs.Lookup(versionFlag); asked != nil && asked.Value.String() == "true" {
		_, _ = fmt.Fprintln(help, fs.Name(), buildinfo.Read())

		return flag.ErrHelp
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("argument %q: there are only flags, see --help", fs.Arg(0))
	}

	return nil
}
