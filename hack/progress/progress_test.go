// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package progress_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/progress"
)

func TestLinesHaveTheTimeSinceTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := progress.New(&out)
		time.Sleep(63*time.Second + 900*time.Millisecond)
		log.Printf("%d of %d", 3, 7)
		if got, want := out.String(), "[  1m3s] 3 of 7\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// The watch over a soak prints while its last phase begins.
func TestLinesOfManyAtOnceStayWhole(t *testing.T) {
	const many = 100
	var out bytes.Buffer
	log := progress.New(&out)
	var printers sync.WaitGroup
	for range many {
		printers.Go(func() { log.Printf("a line") })
	}
	printers.Wait()
	if got := strings.Count(out.String(), "] a line\n"); got != many {
		t.Errorf("%d whole lines, want %d", got, many)
	}
}
