// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":                {[]string{"--no-such-flag"}, "not defined: -no-such-flag"},
		"an argument":                    {[]string{"start"}, `argument "start": there are only flags`},
		"gRPC in plaintext for everyone": {[]string{"--grpc-bind-address=:9001"}, "--grpc-bind-address=:9001: API keys would cross the network in plaintext"},
		"HTTP in plaintext for everyone": {
			[]string{"--http-bind-address=0.0.0.0:9002"}, "--http-bind-address=0.0.0.0:9002: API keys would cross the network in plaintext",
		},
		"plaintext at an address of the LAN": {[]string{"--http-bind-address=192.168.1.1:9002"}, "set --tls-cert-dir"},
		"plaintext at a name":                {[]string{"--http-bind-address=example.com:9002"}, "set --tls-cert-dir"},
		"an address without a port":          {[]string{"--http-bind-address=127.0.0.1"}, "must be host:port"},
		"no way to ask":                      {[]string{"--grpc-bind-address=0", "--http-bind-address=0"}, "then no gateway can ask"},
		"authorities without TLS":            {[]string{"--client-ca-file=ca.crt"}, "--client-ca-file needs --tls-cert-dir"},
		"self-signed without a folder":       {[]string{"--tls-self-signed"}, "--tls-self-signed needs --tls-cert-dir"},
		"a budget of nothing":                {[]string{"--last-used-writes=0"}, "must be from 0.1 to 1000"},
		"a budget that is no number":         {[]string{"--last-used-writes=NaN"}, "must be from 0.1 to 1000"},
		"no time for the store":              {[]string{"--rate-limit-store-timeout=0s"}, "--rate-limit-store-timeout=0s: must be from 1ms to 5s"},
		"a minute for the store":             {[]string{"--rate-limit-store-timeout=1m"}, "must be from 1ms to 5s"},
		"a delay in the past":                {[]string{"--drain-delay=-1s"}, "must not be negative"},
		"no time to drain":                   {[]string{"--drain-timeout=0s"}, "must not be negative, and the latter not 0"},
		"a socket without a path":            {[]string{"--http-bind-address=unix:"}, "must be unix: and an absolute path"},
		"a socket at a relative path":        {[]string{"--http-bind-address=unix:verify.sock"}, "must be unix: and an absolute path"},
		"a socket at a path with dots":       {[]string{"--grpc-bind-address=unix:/run/../x"}, "must be unix: and an absolute path"},
		"a socket at a long path":            {[]string{"--grpc-bind-address=unix:/" + strings.Repeat("x", 120)}, "has at most 107 bytes"},
		"too few connections":                {[]string{"--max-connections=0"}, "must be from 10 to 100000"},
		"a key in a cookie": {
			[]string{"--credential-headers=api-key,cookie"}, `--credential-headers: header "cookie" has a meaning of its own`,
		},
		"a key in an identity header":   {[]string{"--credential-headers=x-apikey-owner"}, "is one that only the verifier sets"},
		"a header without a name":       {[]string{"--credential-headers=api-key,"}, "is not usable"},
		"a header and a space":          {[]string{"--credential-headers=api-key, token"}, "is not usable"},
		"a level that is none":          {[]string{"--log-level=loud"}, "log-level"},
		"a staleness of nearly nothing": {[]string{"--max-staleness=9s"}, "--max-staleness=9s: must be from 10s to 24h0m0s, or 0"},
		"a staleness of days":           {[]string{"--max-staleness=25h"}, "must be from 10s to 24h0m0s"},
		"a staleness in the future":     {[]string{"--max-staleness=-1m"}, "must be from 10s to 24h0m0s"},
		"an action that is none":        {[]string{"--max-staleness=1m", "--stale-action=allow"}, "--stale-action=allow: must be refuse or pass"},
		"an action that is empty":       {[]string{"--max-staleness=1m", "--stale-action="}, "must be refuse or pass"},
		"an action without a maximum":   {[]string{"--stale-action=pass"}, "--stale-action=pass needs --max-staleness"},
		"a sample below none":           {[]string{"--log-allowed=-1"}, "log-allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":                     nil,
		"loopback by name":            {"--http-bind-address=localhost:1"},
		"loopback of IPv6":            {"--grpc-bind-address=[::1]:1"},
		"all of 127/8":                {"--grpc-bind-address=127.8.9.1:1"},
		"TLS for everyone":            {"--grpc-bind-address=:9001", "--http-bind-address=[::]:9002", "--tls-cert-dir=certs"},
		"one interface off":           {"--grpc-bind-address=0"},
		"metrics and probes off":      {"--metrics-bind-address=0", "--health-probe-bind-address=0"},
		"mutual TLS":                  {"--tls-cert-dir=certs", "--client-ca-file=ca.crt"},
		"sockets without TLS":         {"--grpc-bind-address=unix:/run/apikey/grpc.sock", "--http-bind-address=unix:///run/apikey/verify.sock"},
		"more headers for keys":       {"--credential-headers=api-key,X-Goog-Api-Key"},
		"a maximum of staleness":      {"--max-staleness=10s", "--stale-action=pass"},
		"the longest staleness":       {"--max-staleness=24h", "--stale-action=refuse"},
		"no maximum of staleness":     {"--max-staleness=0"},
		"every allowed request noted": {"--log-allowed=1", "--log-level=DEBUG"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(args, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var help bytes.Buffer
	if _, err := Parse([]string{"--help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	var o Options
	newFlagSet(&o).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(help.String(), "-"+f.Name) || f.Usage == "" {
			t.Errorf("--help does not explain --%s", f.Name)
		}
	})
}
