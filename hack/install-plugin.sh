#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# install-plugin.sh BINARY [FOLDER] installs kubectl-apikey and the program through which kubectl completes its arguments.
# Without a folder it takes the first of these that is on the PATH and can be written to.
set -euo pipefail

readonly binary=$1
folder=${2:-}

# on_path FOLDER
on_path() { [[ ":$PATH:" == *":$1:"* ]]; }

if [[ -z $folder ]]; then
  for candidate in "$(go env GOBIN)" "$(go env GOPATH)/bin" "$HOME/.local/bin" "$HOME/bin" /usr/local/bin; do
    if [[ -n $candidate && -w $candidate ]] && on_path "$candidate"; then
      folder=$candidate
      break
    fi
  done
fi
folder=${folder:-$HOME/.local/bin}

mkdir -p "$folder"
install -m 0755 "$binary" "$folder/kubectl-apikey"
"$folder/kubectl-apikey" completion kubectl >"$folder/kubectl_complete-apikey"
chmod 0755 "$folder/kubectl_complete-apikey"
echo "installed kubectl-apikey in $folder"
on_path "$folder" || echo "add $folder to your PATH: kubectl looks for plugins there"
command -v kubectl >/dev/null || echo "there is no kubectl on your PATH: run kubectl-apikey by itself, or add bin/k8s to your PATH after 'make kube'"
