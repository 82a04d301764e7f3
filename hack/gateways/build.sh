#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Puts Traefik into bin/gateways, with the CRDs and the rights that its release documents, for tests that run the samples.
# It is built from the version that go.mod in this folder pins. `make gateways` calls it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly root=$PWD
readonly target=$root/bin/gateways
readonly stamp=$target/.stamp
readonly module=github.com/traefik/traefik/v3
readonly manifests=docs/content/reference/dynamic-configuration

say() { printf 'gateways: %s\n' "$*"; }

version=$(awk -v module="$module" '$1 == "require" && $2 == module { print $3; exit }' hack/gateways/go.mod)
[[ -n $version ]] || {
  echo "gateways: hack/gateways/go.mod does not require $module on a line of its own: its version is pinned there" >&2
  exit 1
}
readonly version
readonly wanted="traefik $version"
if [[ -f $stamp && $(<"$stamp") == "$wanted" && -x $target/traefik ]]; then
  say "bin/gateways has $wanted."
  exit 0
fi

mkdir -p "$target"
rm -f "$stamp"
# Files are made here and then moved, so that an interrupted build leaves no half of one.
work=$(mktemp -d "$target/.build.XXXXXX")
readonly work
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "building $wanted from source: about 5 minutes on 2 cores the first time, seconds once the Go build cache has it all."
cd hack/gateways
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X $module/pkg/version.Version=$version" -o "$work/traefik" "$module/cmd/traefik"
source=$(go list -m -f '{{.Dir}}' "$module")
readonly source
install -m 644 "$source/$manifests/kubernetes-crd-definition-v1.yml" "$work/traefik-crds.yaml"
install -m 644 "$source/$manifests/kubernetes-crd-rbac.yml" "$work/traefik-rbac.yaml"
mv -f "$work"/traefik "$work"/*.yaml "$target"
printf '%s' "$wanted" >"$stamp"
say "bin/gateways is ready after $SECONDS s: $wanted."
