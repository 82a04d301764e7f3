#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Puts etcd, kube-apiserver, kube-controller-manager and kubectl into bin/k8s, for tests and the quickstart.
# Each program comes from the first of these that has it:
#   1. the folder $KUBEBUILDER_ASSETS, if set: whatever version is there;
#   2. setup-envtest, if it reaches its index: the pinned version (it never has kube-controller-manager);
#   3. the source of the pinned version, through the Go module proxy.
# go.mod in this folder pins the versions, and nothing else does. `make kube` calls this script.
name=k8s
# shellcheck source=../build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../build.sh"

readonly programs=(etcd kube-apiserver kube-controller-manager kubectl)

kubernetes=$(pinned hack/kube/go.mod k8s.io/kubernetes)
etcd=$(pinned hack/kube/go.mod go.etcd.io/etcd/server/v3)
readonly kubernetes etcd

# bin/k8s itself is no source: users export it for `go test`.
assets=
if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
  [[ -d $KUBEBUILDER_ASSETS ]] || die "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which is no folder: correct it or unset it"
  assets=$(cd "$KUBEBUILDER_ASSETS" && pwd -P)
  if [[ -d $target && $assets == "$(cd "$target" && pwd -P)" ]]; then
    assets=
  fi
fi
readonly assets
readonly wanted="kubernetes $kubernetes, etcd $etcd${assets:+, from $assets}"

exit_if_complete "$wanted" "${programs[@]}"
begin

missing=()

# find_missing sets missing to the programs that no source has given yet.
find_missing() {
  local program
  missing=()
  for program in "${programs[@]}"; do
    [[ -e $work/$program ]] || missing+=("$program")
  done
}

# link_from FOLDER: takes what the folder has. A link costs no space and keeps the folder's own updates.
link_from() {
  local program
  for program in "${missing[@]}"; do
    if [[ -x $1/$program ]]; then
      ln -s "$1/$program" "$work/$program"
      say "$program: linked to $1/$program."
    fi
  done
  find_missing
}

# limited SECONDS COMMAND...: the command, ended after that time where timeout is installed.
limited() {
  if command -v timeout >/dev/null; then
    timeout --foreground "$@"
  else
    "${@:2}"
  fi
}

# from_envtest asks setup-envtest for the pinned version. Not to be reached is a normal answer, and quick.
from_envtest() {
  local setup=$root/bin/setup-envtest version=${kubernetes#v} folder
  make --silent bin/setup-envtest
  say "asking setup-envtest for Kubernetes $version (20 s at most)..."
  if ! limited 20 "$setup" list --bin-dir "$root/bin/envtest" "$version" >"$work/envtest.log" 2>&1; then
    say "setup-envtest does not reach its index: building from source instead."
  elif ! grep -qF "$version" "$work/envtest.log"; then
    say "setup-envtest has no Kubernetes $version: building from source instead."
  elif folder=$(limited 300 "$setup" use --bin-dir "$root/bin/envtest" -p path "$version" 2>"$work/envtest.log"); then
    link_from "$folder"
  else
    say "setup-envtest could not download Kubernetes $version: building from source instead."
  fi
}

# package_of PROGRAM: the Go package that builds it.
package_of() {
  case $1 in
    etcd) printf 'go.etcd.io/etcd/server/v3' ;;
    *) printf 'k8s.io/kubernetes/cmd/%s' "$1" ;;
  esac
}

# ldflags_of PROGRAM: without a version, kube-apiserver calls itself v0.0.0 and turns features off.
ldflags_of() {
  local version=k8s.io/component-base/version major minor
  printf -- '-s -w'
  [[ $1 == etcd ]] && return
  IFS=. read -r major minor _ <<<"${kubernetes#v}"
  printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean' \
    "$version" "$kubernetes" "$version" "$major" "$version" "$minor" "$version"
}

# fetch_source downloads the modules first, so that the times below are those of the compiler.
fetch_source() {
  local program packages=() start=$SECONDS
  for program in "${missing[@]}"; do
    packages+=("$(package_of "$program")")
  done
  say "fetching the source of ${missing[*]} through the Go module proxy..."
  if ! (cd hack/kube && go list -deps "${packages[@]}") >/dev/null 2>"$work/fetch.log"; then
    cat "$work/fetch.log" >&2
    die "the source of Kubernetes $kubernetes could not be fetched: check that Go reaches its module proxy (go env GOPROXY)"
  fi
  say "fetched in $((SECONDS - start)) s."
}

# minutes_to_build PROGRAM: on 2 cores, with nothing in the Go build cache but the programs before it.
minutes_to_build() {
  case $1 in
    kube-apiserver) printf 4 ;;
    kube-controller-manager) printf 2 ;;
    *) printf 1 ;;
  esac
}

build() {
  local start=$SECONDS
  say "building $1..."
  (cd hack/kube && CGO_ENABLED=0 go build -ldflags "$(ldflags_of "$1")" -o "$work/$1" "$(package_of "$1")")
  say "built $1 in $((SECONDS - start)) s."
}

# from_source builds what no other source had.
from_source() {
  local program minutes=0
  for program in "${missing[@]}"; do
    minutes=$((minutes + $(minutes_to_build "$program")))
  done
  say "building ${missing[*]} from source: about $minutes minutes on 2 cores the first time, under one minute once the Go build cache has it all."
  fetch_source
  for program in "${missing[@]}"; do
    build "$program"
  done
}

say "bin/k8s needs $wanted: tests and the quickstart run a real control plane, without containers."
find_missing
[[ -z $assets ]] || link_from "$assets"
if [[ -z $assets && ${#missing[@]} -gt 0 ]]; then
  from_envtest
fi
if [[ ${#missing[@]} -gt 0 ]]; then
  from_source
fi

finish "$wanted" "${programs[@]}"
