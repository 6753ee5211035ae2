#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kube-controller-manager, making what is missing of them first.
#
# The first of these that has a program wins:
#   KUBEBUILDER_ASSETS  a folder of your own, as setup-envtest makes them
#   the cache           what an earlier call made
#   setup-envtest       where it is on the PATH and its downloads can be reached (etcd and kube-apiserver)
#   a build             from the modules that hack/cluster/go.mod names: about ten minutes on two cores, once
#
#   XDG_CACHE_HOME      where the cache lies (default ~/.cache)
set -euo pipefail

say() { echo "control-plane.sh: $*" >&2; }

programs=(etcd kube-apiserver kube-controller-manager)

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  KUBEBUILDER_ASSETS=$(realpath -- "$KUBEBUILDER_ASSETS")
  absent=0
  for program in "${programs[@]}"; do [ -x "$KUBEBUILDER_ASSETS/$program" ] || absent=1; done
  if [ $absent = 0 ]; then
    echo "$KUBEBUILDER_ASSETS"
    exit 0
  fi
fi

cd "$(dirname "$0")"
package() {
  case $1 in
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    *) echo "k8s.io/kubernetes/cmd/$1" ;;
  esac
}

kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
etcd=$(go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/control-plane-$kubernetes-etcd-$etcd-$(go env GOOS)-$(go env GOARCH)"
mkdir -p "$cache"

# Two calls at once make a program only once.
exec 9>"$cache/.lock"
if ! flock -n 9; then
  say "another call is building: waiting for it"
  flock 9
fi

adopt() { # adopt PROGRAM FILE: into the cache, seen whole or not at all
  cp "$2" "$cache/.$1.new"
  mv -f "$cache/.$1.new" "$cache/$1"
}

build() { # build PROGRAM
  local total start=$SECONDS
  total=$(CGO_ENABLED=0 go list -deps "$(package "$1")" | wc -l)
  say "building $1 ($total packages, once; later runs start in seconds)"
  CGO_ENABLED=0 go build -v -trimpath -o "$cache/.$1.new" \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes" "$(package "$1")" 2>&1 |
    awk -v name="$1" -v total="$total" -v main="$(package "$1")" '
      $0 == main { printf "control-plane.sh: %s: compiled, being linked\n", name; fflush(); next }
      /^[a-zA-Z0-9_.\/-]+$/ { if (++n % 100 == 0) { printf "control-plane.sh: %s: %d of at most %d packages compiled\n", name, n, total; fflush() } next }
      { print; fflush() }' >&2
  mv -f "$cache/.$1.new" "$cache/$1"
  say "built $1 in $((SECONDS - start)) s"
}

missing() { [ ! -x "$cache/$1" ]; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  # The folder is somebody else's: what it lacks is added to the cache, beside links to what it has.
  own="$cache/with-$(echo -n "$KUBEBUILDER_ASSETS" | sha256sum | cut -c1-12)"
  mkdir -p "$own"
  for program in "${programs[@]}"; do
    if [ -x "$KUBEBUILDER_ASSETS/$program" ]; then
      ln -sfn "$KUBEBUILDER_ASSETS/$program" "$own/$program"
    else
      say "KUBEBUILDER_ASSETS has no $program: adding that of Kubernetes $kubernetes beside yours"
      if missing "$program"; then build "$program"; fi
      ln -sfn "$cache/$program" "$own/$program"
    fi
  done
  echo "$own"
  exit 0
fi

if { missing etcd || missing kube-apiserver; } && command -v setup-envtest >/dev/null; then
  if assets=$(timeout 300 setup-envtest use "${kubernetes#v}" --print path 2>/dev/null); then
    for program in etcd kube-apiserver; do adopt "$program" "$assets/$program"; done
  else
    say "setup-envtest has no $kubernetes to give: building instead"
  fi
fi
for program in "${programs[@]}"; do
  if missing "$program"; then build "$program"; fi
done
echo "$cache"
