#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/e2e/lab.sh: starts a cluster of three nodes with the cluster lab, runs the end-to-end tests on it, and takes it down, also after a
# failure and after SIGINT, SIGTERM and SIGHUP. A run that was killed leaves its cluster to the next run, which removes it first.
# CLUSTER_LAB_SOURCE is the folder of the lab's scripts. Where the lab cannot run, the script says so and succeeds: the tests are for a
# cluster, and there is none.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly source=${CLUSTER_LAB_SOURCE:-$PWD/../shared/cluster-lab}
export CLUSTER_LAB=${CLUSTER_LAB:-/var/tmp/cluster-lab}
export LAB=$source/lab
readonly nodes=3 build_limit=45m start_limit=5m lock_limit=3600 stop_limit=10
# group_file has the process group of what this run has started, for the run after one that was killed.
readonly group_file=$CLUSTER_LAB.group

say() { printf 'e2e-lab: %s\n' "$*"; }

skip() {
  say "no end-to-end tests: $*"
  exit 0
}

[[ $(uname -s) == Linux ]] || skip "the cluster lab needs Linux"
[[ $(id -u) == 0 ]] || skip "the cluster lab needs root"
[[ -x $LAB ]] || skip "$source has no cluster lab; CLUSTER_LAB_SOURCE names its folder"

# group_is_ours GROUP: its first process was started by this script, and is not another one that has got the same number.
group_is_ours() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -e hack/e2e/run.sh -e "$LAB"; }

# stop_group GROUP: ends a process group, after a while by force.
stop_group() {
  local second
  kill -TERM -- "-$1" 2>/dev/null || return 0
  for ((second = 0; second < stop_limit; second++)); do
    sleep 1
    kill -0 -- "-$1" 2>/dev/null || return 0
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

# attend COMMAND...: runs a command in a process group of its own and waits for it. Bash handles a signal during such a wait, and else after
# the command, which may be 12 minutes later.
group=''
attend() {
  local code=0
  set -m
  "$@" 9>&- </dev/null &
  set +m
  group=$!
  echo "$group" >"$group_file"
  wait "$group" || code=$?
  group=''
  rm -f "$group_file"
  return "$code"
}

# remove_cluster removes a cluster, also one that came up in part. `lab down` knows the nodes whose first process was noted. The kernel
# removes the links of a node some time after its namespace, and until then the lab cannot start again.
remove_cluster() {
  local pid link
  [[ ! -e $CLUSTER_LAB/down.sh ]] || "$LAB" down 9>&- || true
  for pid in $(pgrep -f "$CLUSTER_LAB/node-init.sh [0-9]+\$"); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  for link in $(ip -o link show | grep -o '\blab0n[0-9]\+' | sort -u) lab0; do
    ip link del "$link" 2>/dev/null || true
  done
  if ip -o link show | grep -q ': lab0'; then
    say "links of the cluster are left: $(ip -o link show | grep -o '\blab0[n0-9]*' | sort -u | tr '\n' ' ')" >&2
  fi
}

finish() {
  trap '' INT TERM HUP # a second signal must not leave a part of the cluster
  [[ -z $group ]] || stop_group "$group"
  remove_cluster
  rm -f "$group_file"
}

# The nodes do not inherit the lock, so it ends with this process however that ends.
mkdir -p "$CLUSTER_LAB"
exec 9>"$CLUSTER_LAB.lock"
flock -n 9 || { say "waiting for another run that uses $CLUSTER_LAB"; flock -w "$lock_limit" 9; }
if [[ -s $group_file ]] && group_is_ours "$(<"$group_file")"; then
  say "ending what a killed run has left"
  stop_group "$(<"$group_file")"
fi
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

started=$SECONDS
say "building the lab into $CLUSTER_LAB (about 8 minutes on 2 cores the first time, seconds after)"
attend timeout "$build_limit" "$LAB" build || skip "the lab cannot be built on this machine"
say "lab built after $((SECONDS - started)) s"

# By default a kubelet evicts pods and deletes images when a tenth of the disk is left. Images cannot be pulled here, and a build machine
# with a nearly full disk runs the tests as well as any.
cat >>"$CLUSTER_LAB/etc/kubelet.yaml" <<'END'
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
END

remove_cluster # what an earlier run left
started=$SECONDS
attend timeout "$start_limit" "$LAB" up "$nodes" || skip "the lab does not start on this machine"
say "$nodes nodes after $((SECONDS - started)) s"

KUBECONFIG=$("$LAB" kubeconfig)
export KUBECONFIG
started=$SECONDS
code=0
attend hack/e2e/run.sh lab || code=$?
say "end-to-end tests ended after $((SECONDS - started)) s with code $code"
exit "$code"
