#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/e2e/run.sh kind|lab: builds the images that the end-to-end tests need, hands them to the nodes of the cluster, and runs
# internal/e2e against the cluster that KUBECONFIG names. `make e2e` calls it for kind, hack/e2e/lab.sh for the cluster lab.
#
# E2E_FOCUS names some specs, E2E_OUTAGES sets how many outages of the API server there are, E2E_TIMEOUT ends the tests, E2E_UPDATE=1
# writes the golden lists of rights, and E2E_VERBOSE=1 prints every command with the time.
#
# The previous release is a commit of this repository (hack/e2e/previous-release), and not a copy of its manifests: an upgrade also
# reads what the previous programs stored, so the tests need them too.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly root=$PWD kind_of_cluster=${1:?kind or lab}
readonly work=$root/bin/e2e
previous=$(<hack/e2e/previous-release)
readonly previous

say() { printf 'e2e: %s\n' "$*"; }

# build FOLDER OUT: the programs of a release, as the Dockerfile builds them, for the nodes of the cluster.
build() {
  (cd "$1" && CGO_ENABLED=0 GOOS=linux go build -ldflags '-s -w' -o "$2/manager" ./cmd &&
    CGO_ENABLED=0 GOOS=linux go build -ldflags '-s -w' -o "$2/verifier" ./cmd/verifier)
}

# deliver IMAGE FOLDER PROGRAM...: makes an image of static programs and hands it to every node. The first program is the entrypoint.
deliver() {
  local image=$1 folder=$2 file files=()
  shift 2
  case $kind_of_cluster in
    lab)
      for file; do files+=("$folder/$file=/$file"); done
      "${LAB:?}" image "$image" "$folder/image.tar" "/$1" "${files[@]}" >/dev/null
      "$LAB" load "$folder/image.tar" >"$folder/load.log" 2>&1 || { cat "$folder/load.log" >&2; return 1; }
      ;;
    kind)
      # docker save leaves attestations out and still names them, and then the nodes refuse the image.
      { echo 'FROM scratch'; for file; do echo "COPY $file /"; done; echo 'USER 65532:65532'; echo "ENTRYPOINT [\"/$1\"]"; } |
        BUILDX_NO_DEFAULT_ATTESTATIONS=1 "${CONTAINER_TOOL:-docker}" build -q -t "$image" -f - "$folder" >/dev/null
      kind load docker-image --name "${KIND_CLUSTER:-kind}" "$image"
      ;;
    *)
      echo "e2e: the cluster is $kind_of_cluster, want kind or lab" >&2
      exit 2
      ;;
  esac
}

rm -rf "$work"
mkdir -p "$work"/{current,caller}
started=$SECONDS
build "$root" "$work/current"
deliver e2e.local/apikey-operator:current "$work/current" manager verifier
CGO_ENABLED=0 GOOS=linux go build -o "$work/caller/caller" ./hack/e2e/caller
deliver e2e.local/caller:current "$work/caller" caller
if git cat-file -e "$previous^{commit}" 2>/dev/null || git fetch -q --depth 1 origin "$previous"; then
  mkdir -p "$work/previous/source"
  git archive "$previous" | tar -xf - -C "$work/previous/source"
  build "$work/previous/source" "$work/previous"
  deliver e2e.local/apikey-operator:previous "$work/previous" manager verifier
else
  say "commit $previous is not in this clone: the upgrade from it is not tested"
fi
say "images ready after $((SECONDS - started)) s"

export E2E_CLUSTER=$kind_of_cluster
CGO_ENABLED=0 go test -vet=off -tags e2e -count 1 -timeout "${E2E_TIMEOUT:-45m}" ./internal/e2e -v \
  ${E2E_UPDATE:+-update} ${E2E_FOCUS:+-ginkgo.focus "$E2E_FOCUS"} ${E2E_VERBOSE:+-ginkgo.v}
