// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/common/expfmt"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// After all specs, every key that any of them has handed out is looked for in everything that is not a Secret.
var _ = AfterSuite(func(ctx context.Context) {
	if handouts == nil {
		return // the suite did not start
	}
	if suite, _ := GinkgoConfiguration(); len(suite.FocusStrings) > 0 {
		GinkgoWriter.Println("not searched for plaintext: a part of the specs does not leave all there is to search")

		return
	}
	minted, err := handouts.All(ctx)
	Expect(err).NotTo(HaveOccurred())
	found := newHaystack(minted)

	Expect(logged.contains("Request Body")).To(BeTrue(), "the logs are verbose enough to be worth searching")
	for _, logs := range logged.all() {
		found.search("the logs", logs)
	}
	for key, value := range etcdContent(ctx) {
		found.search("etcd key "+key, value)
	}
	found.search("the metrics", scrape())

	Expect(found.where).To(BeEmpty())
	GinkgoWriter.Printf("searched %d bytes for %d keys\n", found.bytes, len(minted))
})

// haystack looks for many keys in much text: it takes out what may be a key, in each of the forms in which one can stand there, and asks
// whether it is one.
type haystack struct {
	keys  map[string]bool
	bytes int
	where []string
}

func newHaystack(keys []string) *haystack {
	h := &haystack{keys: map[string]bool{}}
	for _, key := range keys {
		h.keys[key] = true
	}

	return h
}

// What each form of a key has: the environment behind its prefix, which any letters may precede, or the prefix of the operator's keys, encoded.
var (
	environments  = [][]byte{[]byte("_prod_"), []byte("_stg_"), []byte("_dev_")}
	encodedPrefix = [][]byte{[]byte(base64.StdEncoding.EncodeToString([]byte("ak_")))}
	hexPrefixes   = [][]byte{[]byte("616b5f"), []byte("616B5F")}
	base64Form    = regexp.MustCompile(`^[0-9A-Za-z+/_-]{74,80}`)
	hexForm       = regexp.MustCompile(`^[0-9A-Fa-f]{106,120}`)
)

const (
	longestPrefix = 10
	tail          = 49
	longestForm   = 120
)

// search looks for fixed texts and then at what is around each. Regular expressions on all of the text take ten times as long.
func (h *haystack) search(name string, text []byte) {
	h.bytes += len(text)
	h.searchPlain(name, text)
	for at := range places(text, encodedPrefix) {
		encoded := base64Form.Find(text[at:min(at+longestForm, len(text))])
		for end := len(encoded); end > len(encoded)-4 && end > 0; end-- { // what follows may look like base64, too
			decoded, _ := base64.RawStdEncoding.DecodeString(string(encoded[:end]))
			h.searchPlain(name, decoded)
		}
	}
	for at := range places(text, hexPrefixes) {
		encoded := hexForm.Find(text[at:min(at+longestForm, len(text))])
		decoded, _ := hex.DecodeString(string(encoded[:len(encoded)/2*2]))
		h.searchPlain(name, decoded)
	}
}

func (h *haystack) searchPlain(name string, text []byte) {
	for at, environment := range places(text, environments) {
		end := at + len(environment) + tail
		for begin := max(0, at-longestPrefix); begin < at && end <= len(text); begin++ {
			h.report(name, string(text[begin:end]))
		}
	}
}

// places yields where each of some texts begins, and which it is.
func places(text []byte, wanted [][]byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for _, one := range wanted {
			for from := 0; ; from++ {
				at := bytes.Index(text[from:], one)
				if at < 0 {
					break
				}
				if from += at; !yield(from, one) {
					return
				}
			}
		}
	}
}

func (h *haystack) report(name, plain string) {
	if h.keys[plain] {
		h.where = append(h.where, name)
	}
}

var _ = Describe("The search for plaintext", func() {
	const key = "ak_prod_0123456789abcdefghijABCDEFGHIJ0123456789abc0000000"
	DescribeTable("finds a key", func(text string) {
		h := newHaystack([]string{key[:57]})
		h.search("here", []byte(text))
		Expect(h.where).To(ContainElement("here"))
	},
		Entry("as it is", "x"+"\""+key[:57]+"\""),
		Entry("behind letters", `"log\n`+key[:57]+`"`),
		Entry("at the end, behind others that are none", "ak_prod_ak_dev_"+key[:57]),
		Entry("in base64", `{"api-key":"`+base64.StdEncoding.EncodeToString([]byte(key[:57]))+`"}`),
		Entry("in base64 that goes on", base64.StdEncoding.EncodeToString([]byte(key[:57]+" and more of any kind"))),
		Entry("in base64 without padding", "YWtf"+base64.RawURLEncoding.EncodeToString([]byte(key[:57]))+","),
		Entry("in hex", "0x"+hex.EncodeToString([]byte(key[:57]))),
		Entry("in hex of upper case that goes on", strings.ToUpper(hex.EncodeToString([]byte(key[:57]+"\x00more")))),
	)
})

// etcdContent is all that etcd holds but Secrets, read through its JSON gateway.
func etcdContent(ctx context.Context) map[string][]byte {
	GinkgoHelper()
	query, err := json.Marshal(map[string]any{"key": []byte{0}, "range_end": []byte{0}}) // everything
	Expect(err).NotTo(HaveOccurred())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, plane.EtcdURL()+"/v3/kv/range", bytes.NewReader(query))
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	Expect(resp.StatusCode).To(Equal(http.StatusOK))
	var answer struct {
		KVs []struct{ Key, Value []byte }
	}
	Expect(json.NewDecoder(resp.Body).Decode(&answer)).To(Succeed())

	content, apikeys, events := map[string][]byte{}, 0, 0
	for _, kv := range answer.KVs {
		key := string(kv.Key)
		switch {
		case strings.HasPrefix(key, "/registry/secrets/"):
			continue
		case strings.HasPrefix(key, "/registry/apikey-operator.io/apikeys/"):
			apikeys++
		case strings.HasPrefix(key, "/registry/events/"):
			events++
		}
		content[key] = kv.Value
	}
	Expect(apikeys).To(BeNumerically(">", 0), "APIKeys in etcd")
	Expect(events).To(BeNumerically(">", 0), "events in etcd")

	return content
}

// scrape is what all metrics of this process read like.
func scrape() []byte {
	GinkgoHelper()
	var text bytes.Buffer
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	ours, err := registries.Gather()
	_ = err // operators of several specs have metrics of the same name, and all are read
	for _, family := range append(families, ours...) {
		_, err := expfmt.MetricFamilyToText(&text, family)
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(text.String()).To(ContainSubstring("apikey_operator_keys_minted_total"), fmt.Sprintf("metrics of %d operators", len(registries)))

	return text.Bytes()
}
