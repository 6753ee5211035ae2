#!/usr/bin/env bash
# Builds programs of a cluster into the user's cache, once, and prints the folder that holds them.
#
#   programs.sh PROGRAM...   etcd, kubectl and the kube-* programs; or containerd and its shim; or kube-router; or dns: those of
#                            one call lie in one folder
#
#   XDG_CACHE_HOME           where the cache lies (default ~/.cache)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "programs.sh: $*" >&2; }

package() {
  case $1 in
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    containerd*) echo "github.com/containerd/containerd/v2/cmd/$1" ;;
    kube-router) echo github.com/cloudnativelabs/kube-router/v2/cmd/kube-router ;;
    dns) echo github.com/datasetaudit/dataset-audit/hack/cluster/dns ;;
    *) echo "k8s.io/kubernetes/cmd/$1" ;;
  esac
}

version() { go list -m -f '{{.Version}}' "$1"; }

platform="$(go env GOOS)-$(go env GOARCH)"
case $1 in
  containerd*)
    cd "$here/containerd"
    v=$(version github.com/containerd/containerd/v2)
    folder="containerd-$v-$platform"
    stamp="-X github.com/containerd/containerd/v2/version.Version=$v"
    ;;
  kube-router)
    cd "$here/kube-router"
    v=$(version github.com/cloudnativelabs/kube-router/v2)
    folder="kube-router-$v-$platform"
    stamp=""
    ;;
  dns)
    cd "$here/dns"
    v=$(version github.com/coredns/coredns)
    folder="dns-$v-$platform"
    stamp=""
    ;;
  *)
    cd "$here"
    v=$(version k8s.io/kubernetes)
    folder="control-plane-$v-etcd-$(version go.etcd.io/etcd/server/v3)-$platform"
    stamp="-X k8s.io/component-base/version.gitVersion=$v"
    ;;
esac
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/$folder"
mkdir -p "$cache"

# Two calls at once make a program only once.
exec 9>"$cache/.lock"
if ! flock -n 9; then
  say "another call is building: waiting for it"
  flock 9
fi

build() { # build PROGRAM: seen whole or not at all
  local total start=$SECONDS
  total=$(CGO_ENABLED=0 go list -deps "$(package "$1")" | wc -l)
  say "building $1 ($total packages, once; later runs start in seconds)"
  CGO_ENABLED=0 go build -v -trimpath -o "$cache/.$1.new" -ldflags "-s -w $stamp" "$(package "$1")" 2>&1 |
    awk -v name="$1" -v total="$total" -v main="$(package "$1")" '
      $0 == main { printf "programs.sh: %s: compiled, being linked\n", name; fflush(); next }
      /^[a-zA-Z0-9_.\/-]+$/ { if (++n % 100 == 0) { printf "programs.sh: %s: %d of at most %d packages compiled\n", name, n, total; fflush() } next }
      { print; fflush() }' >&2
  mv -f "$cache/.$1.new" "$cache/$1"
  say "built $1 in $((SECONDS - start)) s"
}

for program in "$@"; do
  if [ ! -x "$cache/$program" ]; then build "$program"; fi
done
echo "$cache"
