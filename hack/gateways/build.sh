#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Puts Traefik into bin/gateways, with the CRDs and the rights that its release documents, for tests that run the samples.
# Traefik is built from the version that go.mod in this folder pins. `make gateways` calls this script.
name=gateways
# shellcheck source=../build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../build.sh"

readonly module=github.com/traefik/traefik/v3
readonly manifests=docs/content/reference/dynamic-configuration

version=$(pinned hack/gateways/go.mod "$module")
readonly version
readonly wanted="traefik $version"
exit_if_complete "$wanted" traefik
begin

say "building $wanted from source: about 5 minutes on 2 cores the first time, seconds once the Go build cache has it all."
cd hack/gateways
CGO_ENABLED=0 go build -ldflags "-s -w -X $module/pkg/version.Version=$version" -o "$work/traefik" "$module/cmd/traefik"
source=$(go list -m -f '{{.Dir}}' "$module")
readonly source
install -m 644 "$source/$manifests/kubernetes-crd-definition-v1.yml" "$work/traefik-crds.yaml"
install -m 644 "$source/$manifests/kubernetes-crd-rbac.yml" "$work/traefik-rbac.yaml"
finish "$wanted" traefik traefik-crds.yaml traefik-rbac.yaml
