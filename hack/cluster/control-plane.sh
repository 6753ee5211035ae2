#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kube-controller-manager, making what is missing of them first.
#
# The first of these that has a program wins:
#   KUBEBUILDER_ASSETS  a folder of your own, as setup-envtest makes them
#   the cache           what an earlier call made
#   setup-envtest       where it is on the PATH and its downloads can be reached (etcd and kube-apiserver)
#   a build             by programs.sh: about ten minutes on two cores, once
set -euo pipefail
programs_sh="$(cd "$(dirname "$0")" && pwd)/programs.sh"
programs=(etcd kube-apiserver kube-controller-manager)

say() { echo "control-plane.sh: $*" >&2; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  given=$(realpath -- "$KUBEBUILDER_ASSETS")
  absent=()
  for program in "${programs[@]}"; do [ -x "$given/$program" ] || absent+=("$program"); done
  if [ ${#absent[@]} = 0 ]; then
    echo "$given"
    exit 0
  fi
  # The folder is somebody else's: what it lacks is added beside links to what it has.
  say "KUBEBUILDER_ASSETS has no ${absent[*]}: adding them beside yours"
  cache=$("$programs_sh" "${absent[@]}")
  own="$cache/with-$(echo -n "$given" | sha256sum | cut -c1-12)"
  mkdir -p "$own"
  for program in "${programs[@]}"; do
    if [ -x "$given/$program" ]; then ln -sfn "$given/$program" "$own/$program"; else ln -sfn "$cache/$program" "$own/$program"; fi
  done
  echo "$own"
  exit 0
fi

if command -v setup-envtest >/dev/null; then
  cache=$("$programs_sh" kube-controller-manager)
  if [ ! -x "$cache/etcd" ] || [ ! -x "$cache/kube-apiserver" ]; then
    version=$(go -C "$(dirname "$programs_sh")" list -m -f '{{.Version}}' k8s.io/kubernetes)
    if assets=$(timeout 300 setup-envtest use "${version#v}" --print path 2>/dev/null); then
      for program in etcd kube-apiserver; do
        cp "$assets/$program" "$cache/.$program.new"
        mv -f "$cache/.$program.new" "$cache/$program"
      done
    else
      say "setup-envtest has no $version to give: building instead"
    fi
  fi
fi
exec "$programs_sh" "${programs[@]}"
