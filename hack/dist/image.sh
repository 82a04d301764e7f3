#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# image.sh IMAGE VERSION pushes the image of the release that is in dist/, for the platforms that it has programs for, and prints the
# digest of each: "index DIGEST", then "linux-ARCH DIGEST" lines. It needs docker with buildx, logged in to the registry, and jq.
#
# The image has the very programs of the archives, so their checksums and SBOMs hold for it too: a folder with them takes the place of the
# stage "build" of the Dockerfile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly image=$1 version=$2

work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

platforms=() digests=()
for archive in dist/apikey-operator-linux-*.tar.gz; do
  platform=$(basename "$archive" .tar.gz)
  platform=${platform#apikey-operator-}
  mkdir -p "$work/$platform/out"
  tar -xzf "$archive" -C "$work/$platform/out" manager verifier
  docker buildx build --platform "${platform/-//}" --build-context "build=$work/$platform" --provenance=false --sbom=false \
    --output "type=image,name=$image,push-by-digest=true,name-canonical=true,push=true" --metadata-file "$work/$platform.json" . >&2
  platforms+=("$platform")
  digests+=("$(jq -er '."containerimage.digest"' "$work/$platform.json")")
done
docker buildx imagetools create --tag "$image:$version" "${digests[@]/#/$image@}" >&2
echo "index $(docker buildx imagetools inspect "$image:$version" --format '{{json .Manifest}}' | jq -er .digest)"
for i in "${!platforms[@]}"; do
  echo "${platforms[i]} ${digests[i]}"
done
