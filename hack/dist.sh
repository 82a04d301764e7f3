#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# dist.sh VERSION PLATFORM... builds kubectl-apikey for each platform, such as linux/amd64, into dist/: an archive each, the manifest by
# which krew installs the release, install.yaml and the Helm chart, and the checksums.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly version=$1
shift
readonly url="https://github.com/apikey-operator/apikey-operator/releases/download/$version"

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
rm -rf dist
mkdir dist

# The same input gives the same archives: times, owners and order are fixed.
for platform in "$@"; do
  os=${platform%/*} arch=${platform#*/} program=kubectl-apikey
  [[ $os != windows ]] || program+=.exe
  mkdir -p "$work/$os-$arch"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "-s -w -X github.com/apikey-operator/apikey-operator/internal/buildinfo.version=$version" -o "$work/$os-$arch/$program" ./cmd/kubectl-apikey
  cp LICENSE "$work/$os-$arch/"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/$os-$arch" -cf - "$program" LICENSE |
    gzip -n >"dist/kubectl-apikey-$os-$arch.tar.gz"
  echo "built dist/kubectl-apikey-$os-$arch.tar.gz"
done
hack/manifests.sh "$version" dist
(cd dist && sha256sum -- *.tar.gz *.tgz install.yaml >checksums.txt)

{
  cat <<MANIFEST
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: apikey
spec:
  version: $version
  homepage: https://github.com/apikey-operator/apikey-operator
  shortDescription: Create, rotate, explain and end API keys
  description: |
    Creates, lists, rotates, suspends, revokes and explains the API keys that the apikey-operator keeps as APIKey objects,
    finds leaked keys in text, and audits a cluster's keys. It acts with the rights of your kubeconfig alone.
  caveats: |
    The cluster needs the apikey-operator.
  platforms:
MANIFEST
  for platform in "$@"; do
    os=${platform%/*} arch=${platform#*/} program=kubectl-apikey
    [[ $os != windows ]] || program+=.exe
    archive=kubectl-apikey-$os-$arch.tar.gz
    cat <<MANIFEST
    - selector:
        matchLabels:
          os: $os
          arch: $arch
      uri: $url/$archive
      sha256: $(awk -v name="$archive" '$2 == name { print $1 }' dist/checksums.txt)
      bin: $program
      files:
        - from: $program
          to: .
        - from: LICENSE
          to: .
MANIFEST
  done
} >dist/apikey.yaml
echo 'wrote dist/apikey.yaml and dist/checksums.txt'
