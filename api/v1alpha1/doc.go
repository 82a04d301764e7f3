// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the apikey-operator.io/v1alpha1 API: the objects that users and pipelines write,
// and what the operator reports about them.
//
// # Times and durations
//
// One object that Go cannot decode breaks the list of every watcher, and with it the operator for the whole cluster. The API
// server's own check of date-time accepts such values: 2027-11-21t00:00:00z, +99:99. So times have a narrower pattern, and
// durations are a string type with a pattern that time.ParseDuration always reads. Go's zero time would read as "not set", which
// means "never expires", so years are limited to 2000 to 2999, and package lifecycle clamps values that an older schema may
// have stored. The times of status have the same pattern: 9999-12-31T23:59:59-23:59 is a date-time, Go writes it back in the year
// 10000, and every later write of that status failed. The next write corrects a value that was stored before.
//
// # Lists that grant
//
// Lists are atomic, and a rule refuses a repeated value. A set merges under server-side apply: an APIKey made by `kubectl create`
// kept a permission that Git had removed, and `kubectl diff --server-side` showed nothing. Maps merge as well, so maps of labels are
// atomic too: a namespaceSelector that keeps a label selects fewer namespaces than Git says. The rule compares each pair; the longest
// list, of 128 values, takes 15 ms.
//
// # Status
//
// The status of a new object defaults to observedGeneration -1. Without the default kstatus calls an object "Current" that no operator
// has seen. While a key is replaced, Ready keeps its value, since the old key works until the new one does; Reconciling is True.
//
// +kubebuilder:object:generate=true
// +groupName=apikey-operator.io
package v1alpha1
