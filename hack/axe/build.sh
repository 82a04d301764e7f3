#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Puts axe-core into bin/axe, with which the browser tests look for what keeps people from using the page. package-lock.json in this
# folder pins its version and its checksum. No script of a package runs. `make axe` calls this script.
name=axe
# shellcheck source=../build.sh
source "$(dirname "${BASH_SOURCE[0]}")/../build.sh"

version=$(sed -n 's|.*"axe-core": "\([0-9.]*\)".*|\1|p' hack/axe/package.json)
readonly version
[[ -n $version ]] || die "hack/axe/package.json does not pin axe-core: add it there"
readonly wanted="axe-core $version"
[[ -f $target/axe.min.js ]] && exit_if_complete "$wanted"
command -v npm >/dev/null || die "npm is not installed: it is in the Debian package npm"
begin
cp hack/axe/package.json hack/axe/package-lock.json "$work"
npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error
mv "$work/node_modules/axe-core/axe.min.js" "$work/axe.min.js"
finish "$wanted" axe.min.js
