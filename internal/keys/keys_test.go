// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// golden is a key whose parts were worked out with zlib: the zero secret, and its CRC-32 in base62.
const golden = "ak_prod_0000000000000000000000000000000000000000000" + "3et6QV"

func newKey(t testing.TB, env v1alpha1.Environment) keys.Key {
	t.Helper()
	key, err := keys.Generator{}.New(env)
	if err != nil {
		t.Fatal(err)
	}

	return key
}

func TestNewKeysHaveTheDocumentedShape(t *testing.T) {
	for env, code := range map[v1alpha1.Environment]string{
		v1alpha1.EnvironmentProduction: "prod", v1alpha1.EnvironmentStaging: "stg", v1alpha1.EnvironmentDevelopment: "dev",
	} {
		shape := regexp.MustCompile(`^ak_` + code + `_[0-9A-Za-z]{49}$`)
		if plain := newKey(t, env).Reveal(); !shape.MatchString(plain) || keys.Check(plain) != nil {
			t.Errorf("%s: a new key does not match %s or its own check", env, shape)
		}
	}
}

func TestAZeroSecretHasAKnownChecksum(t *testing.T) {
	key, err := keys.Generator{Random: zeroes{}}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, key.Reveal()); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
}

func TestGeneratorRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		generator keys.Generator
		env       v1alpha1.Environment
		want      string
	}{
		"an unknown environment":      {keys.Generator{}, "Test", "must be Production, Staging or Development"},
		"an upper-case prefix":        {keys.Generator{Prefix: "AK"}, v1alpha1.EnvironmentStaging, "lower-case letters and digits"},
		"a prefix with a separator":   {keys.Generator{Prefix: "a_k"}, v1alpha1.EnvironmentStaging, "lower-case letters and digits"},
		"a prefix that is too long":   {keys.Generator{Prefix: "abcdefghijk"}, v1alpha1.EnvironmentStaging, "1 to 10"},
		"a prefix with a digit first": {keys.Generator{Prefix: "1a"}, v1alpha1.EnvironmentStaging, "begin with a letter"},
		"randomness that fails":       {keys.Generator{Random: bytes.NewReader(nil)}, v1alpha1.EnvironmentStaging, "draw a key"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := c.generator.New(c.env)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if key.Reveal() != "" {
				t.Error("a key was returned beside the error")
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	flipped := strings.Replace(golden, "000", "0a0", 1)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"the empty string":               {"", keys.ErrShape},
		"no separator":                   {strings.ReplaceAll(golden, "_", ""), keys.ErrShape},
		"one separator":                  {"ak_" + strings.Repeat("0", 49), keys.ErrShape},
		"an unknown environment":         {strings.Replace(golden, "prod", "test", 1), keys.ErrShape},
		"an upper-case prefix":           {"AK" + golden[2:], keys.ErrShape},
		"no prefix":                      {golden[2:], keys.ErrShape},
		"a prefix that is too long":      {"abcdefghijk" + golden[2:], keys.ErrShape},
		"a character too few":            {golden[:len(golden)-1], keys.ErrShape},
		"a character too many":           {golden + "0", keys.ErrShape},
		"a character off the alphabet":   {golden[:20] + "-" + golden[21:], keys.ErrShape},
		"a third separator":              {golden[:20] + "_" + golden[21:], keys.ErrShape},
		"a NUL byte":                     {golden[:20] + "\x00" + golden[21:], keys.ErrShape},
		"letters that only look alike":   {golden[:20] + "\u043e" + golden[22:], keys.ErrShape},
		"white space around it":          {" " + golden, keys.ErrShape},
		"a megabyte":                     {strings.Repeat("a", 1<<20), keys.ErrShape},
		"one character changed":          {flipped, keys.ErrChecksum},
		"the environment changed":        {strings.Replace(golden, "prod", "stg", 1), keys.ErrChecksum},
		"the prefix changed":             {"bk" + golden[2:], keys.ErrChecksum},
		"a character of the sum changed": {golden[:len(golden)-1] + "W", keys.ErrChecksum},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keys.Check(c.text); !errors.Is(got, c.want) {
				t.Errorf("Check: %v, want %v", got, c.want)
			}
			if _, err := keys.Parse(c.text); !errors.Is(err, c.want) {
				t.Errorf("Parse: %v, want %v", err, c.want)
			}
		})
	}
}

func TestEverySingleCharacterErrorIsFound(t *testing.T) {
	plain := newKey(t, v1alpha1.EnvironmentProduction).Reveal()
	for i := range plain {
		for c := byte(' '); c <= '~'; c++ {
			if changed := plain[:i] + string(c) + plain[i+1:]; c != plain[i] && keys.Check(changed) == nil {
				t.Fatalf("character %d replaced: still accepted", i)
			}
		}
	}
}

func TestSecretPartIsUniform(t *testing.T) {
	const draws = 20_000
	counts := map[byte]int{}
	for range draws {
		plain := newKey(t, v1alpha1.EnvironmentProduction).Reveal()
		for i := len("ak_prod_"); i < len("ak_prod_")+43; i++ {
			counts[plain[i]]++
		}
	}
	expected := float64(draws*43) / 62
	chi2 := 0.0
	for c := range counts {
		chi2 += math.Pow(float64(counts[c])-expected, 2) / expected
	}
	// 61 degrees of freedom: a fair source exceeds 140 once in more than ten million runs,
	// a remainder modulo 62 over six bits (two characters twice as likely) is at 50,000 here.
	if len(counts) != 62 || chi2 > 140 {
		t.Errorf("%d characters, chi-squared %.0f: not uniform", len(counts), chi2)
	}
}

func TestDigest(t *testing.T) {
	key := newKey(t, v1alpha1.EnvironmentDevelopment)
	digest := key.Digest()
	if text := digest.String(); len(text) != 43 || digest.ID() != text[:12] {
		t.Errorf("digest %q with id %q: want 43 characters and the first 12 of them", text, digest.ID())
	}
	if back, ok := keys.ParseDigest(digest.String()); !ok || back != digest {
		t.Error("a digest does not survive String and ParseDigest")
	}
	// SHA-256("abc") of FIPS 180-4, appendix B.1.
	if got := keys.DigestOf("abc").String(); got != "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" {
		t.Errorf("SHA-256 of abc is %s", got)
	}
	for _, bad := range []string{
		"", "ungW", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
		digest.String() + "A",
	} {
		if _, ok := keys.ParseDigest(bad); ok {
			t.Errorf("%q was read as a digest", bad)
		}
	}
}

func TestAKeyNeverPrints(t *testing.T) {
	key := newKey(t, v1alpha1.EnvironmentProduction)
	nested := struct {
		Exported   keys.Key
		unexported keys.Key
		pointer    *keys.Key
	}{key, key, &key}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%c", "%e"} {
		fmt.Fprintf(&out, verb+"\n", key)
		fmt.Fprintf(&out, verb+"\n", &key)
		fmt.Fprintf(&out, verb+"\n", nested)
		fmt.Fprintf(&out, verb+"\n", []any{key, map[string]keys.Key{"k": key}})
	}
	fmt.Fprintln(&out, errors.New(fmt.Sprint(key)), key)
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
		data, err := marshal(key)
		if err != nil || !strings.Contains(string(data), keys.Redacted) {
			t.Errorf("marshalled as %q, %v", data, err)
		}
		out.Write(data)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "key", key, "nested", nested)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "key", key, "nested", nested)
	funcr.New(func(prefix, args string) { out.WriteString(prefix + args) }, funcr.Options{Verbosity: 10}).Info("m", "key", key)
	if y, err := key.MarshalYAML(); err != nil || y != keys.Redacted {
		t.Errorf("MarshalYAML: %v, %v", y, err)
	}

	assertNoKey(t, key.Reveal(), out.String())
}

func assertNoKey(t *testing.T, plain, text string) {
	t.Helper()
	for _, form := range []string{plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain), base64.StdEncoding.EncodeToString([]byte(plain))} {
		if strings.Contains(text, form) {
			t.Errorf("the plaintext stands in the output:\n%s", strings.ReplaceAll(text, form, "<<<HERE>>>"))
		}
	}
}

func TestScrubTakesAKeyOutOfForeignText(t *testing.T) {
	key := newKey(t, v1alpha1.EnvironmentProduction)
	plain := key.Reveal()
	text := "denied: " + plain + " / " + base64.StdEncoding.EncodeToString([]byte(plain)) + " / " + base64.RawURLEncoding.EncodeToString([]byte(plain))
	scrubbed := key.Scrub(text)
	assertNoKey(t, plain, scrubbed)
	if !strings.HasPrefix(scrubbed, "denied: "+keys.Redacted) {
		t.Errorf("scrubbed to %q", scrubbed)
	}
	if got := (keys.Key{}).Scrub("untouched"); got != "untouched" {
		t.Errorf("the zero key changed a text to %q", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	plain := make([]string, 1000)
	for i := range plain {
		plain[i] = newKey(b, v1alpha1.EnvironmentProduction).Reveal()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if keys.Check(plain[i%len(plain)]) != nil {
			b.Fatal("refused")
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	plain := newKey(t, v1alpha1.EnvironmentProduction).Reveal()
	if allocs := testing.AllocsPerRun(100, func() { _ = keys.Check(plain) }); allocs != 0 {
		t.Errorf("Check allocates %.0f times", allocs)
	}
}

func TestDigestOfAKeyAllocatesNothing(t *testing.T) {
	plain := newKey(t, v1alpha1.EnvironmentProduction).Reveal()
	if allocs := testing.AllocsPerRun(100, func() { _ = keys.DigestOf(plain) }); allocs != 0 {
		t.Errorf("DigestOf allocates %.0f times", allocs)
	}
}

func TestDigestOfLongerTexts(t *testing.T) {
	for _, length := range []int{0, 1, keys.MaxLength - 1, keys.MaxLength, keys.MaxLength + 1, 1000} {
		text := strings.Repeat("x", length)
		if got := keys.DigestOf(text); got != keys.Digest(sha256.Sum256([]byte(text))) {
			t.Errorf("%d characters: digest %s", length, got)
		}
	}
}

func TestRedact(t *testing.T) {
	key := newKey(t, v1alpha1.EnvironmentStaging).Reveal()
	for name, c := range map[string]struct{ text, want string }{
		"a text without a key":               {"/customers/42_products", "/customers/42_products"},
		"nothing":                            {"", ""},
		"a key alone":                        {key, "[redacted]"},
		"a key in a path":                    {"/a/" + key + "/b", "/a/[redacted]/b"},
		"two keys":                           {key + "," + key, "[redacted],[redacted]"},
		"a key with one character too many":  {"/" + key + "x", "/[redacted]"},
		"a key with a wrong character":       {"/" + key[:30] + "0" + key[31:], "/[redacted]"},
		"most of a key":                      {"/" + key[:40], "/[redacted]"},
		"a word with an environment in it":   {"/main_prod_eu-west", "/main_prod_eu-west"},
		"a table of an environment":          {"/db_dev_customers", "/db_dev_customers"},
		"an environment in vain, then a key": {"/x_stg_y/" + key, "/x_stg_y/[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keys.Redact(c.text); got != c.want {
				t.Errorf("redacted to %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(golden)
	f.Add("")
	f.Add("ak_prod_")
	f.Add(strings.Repeat("_", 70))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := keys.Parse(text)
		if err != nil {
			if len(text) > 8 && strings.Contains(err.Error(), text) {
				t.Errorf("the error quotes its input: %v", err)
			}

			return
		}
		if key.Reveal() != text || len(text) > keys.MaxLength {
			t.Errorf("parsed to something else, or from %d characters", len(text))
		}
	})
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)

	return len(p), nil
}

var _ io.Reader = zeroes{}
