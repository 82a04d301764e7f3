#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# notes.sh VERSION prints what .github/CHANGELOG.md says about a release, and fails if it says nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly version=$1

notes=$(awk -v version="$version" '/^## / { wanted = ($2 == version); next } wanted' .github/CHANGELOG.md)
if [[ ! $notes =~ [^[:space:]] ]]; then
  echo "notes: .github/CHANGELOG.md says nothing about $version: add a section \"## $version\"" >&2
  exit 1
fi
printf '%s\n' "${notes#"${notes%%[![:space:]]*}"}"
