#!/usr/bin/env bash
# Builds Kueue once, from its Go module, and prints the folder with the program kueue and its manifests (config).
#
#   XDG_CACHE_HOME  where the cache lies (default ~/.cache)
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(go list -m -f '{{.Version}}' sigs.k8s.io/kueue) # that of the types the gate is written with
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/kueue-$version-$(go env GOARCH)"
if [ ! -x "$cache/kueue" ]; then
  module=$(cd / && GOFLAGS=-mod=mod go mod download -json "sigs.k8s.io/kueue@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  mkdir -p "$(dirname "$cache")"
  work=$(mktemp -d "$cache.XXXXXX")
  trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
  # Its own go.sum counts, so it is built where its go.mod is.
  cp -r "$module/." "$work"
  chmod -R u+w "$work"
  echo "kueue.sh: building Kueue $version (about five minutes, once)" >&2
  (cd "$work" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o kueue ./cmd/kueue) >&2
  mkdir -p "$work/out"
  mv "$work/kueue" "$work/config" "$work/out"
  rm -rf "$cache"
  mv "$work/out" "$cache"
fi
echo "$cache"
