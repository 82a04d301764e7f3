#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Fails, with the difference, when generated files, go.mod files or formatting are not up to date.
# It works on a copy: the work tree, with whatever is not committed yet, stays as it is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

# list_files prints the files that are or would be committed, each ended by a zero byte.
list_files() {
  local file
  while IFS= read -r -d '' file; do
    # A file that was deleted but is still in the index is not copied.
    if [[ -e $file || -L $file ]]; then
      printf '%s\0' "$file"
    fi
  done < <(git ls-files -z --cached --others --exclude-standard)
}

# tar keeps the times of the files, by which make sees that the tools in bin are up to date.
copy_to() {
  mkdir "$1"
  list_files | tar -cf - --null -T - | tar -xf - -C "$1"
}

copy_to "$work/found"
copy_to "$work/wanted"
ln -s "$root/bin" "$work/wanted/bin"

cd "$work/wanted"
# What was generated from a type or a marker that is gone would stay for ever.
rm -f api/v1alpha1/README.md config/crd/bases/*.yaml config/rbac/role.yaml
find config/policy -maxdepth 1 -name '*.yaml' ! -name kustomization.yaml -delete
rm -f config/chart/templates/{crds,guardrails,namespaces,rbac,verifier_namespaces,verifier_rbac}.yaml
find . -name 'zz_generated.*.go' -delete
# A make of its own, not a part of the one that called this script.
env -u MAKEFLAGS -u MAKELEVEL make --silent generate manifests >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
for module in . hack/actionlint hack/gateways hack/gitleaks hack/helm hack/helm3 hack/kube hack/kube-score hack/kube-state-metrics hack/kubeconform hack/sbom hack/tools; do
  (cd "$module" && go mod tidy)
done
find . -path ./bin -prune -o -name '*.go' -print0 | xargs -0 gofmt -w
rm bin

cd "$work"
if ! git --no-pager diff --no-index --exit-code found wanted; then
  echo >&2
  echo 'verify: the files above are not up to date. Run "make generate manifests", "go mod tidy" where a go.mod differs,' >&2
  echo 'and "make lint-fix" where formatting does, and commit the result.' >&2
  exit 1
fi
echo 'verify: generated files, go.mod files and formatting are up to date.'
