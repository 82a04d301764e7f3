#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# manifests.sh VERSION FOLDER writes install.yaml and the Helm chart of a release, such as v1.2.3, into a folder. Both run the image
# with that tag. The same input gives the same files.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly version=$1 folder=$2

# A semantic version. Build metadata is refused, because no tag of an image has a "+".
readonly number='(0|[1-9][0-9]*)' word='(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)'
if [[ ! $version =~ ^v$number\.$number\.$number(-$word(\.$word)*)?$ || ${#version} -gt 63 ]]; then
  echo "manifests: VERSION is \"$version\", want a semantic version behind a v, without \"+\" and of at most 63 characters, such as" \
    "v1.2.3 or v1.2.3-rc.1: make dist VERSION=v1.2.3" >&2
  exit 1
fi

{
  echo "# apikey-operator $version: kubectl apply --server-side -f install.yaml"
  bin/k8s/kubectl kustomize config/default 2> >(grep -v "Warning: 'vars' is deprecated" >&2) |
    sed "s|^\( *image: ghcr.io/apikey-operator/apikey-operator\):dev$|\1:$version|"
} >"$folder/install.yaml"
echo "wrote $folder/install.yaml"

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
cp -R config/chart "$work/apikey-operator"
rm -r "$work/apikey-operator/ci"
cp LICENSE "$work/apikey-operator/"
# Modes differ with the umask of the clone.
chmod -R u=rwX,go=rX "$work/apikey-operator"
prerelease=false
[[ $version != *-* ]] || prerelease=true
sed -i.before -e "s|^version: .*|version: ${version#v}|; s|^appVersion: .*|appVersion: $version|" \
  -e "s|^\( *image: ghcr.io/apikey-operator/apikey-operator\):dev$|\1:$version|" \
  -e "s|^  artifacthub.io/prerelease: .*|  artifacthub.io/prerelease: \"$prerelease\"|" "$work/apikey-operator/Chart.yaml"
rm "$work/apikey-operator/Chart.yaml.before"
tar --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work" -cf - apikey-operator |
  gzip -n >"$folder/apikey-operator-${version#v}.tgz"
echo "wrote $folder/apikey-operator-${version#v}.tgz"
