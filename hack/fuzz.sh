#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/fuzz.sh TIME
# Runs every fuzz target of the module for that time, such as 15s, one after the other. What it finds is made smaller once:
# by default Go spends up to a minute on each new input, and with large inputs nearly all of the time.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly time=$1

# Lines such as ./internal/keys/key_fuzz_test.go:FuzzParse.
targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' api cmd hack internal | sed 's/func //') || true
if [[ -z $targets ]]; then
  echo 'no fuzz targets found'
  exit 0
fi

while IFS=: read -r file name; do
  echo "fuzz: $name in $(dirname "$file"), $time"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1x "./$(dirname "$file")"
done <<<"$targets"
