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

	logs := logged.all()
	Expect(logs).To(ContainSubstring("Request Body"), "the logs are verbose enough to be worth searching")
	found.search("the logs", logs)
	for key, value := range etcdContent(ctx) {
		found.search("etcd key "+key, value)
	}
	found.search("the metrics", scrape())

	Expect(found.where).To(BeEmpty())
	GinkgoWriter.Printf("searched %d bytes for %d keys\n", found.bytes, len(minted))
})

// haystack looks for many keys in much text: it takes out what looks like a key, in each of the forms
// in which one can stand there, and asks whether it is one.
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

var (
	plainForm  = regexp.MustCompile(`[a-z][a-z0-9]{0,9}_(prod|stg|dev)_[0-9A-Za-z]{49}`)
	base64Form = regexp.MustCompile(base64.StdEncoding.EncodeToString([]byte("ak_")) + `[0-9A-Za-z+/_-]{70,}`)
	hexForm    = regexp.MustCompile(`(?i)` + hex.EncodeToString([]byte("ak_")) + `[0-9a-f]{100,}`)
)

func (h *haystack) search(name string, text []byte) {
	h.bytes += len(text)
	for _, plain := range plainForm.FindAll(text, -1) {
		h.report(name, string(plain))
	}
	for _, encoded := range base64Form.FindAll(text, -1) {
		for end := len(encoded); end > len(encoded)-4; end-- { // what follows may look like base64, too
			decoded, _ := base64.RawStdEncoding.DecodeString(string(encoded[:end]))
			for _, plain := range plainForm.FindAll(decoded, -1) {
				h.report(name, string(plain))
			}
		}
	}
	for _, encoded := range hexForm.FindAll(text, -1) {
		decoded, _ := hex.DecodeString(string(encoded[:len(encoded)/2*2]))
		for _, plain := range plainForm.FindAll(decoded, -1) {
			h.report(name, string(plain))
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
		Entry("in base64", `{"api-key":"`+base64.StdEncoding.EncodeToString([]byte(key[:57]))+`"}`),
		Entry("in hex", "0x"+hex.EncodeToString([]byte(key[:57]))),
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
