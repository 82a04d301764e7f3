#!/usr/bin/env bash
# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# hack/e2e/faults.sh FAULT [ARGUMENT...]: what the end-to-end tests do to a cluster that its API server cannot do.
#   kill-container NODE ID   ends the first process of a container with SIGKILL
#   node-down NODE           a node stops answering; its containers are not told
#   node-up NODE             it answers again
#   apiserver-down           the API server is killed and stays away
#   apiserver-up             it may start again
set -euo pipefail

readonly cluster=${E2E_CLUSTER:?kind or lab} fault=${1:?a fault}
shift

# lab_init NODE prints the number of the first process of a node of the cluster lab.
lab_init() { cat "${CLUSTER_LAB:-/var/tmp/cluster-lab}/state/$1/pid"; }

# The lab starts every server in a loop. The loop of the API server is stopped, so that it does not start another one.
lab_apiserver_down() {
  local init server loop
  init=$(lab_init node1)
  server=$(pgrep --ns "$init" --nslist pid -x kube-apiserver)
  loop=$(ps -o ppid= -p "$server" | tr -d ' ')
  kill -STOP "$loop"
  kill -KILL "$server"
}

lab_apiserver_up() {
  local init pid
  init=$(lab_init node1)
  for pid in $(pgrep --ns "$init" --nslist pid -f node-init.sh); do
    kill -CONT "$pid"
  done
}

# kind_cut NODE -I|-D: begins or ends that nothing reaches a node of kind and nothing leaves it. `docker pause` would not do: the kernel of
# a paused node goes on accepting connections.
kind_cut() {
  docker exec "$1" iptables -t raw "$2" PREROUTING -i eth0 -j DROP
  docker exec "$1" iptables -t raw "$2" OUTPUT -o eth0 -j DROP
  docker exec "$1" iptables "$2" FORWARD -o eth0 -j DROP
}

control_plane=${KIND_CLUSTER:-kind}-control-plane
readonly control_plane manifest=/etc/kubernetes/manifests/kube-apiserver.yaml

case $cluster/$fault in
  lab/kill-container)
    nsenter -t "$(lab_init "$1")" -m -p -n "${CLUSTER_LAB:-/var/tmp/cluster-lab}/bin/ctr" -a /run/containerd/containerd.sock \
      -n k8s.io task kill -s SIGKILL "$2"
    ;;
  lab/node-down) ip link set "lab0n${1#node}" down ;;
  lab/node-up) ip link set "lab0n${1#node}" up ;;
  lab/apiserver-down) lab_apiserver_down ;;
  lab/apiserver-up) lab_apiserver_up ;;
  kind/kill-container) docker exec "$1" ctr -n k8s.io task kill -s SIGKILL "$2" ;;
  kind/node-down) kind_cut "$1" -I ;;
  kind/node-up) kind_cut "$1" -D ;;
  kind/apiserver-down) docker exec "$control_plane" sh -c "mv $manifest /etc/kubernetes/ && pkill -KILL kube-apiserver" ;;
  kind/apiserver-up) docker exec "$control_plane" sh -c "[ -e $manifest ] || mv /etc/kubernetes/${manifest##*/} $manifest" ;;
  *)
    echo "faults: unknown: $cluster $fault" >&2
    exit 2
    ;;
esac
