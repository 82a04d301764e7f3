// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// leaked is a key that no cluster has. Its random part holds small letters, capitals and digits.
const leaked = "ak_prod_7QmXw2ZpK9sLr4TnB8vYc1JhG6dFa3EuR5oWi0MtNqCxVbPkz"

// sha256Sum is a path with a long run that is no key.
const sha256Sum = "/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// encodings are the ways to write a character that the log decodes. Each writes one byte of ASCII.
var encodings = []func(c byte) string{
	func(c byte) string { return fmt.Sprintf("%%%02x", c) },
	func(c byte) string { return fmt.Sprintf("%%%02X", c) },
	func(c byte) string { return fmt.Sprintf("%%u%04x", c) },
	func(c byte) string { return fmt.Sprintf("&#%d;", c) },
	func(c byte) string { return fmt.Sprintf("&#x%x;", c) },
	func(c byte) string { return fmt.Sprintf(`\x%02x`, c) },
	func(c byte) string { return fmt.Sprintf(`\u%04x`, c) },
	func(c byte) string { return fmt.Sprintf(`\%03o`, c) },
	func(c byte) string { return string(rune(c) + 0xfee0) },
}

// encode writes some characters of a text in other ways, several times over.
func encode(text string, random *rand.Rand, nesting int) string {
	for range nesting {
		var out strings.Builder
		one := random.IntN(len(encodings) + 1) // beyond the last: another one for each character
		for i := range len(text) {
			c, way := text[i], one
			if way == len(encodings) {
				way = random.IntN(len(encodings))
			}
			switch {
			case c < ' ' || c > '~', random.IntN(4) != 0 && c != '_':
				out.WriteByte(c)
			default:
				out.WriteString(encodings[way](c))
			}
		}
		text = out.String()
	}

	return text
}

// expectNoKey fails if a text holds so much of the leaked key that the rest could be tried: 12 characters of its random part in a row.
func expectNoKey(t *testing.T, text, sent string) {
	t.Helper()
	const few = 12
	for i := len("ak_prod_"); i+few <= len(leaked); i++ {
		if strings.Contains(strings.ToLower(text), strings.ToLower(leaked[i:i+few])) {
			t.Fatalf("%q is logged as %s", sent, text)
		}
	}
}

// hidden are texts that a key is in, in ways that decoding once does not find.
func hidden() map[string]string {
	lower := strings.ReplaceAll(leaked, "_", "%5f")
	five := leaked
	for range 5 {
		five = strings.ReplaceAll(strings.ReplaceAll(five, "%", "%25"), "_", "%5F")
	}

	return map[string]string{
		"as it is":                          "/customers/" + leaked,
		"after a bad escape":                "/customers/%zz/" + lower,
		"before a bad escape":               "/customers/" + lower + "/%zz",
		"with a bad escape at its end":      "/customers/" + lower + "%",
		"with half an escape at its end":    "/customers/" + lower + "%5",
		"with a bad escape in its middle":   "/customers/" + lower[:30] + "%zz" + lower[30:],
		"with a bad escape near its begin":  "/customers/" + lower[:18] + "%zz" + lower[18:],
		"in a segment with a bad escape":    "/customers/%zz-" + lower,
		"encoded five times":                "/customers/" + five,
		"encoded a hundred times":           "/customers/" + strings.ReplaceAll(leaked, "_", "%"+strings.Repeat("25", 100)+"5f"),
		"with encoded digits of escapes":    "/customers/" + strings.ReplaceAll(leaked, "_", "%%35%66"),
		"as IIS writes it":                  "/customers/" + strings.ReplaceAll(leaked, "_", "%u005f"),
		"with an entity":                    "/customers/" + strings.ReplaceAll(leaked, "_", "&lowbar;"),
		"with an entity without semicolon":  "/customers/" + strings.ReplaceAll(leaked, "_", "&#95"),
		"with an entity in an entity":       "/customers/" + strings.ReplaceAll(leaked, "_", "&amp;amp;lowbar;"),
		"with entities without end":         "/customers/" + strings.ReplaceAll(leaked, "_", "&"+strings.Repeat("amp;", 40)+"#95;"),
		"with escapes of a programme":       "/customers/" + strings.ReplaceAll(leaked, "_", `\u005f`),
		"in full width":                     "/customers/" + strings.Map(func(r rune) rune { return r + 0xfee0 }, leaked),
		"in full width, encoded":            "/customers/" + strings.ReplaceAll(leaked, "_", "%ef%bc%bf"),
		"with an overlong underscore":       "/customers/" + strings.ReplaceAll(leaked, "_", "%c1%9f"),
		"with a byte that is not UTF-8":     "/customers/" + lower[:30] + "\xff" + lower[30:],
		"without its prefix":                "/customers/" + leaked[len("ak_prod_"):],
		"in capitals":                       "/customers/" + strings.ToUpper(leaked),
		"in small letters":                  "/customers/" + strings.ToLower(leaked),
		"with a wrong character":            "/customers/" + leaked[:24] + "-" + leaked[25:],
		"in base64":                         "/customers/" + base64.StdEncoding.EncodeToString([]byte(leaked)),
		"after more than is looked at":      "/" + strings.Repeat("a", 4090) + "/" + leaked,
		"cut by how much is looked at":      "/" + strings.Repeat("a", 4070) + "/" + leaked,
		"encoded and cut by that":           "/" + strings.Repeat("a", 4000) + "/" + strings.ReplaceAll(leaked, "_", "%25252525255f"),
		"with a prefix of another operator": "/customers/" + strings.Replace(leaked, "ak_", "k1_", 1),
	}
}

func TestScrubFindsHiddenKeys(t *testing.T) {
	for name, text := range hidden() {
		t.Run(name, func(t *testing.T) {
			expectNoKey(t, server.Scrub(text, 400), text)
			expectNoKey(t, server.Scrub(text, 100_000), text)
		})
	}
}

// What cannot be decoded to the end is left out, and the rest is still there to be read.
func TestScrubKeepsTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"/customers/17":                         "/customers/17",
		"/customers/a%20b":                      "/customers/a b",
		"/customers/%C3%BC":                     "/customers/ü",
		"/a&b=c":                                "/a&b=c",
		`C:\temp`:                               `C:\temp`,
		"/customers/%zz":                        "/customers/[not decodable]",
		"/customers/%zz/and/more":               "/customers/[not decodable]",
		"/customers/17%":                        "/customers/[not decodable]",
		"/customers/17%25":                      "/customers/[not decodable]",
		"%":                                     "[not decodable]",
		"a%.example.com":                        "[not decodable]",
		"/customers/\xff":                       "/customers/[not decodable]",
		"/customers/" + leaked + "/17":          "/customers/[redacted]/17",
		"/2f1e6b7c-9f0a-4d5b-8c3e-1a2b3c4d5e6f": "/2f1e6b7c-9f0a-4d5b-8c3e-1a2b3c4d5e6f",
		"/ListCustomerSubscriptions":            "/ListCustomerSubscriptions",
		sha256Sum:                               sha256Sum,
		"/" + strings.Repeat("a", 500):          "/" + strings.Repeat("a", 396) + "…",
		"/" + strings.Repeat("é", 300):          "/" + strings.Repeat("é", 198) + "…",
		"/" + strings.Repeat(`"`, 300):          "/" + strings.Repeat(`"`, 198) + "…",
		"/" + strings.Repeat("\x01", 300):       "/" + strings.Repeat("\x01", 66) + "…",
		"/" + strings.Repeat("a/", 2500):        "/" + strings.Repeat("a/", 198) + "…",
		"/a/" + strings.Repeat("b", 4096):       "/a/…",
		"/" + strings.Repeat("a", 390) + "/%zz": "/" + strings.Repeat("a", 381) + "…[not decodable]",
		`Get "https://10.0.0.1:443/apis?fieldSelector=a%3Dx": context deadline`: `Get "https://10.0.0.1:443/apis?fieldSelector=a=x": context deadline`,
	} {
		if got := server.Scrub(text, 400); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// fields are the strings of a request that others choose.
var fields = map[string]func(r *server.Request, text string){
	"path":            func(r *server.Request, text string) { r.Path = text },
	"path with query": func(r *server.Request, text string) { r.Path = "/x?" + text },
	"host":            func(r *server.Request, text string) { r.Host = text },
	"method":          func(r *server.Request, text string) { r.Method = text },
	"permission":      func(r *server.Request, text string) { r.Needs.Set(server.NeedPermission, text) },
	"customer":        func(r *server.Request, text string) { r.Needs.Set(server.NeedCustomer, text) },
	"environment": func(r *server.Request, text string) {
		r.Needs = server.Needs{}
		r.Needs.Set(server.NeedEnvironment, text)
	},
	"name of a need": func(r *server.Request, text string) { r.Needs.Set(text, "x") },
	"empty need":     func(r *server.Request, text string) { r.Needs.Set(text, "") },
	"complaint":      func(r *server.Request, text string) { r.Needs.Complain("the value of " + text + " is wrong") },
}

func TestAccessLogFindsHiddenKeys(t *testing.T) {
	for field, set := range fields {
		for name, text := range hidden() {
			t.Run(field+" "+name, func(t *testing.T) { expectScrubbedLine(t, set, text) })
		}
	}
}

func expectScrubbedLine(t *testing.T, set func(*server.Request, string), text string) {
	t.Helper()
	var log bytes.Buffer
	core, _ := newCore(t, &log, 1, nil)
	r := request(leaked)
	set(r, text)
	core.Verify(t.Context(), r)
	if !json.Valid(log.Bytes()) || bytes.Count(log.Bytes(), []byte("\n")) != 1 || log.Len() > 2048 {
		t.Fatalf("want one line of JSON, of at most 2048 bytes: %d bytes, %s", log.Len(), &log)
	}
	expectNoKey(t, log.String(), text)
}

// FuzzAccessLog hides a key in every field, in a nesting of encodings with whatever the fuzzer puts around and into it.
func FuzzAccessLog(f *testing.F) {
	f.Add("/customers/", "", uint64(1), uint8(1), uint8(0))
	f.Add("/customers/%zz/", "%", uint64(2), uint8(2), uint8(0))
	f.Add("%25", "%2", uint64(3), uint8(4), uint8(20))
	f.Add("&", ";", uint64(4), uint8(3), uint8(30))
	f.Fuzz(func(t *testing.T, before, after string, seed uint64, nesting, split uint8) {
		random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // G404: not secret, but repeatable
		key := encode(leaked, random, int(nesting%5))
		at := int(split) % len(key)
		for _, text := range []string{
			before + key + after,
			encode(before+leaked+after, random, int(nesting%5)),
			before + key[:at] + "%zz" + key[at:] + after,
		} {
			for _, set := range fields {
				expectScrubbedLine(t, set, text)
			}
		}
	})
}

// Whoever writes a line, and whatever is in it: no key, and at most 2 KiB of JSON.
func TestLogHandler(t *testing.T) {
	for name, text := range hidden() {
		for kind, write := range map[string]func(log *slog.Logger){
			"the message":         func(log *slog.Logger) { log.Error(text) },
			"a text":              func(log *slog.Logger) { log.Error("m", "a", text) },
			"an error":            func(log *slog.Logger) { log.Error("m", "err", errors.New(text)) },
			"the name of a value": func(log *slog.Logger) { log.Error("m", text, 1) },
			"a list":              func(log *slog.Logger) { log.Error("m", "a", []string{"x", text}) },
			"a structure":         func(log *slog.Logger) { log.Error("m", "a", struct{ A string }{text}) },
			"a group":             func(log *slog.Logger) { log.Error("m", slog.Group("g", "a", text)) },
			"the name of a group": func(log *slog.Logger) { log.WithGroup(text).Error("m", "a", 1) },
			"what all lines have": func(log *slog.Logger) { log.With("a", text).Error("m") },
			"a panic of a connection": func(log *slog.Logger) {
				log.Error("http: panic serving 10.0.0.1:1: " + text + "\ngoroutine 1 [running]:\n" + strings.Repeat("main.f()\n", 500))
			},
			"a text of many": func(log *slog.Logger) {
				for range 10 {
					log = log.With("a", text)
				}
				log.Error(text, "a", text, "b", text, "c", errors.New(text), "d", text)
			},
		} {
			var out bytes.Buffer
			write(slog.New(server.NewLogHandler(slog.NewJSONHandler(&out, nil))))
			if !json.Valid(out.Bytes()) || out.Len() > 2048 || !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
				t.Fatalf("%s, %s: want one line of JSON, of at most 2048 bytes: %d bytes, %s", kind, name, out.Len(), &out)
			}
			expectNoKey(t, out.String(), text)
		}
	}
}

func TestLogHandlerKeepsWhatIsHarmless(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(server.NewLogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}

			return a
		},
	})))
	log.With("store", "10.0.0.1:6379").WithGroup("g").Warn("It does not answer.", "error", errors.New("i/o timeout"), "after", 3, "up", false)
	const want = `{"level":"WARN","msg":"It does not answer.","store":"10.0.0.1:6379","g":{"error":"i/o timeout","after":3,"up":false}}` + "\n"
	if out.String() != want {
		t.Errorf("logged %s want %s", out.String(), want)
	}
}
