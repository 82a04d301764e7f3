#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# What hack/kube/build.sh and hack/gateways/build.sh have in common: each puts programs into a folder under bin, from versions that the
# go.mod beside it pins. Both source this file, after setting name, the folder's name.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD
readonly target=$root/bin/$name
readonly stamp=$target/.stamp

say() { printf '%s: %s\n' "$name" "$*"; }

die() {
  printf '%s: %s\n' "$name" "$*" >&2
  exit 1
}

# pinned FILE MODULE: the version of the module in that go.mod.
pinned() {
  local version
  version=$(awk -v module="$2" '{ at = ($1 == "require") ? 2 : 1 } $at == module && $(at + 1) ~ /^v/ { print $(at + 1); exit }' "$1")
  [[ -n $version ]] || die "$1 does not require $2: add it there, that is where its version is pinned"
  printf '%s' "$version"
}

# exit_if_complete WANTED PROGRAM...: ends the script if the folder has all programs of the wanted version.
exit_if_complete() {
  local program
  [[ -f $stamp && $(<"$stamp") == "$1" ]] || return 0
  for program in "${@:2}"; do
    [[ -x $target/$program ]] || return 0
  done
  say "bin/$name has $1."
  exit 0
}

# begin sets work to a new folder for files that are not complete yet: an interrupted build leaves nothing in its target.
begin() {
  mkdir -p "$target"
  rm -f "$stamp"
  work=$(mktemp -d "$target/.build.XXXXXX")
  readonly work
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# finish WANTED FILE...: moves the files to their target and notes the version.
finish() {
  local file
  for file in "${@:2}"; do
    mv -f "$work/$file" "$target/$file"
  done
  printf '%s' "$1" >"$stamp"
  say "bin/$name is ready after $SECONDS s: $1."
}
