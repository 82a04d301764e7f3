#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# dist.sh VERSION PLATFORM... writes a release into dist/, or into the folder that DIST names:
#   install.yaml, apikey-operator-VERSION.tgz   what config/default renders, and the Helm chart; see hack/manifests.sh
#   apikey-operator-linux-ARCH.tar.gz           the operator and the verifier, for each platform of Linux
#   kubectl-apikey-OS-ARCH.tar.gz               the plugin, for each platform, such as linux/amd64
#   PROGRAM-OS-ARCH.cdx.json                    what each program is built from, as a CycloneDX SBOM
#   apikey.yaml                                 the manifest by which krew installs the plugin
#   checksums.txt                               SHA-256 of all others, for sha256sum --check
#
# The same commit, version of Go and platform of the build give the same bytes: times, owners, modes and order are fixed, and no file
# names the machine, the folder or the time. Nothing is written to dist/ before everything is built.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly root=$PWD version=$1
shift
readonly dist=${DIST:-dist}
readonly module=github.com/apikey-operator/apikey-operator
readonly url=https://$module/releases/download/$version

# What else of the environment would change the programs.
export CGO_ENABLED=0 GOFLAGS='' GOWORK=off GOEXPERIMENT='' GOAMD64=v1 GOARM64=v8.0 LC_ALL=C TZ=UTC

die() {
  echo "dist: $*" >&2
  exit 1
}

[[ ! -e $dist || -f $dist/checksums.txt || -z $(ls -A "$dist") ]] || die "$dist has files that are not of a release, and would be replaced: move them away"
[[ $# -gt 0 ]] || die 'DIST_PLATFORMS is empty, want platforms such as "linux/amd64 darwin/arm64"'
known=$(go tool dist list)
for platform; do
  grep -qFx -- "$platform" <<<"$known" || die "DIST_PLATFORMS has \"$platform\", want platforms of \`go tool dist list\`, such as linux/amd64"
done
tar --version | grep -q 'GNU tar' || die 'needs GNU tar: archives of other programs differ from one build to the next'
command -v sha256sum >/dev/null || die 'needs sha256sum, which GNU coreutils have'
[[ -x bin/cyclonedx-gomod && -x bin/k8s/kubectl ]] || die 'bin/cyclonedx-gomod or bin/k8s/kubectl is not built: run this by `make dist`'
# The commit, with "-dirty" behind it if files differ from it; empty outside of a clone.
commit=$(GIT_OPTIONAL_LOCKS=0 git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || true)
readonly commit

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
mkdir "$work/out" "$work/programs"

# First, because this refuses a version that is none.
hack/manifests.sh "$version" "$work/out" >/dev/null
echo "dist: rendered install.yaml and the chart"

total=0 done=0
for platform; do
  total=$((total + 1))
  [[ $platform != linux/* ]] || total=$((total + 2))
done

# build PROGRAM PACKAGE PLATFORM [SUFFIX] builds a program into $work/programs, and writes its SBOM. The SBOM is read out of the program,
# so it has the modules that are in it, and no others.
build() {
  local os=${3%/*} arch=${3#*/} start=$SECONDS
  local file=$work/programs/$1${4:-} sbom=$work/out/$1-$os-$arch.cdx.json
  GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -o "$file" \
    -ldflags "-s -w -X $module/internal/buildinfo.version=$version -X $module/internal/buildinfo.commit=$commit" "$2"
  "$root/bin/cyclonedx-gomod" bin -json -output-version 1.6 -noserial -notimestamp -std -version "$version" -output "$sbom" "$file" \
    2>"$work/sbom.log" || {
    cat "$work/sbom.log" >&2
    die "cannot write the SBOM of $1 for $3"
  }
  done=$((done + 1))
  echo "dist: $done/$total $1 for $3 in $((SECONDS - start)) s"
}

# pack ARCHIVE PROGRAM... packs programs and the license, and removes the programs, which are large.
pack() {
  cp LICENSE "$work/programs/"
  tar --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C "$work/programs" -cf - "${@:2}" LICENSE |
    gzip -n >"$work/out/$1"
  (cd "$work/programs" && rm -- "${@:2}")
}

for platform; do
  os=${platform%/*} arch=${platform#*/} suffix=
  [[ $os != windows ]] || suffix=.exe
  build kubectl-apikey ./cmd/kubectl-apikey "$platform" "$suffix"
  pack "kubectl-apikey-$os-$arch.tar.gz" "kubectl-apikey$suffix"
  [[ $os == linux ]] || continue
  build manager ./cmd "$platform"
  build verifier ./cmd/verifier "$platform"
  pack "apikey-operator-$os-$arch.tar.gz" manager verifier
done

{
  cat <<MANIFEST
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: apikey
spec:
  version: $version
  homepage: https://$module
  shortDescription: Create, rotate, explain and end API keys
  description: |
    Creates, lists, rotates, suspends, revokes and explains the API keys that the apikey-operator keeps as APIKey objects,
    finds leaked keys in text, and audits a cluster's keys. It acts with the rights of your kubeconfig alone.
  caveats: |
    The cluster needs the apikey-operator.
  platforms:
MANIFEST
  for platform; do
    os=${platform%/*} arch=${platform#*/} program=kubectl-apikey
    [[ $os != windows ]] || program+=.exe
    archive=kubectl-apikey-$os-$arch.tar.gz
    cat <<MANIFEST
    - selector:
        matchLabels:
          os: $os
          arch: $arch
      uri: $url/$archive
      sha256: $(sha256sum "$work/out/$archive" | cut -d ' ' -f 1)
      bin: $program
      files:
        - from: $program
          to: .
        - from: LICENSE
          to: .
MANIFEST
  done
} >"$work/out/apikey.yaml"
(cd "$work/out" && sha256sum -- * >"$work/checksums.txt")
mv "$work/checksums.txt" "$work/out/"

rm -rf "$dist"
mkdir "$dist"
cp -- "$work/out"/* "$dist/"
echo "dist: wrote $(find "$dist" -type f | wc -l) files into $dist/ in $SECONDS s; their SHA-256 is in $dist/checksums.txt"
