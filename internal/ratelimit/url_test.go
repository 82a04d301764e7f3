// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

func TestURLOfAStore(t *testing.T) {
	for name, c := range map[string]struct{ url, want string }{
		"a host":                       {"redis://valkey", ""},
		"everything":                   {"rediss://me:%23sesame%40@valkey.example.com:6380/15", ""},
		"an IPv6 address":              {"redis://[::1]:6379/0", ""},
		"a password alone":             {"redis://:sesame@10.0.0.1", ""},
		"a socket":                     {"unix:///run/valkey.sock", ""},
		"a socket and a database":      {"unix://me:sesame@/run/valkey.sock?db=2", ""},
		"nothing":                      {"", "must begin with redis://"},
		"an address":                   {"sesame:6379", "must begin with redis://"},
		"another address":              {"10.0.0.1:6379", "not a URL"},
		"another scheme":               {"https://me:sesame@valkey", "must begin with redis://"},
		"a cluster":                    {"redis+cluster://valkey", ""},
		"several of a cluster":         {"rediss+cluster://me:%23sesame%40@a,b:7000,[::1]:7001,", "names no host"},
		"a cluster with everything":    {"rediss+cluster://me:%23sesame%40@a,b:7000,[::1]:7001", ""},
		"a cluster and a database":     {"redis+cluster://a/1", "a cluster has none"},
		"a cluster and a bad port":     {"redis+cluster://me:sesame@a,b:x", "not a URL"},
		"a password between hosts":     {"redis+cluster://a,me:sesame@b", ""}, // a user named "a,me"
		"two hosts of one server":      {"redis://a,b", "only redis+cluster:// and redis+sentinel:// may"},
		"sentinels":                    {"redis+sentinel://a,b:1,c/mymaster", ""},
		"sentinels with everything":    {"rediss+sentinel://me:%23sesame%40@a,b/mymaster/3?sentinel_username=you&sentinel_password=open%20sesame", ""},
		"sentinels without a master":   {"redis+sentinel://a,b", "names no master"},
		"sentinels and a slash":        {"redis+sentinel://a,b/", "names no master"},
		"sentinels and no number":      {"redis+sentinel://a/mymaster/sesame", "the database must be a number"},
		"sentinels and an option":      {"redis+sentinel://a/mymaster?master_name=sesame", "has options"},
		"an option twice":              {"redis+sentinel://a/m?sentinel_password=sesame&sentinel_password=sesame", "has options"},
		"an option without a value":    {"redis+sentinel://a/m?sentinel_password=", "has options"},
		"sentinels' options elsewhere": {"redis://a?sentinel_password=sesame", "has options"},
		"a variant that is none":       {"redis+ring://a,b", "redis+cluster://"},
		"a variant of a socket":        {"unix+cluster:///run/valkey.sock", "redis+cluster://"},
		"authorities without TLS":      {"redis://a?ca=/sesame", "has options"},
		"authorities that are away":    {"rediss://a?ca=/sesame", "the file that ca names cannot be read: no such file"},
		"authorities that are none":    {"rediss://a?ca=/dev/null", "has no certificate in PEM"},
		"a question mark in password":  {"rediss://me:1?ca=sesame@valkey", "cannot be read"},
		"a certificate without a key":  {"rediss://a?cert=/sesame", "only one of cert and key"},
		"a certificate that is away":   {"rediss://a?cert=/sesame&key=/sesame", "no certificate and its key: no such file"},
		"no host":                      {"redis://", "names no host"},
		"no host but a port":           {"redis://:6379", "names no host"},
		"a port of letters":            {"redis://me:sesame", "not a URL"},
		"a port that is none":          {"redis://valkey:65536", "the port must be a number"},
		"port zero":                    {"redis://valkey:0", "the port must be a number"},
		"a slash in the password":      {"redis://me:open/sesame@valkey", "not a URL"},
		"digits before a slash":        {"redis://me:1/sesame@valkey", "the database must be a number"},
		"a question mark after digits": {"redis://me:1?sesame@valkey", "has options"},
		"a hash in the password":       {"redis://me:1#sesame@valkey", "has options"},
		"a percent sign":               {"redis://me:100%sesame@valkey", "not a URL"},
		"a database with a name":       {"redis://valkey/sesame", "the database must be a number"},
		"a database below zero":        {"redis://valkey/-1", "the database must be a number"},
		"a password as an option":      {"redis://valkey?password=sesame", "has options"},
		"an option of the client":      {"redis://valkey?dial_timeout=5s", "has options"},
		"an empty query":               {"redis://valkey?", "has options"},
		"a socket without a path":      {"unix://", "names no socket"},
		"a socket on a host":           {"unix://me:sesame@host/run/valkey.sock", "names no socket"},
		"a socket with an option":      {"unix:///run/valkey.sock?password=sesame", "has options"},
		"a socket with two databases":  {"unix:///run/valkey.sock?db=1&db=2", "has options"},
		"a socket and no number":       {"unix:///run/valkey.sock?db=sesame", "the database must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ratelimit.NewShared(c.url, ratelimit.Options{
				Clock: clock.RealClock{}, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
			})
			switch {
			case c.want == "" && err != nil:
				t.Fatalf("error is %v, want none", err)
			case c.want == "":
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("error is %v, want %q", err, c.want)
			case strings.Contains(err.Error(), "sesame"):
				t.Errorf("the error quotes the URL: %v", err)
			}
		})
	}
}
