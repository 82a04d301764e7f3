// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"io"
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	code := m.Run()
	for _, stop := range []func() error{stopChromium, stopCluster} {
		if err := stop(); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			code = max(code, 1)
		}
	}
	os.Exit(code) //nolint:forbidigo // TestMain ends the process
}
