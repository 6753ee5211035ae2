#!/usr/bin/env bash
# Runs a Kubernetes on this machine, as root, without Docker: see main.go. What is missing is installed and built first, which takes
# about ten minutes, once.
#
#   cluster.sh up | down | status | restart PROGRAM | nsenter NODE COMMAND...
#
#   CLUSTER_FOLDER  where everything of the cluster lies (default /var/tmp/dataset-audit-cluster)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "cluster.sh: $*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "only Linux has the namespaces that nodes are made of"
[ "$(id -u)" = 0 ] || fail "must be root: it makes namespaces, mounts and a bridge"

# Debian's packages of what isn't built here, by the programs that they bring.
declare -A packages=([runc]=runc [nft]=nftables [iptables]=iptables [conntrack]=conntrack [ip]=iproute2 [gcc]=gcc [nsenter]=util-linux [sysctl]=procps [ipset]=ipset)
missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "needs what Debian calls ${missing[*]}: please install them"
  echo "cluster.sh: installing ${missing[*]}" >&2
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"; } >&2
fi

programs=$("$here/programs.sh" etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
runtime=$("$here/programs.sh" containerd containerd-shim-runc-v2)
policies=$("$here/programs.sh" kube-router)
dns=$("$here/programs.sh" dns)
go -C "$here" build -o "$here/../../bin/cluster" .
exec "$here/../../bin/cluster" --folder="${CLUSTER_FOLDER:-/var/tmp/dataset-audit-cluster}" \
  --programs="$programs" --runtime="$runtime" --policies="$policies" --dns="$dns" "$@"
