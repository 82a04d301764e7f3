// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// generated is how many texts each of the specs below tries.
const generated = 600

// One stored object that Go cannot decode makes every list that holds it fail, and so stops every watcher.
var _ = Describe("What the API server accepts can be decoded", func() {
	var random *rand.Rand
	BeforeEach(func() {
		random = rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same texts in every run, and no secrets
	})

	It("spec.expiresAt", func(ctx SpecContext) {
		keys, accepted := apiKeys(v1alpha1.GroupVersion), 0
		for range generated {
			text := randomTime(random)
			if keys.tryCreate(ctx, fmt.Sprintf("expiresAt: %q", text)) != nil {
				continue
			}
			accepted++
			decoded := decodeTime(text)
			Expect(decoded.UTC().Year()).To(And(BeNumerically(">=", 2000), BeNumerically("<", 3000)), text)
			Expect(decodeTime(decoded.UTC().Format(time.RFC3339))).To(Equal(decoded), "%s, written back", text)
		}
		Expect(accepted).To(BeNumerically(">", generated/20), "texts that are accepted")
		Expect(accepted).To(BeNumerically("<", generated*19/20), "texts that are accepted")
	})

	It("status.lastUsedAt", func(ctx SpecContext) {
		keys, accepted := apiKeys(v1alpha1.GroupVersion), 0
		object := keys.create(ctx, "{}")
		for range generated {
			text := randomTime(random)
			if keys.tryStatus(ctx, object, fmt.Sprintf("lastUsedAt: %q", text)) != nil {
				continue
			}
			accepted++
			Expect(decodeTime(text).IsZero()).To(BeFalse(), text)
		}
		Expect(accepted).To(BeNumerically(">", generated/20), "texts that are accepted")
	})

	It("spec.validFor", func(ctx SpecContext) {
		keys, accepted := apiKeys(v1alpha1.GroupVersion), 0
		for range generated {
			text := changed(random, pick(random, "8760h", "1h30m", "1h1m1s", "999999h9999999m999999999s", "90m", "1s"), "0123456789hmsd.- ")
			if keys.tryCreate(ctx, fmt.Sprintf("validFor: %q", text)) != nil {
				continue
			}
			accepted++
			decoded, err := time.ParseDuration(text)
			Expect(err).NotTo(HaveOccurred())
			Expect(decoded).To(BeNumerically(">=", time.Second), text)
		}
		Expect(accepted).To(BeNumerically(">", generated/20), "texts that are accepted")
	})

	It("numbers as JSON writes them", func(ctx SpecContext) {
		for _, number := range []string{"100", "100.0", "1e2", "1.0E+2", "10000e-2"} {
			var key v1alpha1.APIKey
			result := restClient().Post().Namespace(
				namespace,
			).Resource(
				"apikeys",
			).Body(
				[]byte(`{"apiVersion":"apikey-operator.io/v1alpha1","kind":"APIKey","metadata":{"generateName":"number-"},` +
					`"spec":{"environment":"Production","rateLimit":{"requests":` + number + `,"per":"1m"}}}`),
			).Do(
				ctx,
			)
			Expect(result.Into(&key)).To(Succeed(), number)
			Expect(key.Spec.RateLimit.Requests).To(BeEquivalentTo(100), number)
		}
	})
})

// decodeTime decodes a time as a Go client does.
func decodeTime(text string) time.Time {
	GinkgoHelper()
	data, err := json.Marshal(text)
	Expect(err).NotTo(HaveOccurred())
	var decoded metav1.Time
	Expect(json.Unmarshal(data, &decoded)).To(Succeed(), "accepted by the API server")

	return decoded.UTC().Truncate(time.Second)
}

// randomTime is an RFC 3339 time, up to two parts of which are at or beyond their bounds or written in another way,
// now and then with one more character wrong.
func randomTime(random *rand.Rand) string {
	good := []string{"2027", "-11", "-21", "T", "12", ":30", ":00", "", "Z"}
	odd := [][]string{
		{"2000", "2999", "1999", "3000", "0000", "0001", "9999", "10000", "202"},
		{"-02", "-12", "-00", "-13", "-1", "11"},
		{"-28", "-29", "-30", "-31", "-00", "-32", "-1"},
		{"t", " ", ""},
		{"00", "23", "24", "1"},
		{":00", ":59", ":60", ":5", ""},
		{":01", ":59", ":60", ":5", ""},
		{".5", ".123456789", ".1234567890", ",5", "."},
		{"+05:30", "-23:59", "+24:00", "-00:00", "+99:99", "z", "+0530", "+05", ""},
	}
	for range random.IntN(3) {
		part := random.IntN(len(odd))
		good[part] = pick(random, odd[part]...)
	}
	text := strings.Join(good, "")
	if random.IntN(4) == 0 {
		return changed(random, text, "0123456789TtZz:+-., ")
	}

	return text
}

// changed is a text with one character replaced, added or taken out.
func changed(random *rand.Rand, text, alphabet string) string {
	at := random.IntN(len(text))
	with := string(alphabet[random.IntN(len(alphabet))])
	switch random.IntN(4) {
	case 0:
		return text[:at] + with + text[at+1:]
	case 1:
		return text[:at] + with + text[at:]
	case 2:
		return text[:at] + text[at+1:]
	default:
		return text
	}
}

func pick(random *rand.Rand, texts ...string) string { return texts[random.IntN(len(texts))] }
