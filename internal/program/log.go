// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	crlog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// NewLog makes the log of a program: lines of JSON, without anything that may be a key.
func NewLog(level slog.Level, to io.Writer) *slog.Logger {
	return slog.New(server.NewLogHandler(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})))
}

// SetLibraryLogs makes package log, log/slog, klog and controller-runtime write to this log. They have one logger for the whole
// process. Their messages may quote what a client or a server has sent, so none of them may reach stderr unscrubbed.
func SetLibraryLogs(log *slog.Logger) {
	slog.SetDefault(log)
	klog.SetSlogLogger(log)
	crlog.SetLogger(logr.FromSlogHandler(log.Handler()))
}
