#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/e2e/lab.sh: starts a cluster of three nodes with the cluster lab, runs the end-to-end tests on it, and takes it down, also after a
# failure and after Ctrl-C. CLUSTER_LAB_SOURCE is the folder of the lab's scripts. Where the lab cannot run, the script says so and
# succeeds: the tests are for a cluster, and there is none.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly source=${CLUSTER_LAB_SOURCE:-$PWD/../shared/cluster-lab}
export CLUSTER_LAB=${CLUSTER_LAB:-/var/tmp/cluster-lab}
export LAB=$source/lab
readonly nodes=3 build_limit=45m start_limit=5m

say() { printf 'e2e-lab: %s\n' "$*"; }

skip() {
  say "no end-to-end tests: $*"
  exit 0
}

[[ $(uname -s) == Linux ]] || skip "the cluster lab needs Linux"
[[ $(id -u) == 0 ]] || skip "the cluster lab needs root"
[[ -x $LAB ]] || skip "$source has no cluster lab; CLUSTER_LAB_SOURCE names its folder"

started=$SECONDS
say "building the lab into $CLUSTER_LAB (about 8 minutes on 2 cores the first time, seconds after)"
timeout --foreground "$build_limit" "$LAB" build || skip "the lab cannot be built on this machine"
say "lab built after $((SECONDS - started)) s"

# By default a kubelet evicts pods and deletes images when a tenth of the disk is left. Images cannot be pulled here, and a build machine
# with a nearly full disk runs the tests as well as any.
cat >>"$CLUSTER_LAB/etc/kubelet.yaml" <<'END'
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
END

# The kernel removes the links of a namespace some time after the namespace. Until then the lab cannot start again.
down() {
  local tries
  "$LAB" down || true
  for ((tries = 0; tries < 150; tries++)); do
    ip -o link show | grep -q ': lab0' || return 0
    sleep 0.2
  done
}
trap down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

down # what an earlier run left
started=$SECONDS
timeout --foreground "$start_limit" "$LAB" up "$nodes" || skip "the lab does not start on this machine"
say "$nodes nodes after $((SECONDS - started)) s"

KUBECONFIG=$("$LAB" kubeconfig)
export KUBECONFIG
started=$SECONDS
code=0
hack/e2e/run.sh lab || code=$?
say "end-to-end tests ended after $((SECONDS - started)) s with code $code"
exit "$code"
