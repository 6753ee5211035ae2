#!/usr/bin/env bash
# Prints the path of ONNX Runtime's shared library, fetching it first where it is not yet in the cache.
#
# The library comes out of the npm package onnxruntime-node, which carries Microsoft's build for Linux (MIT, CPU and
# WebGPU). `npm pack` only downloads: no install script of the package runs. Version and integrity are pinned here.
#
#   onnxruntime.sh [ARCHITECTURE]   amd64 or arm64 (default: this machine's)
#
#   ONNXRUNTIME_LIB  a library of your own: printed as it is, nothing is fetched
#   XDG_CACHE_HOME   where the cache lies (default ~/.cache)
set -euo pipefail

version=1.30.0
integrity=sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==

fail() { echo "onnxruntime.sh: $*" >&2; exit 1; }

if [ -n "${ONNXRUNTIME_LIB:-}" ]; then
  [ -f "$ONNXRUNTIME_LIB" ] || fail "ONNXRUNTIME_LIB names $ONNXRUNTIME_LIB, which is not there"
  echo "$ONNXRUNTIME_LIB"
  exit 0
fi

arch=${1:-$(uname -m)}
[ "$(uname -s)" = Linux ] || fail "only Linux is supported: set ONNXRUNTIME_LIB to a library of your own"
case "$arch" in
  x86_64 | amd64) platform=x64 ;;
  aarch64 | arm64) platform=arm64 ;;
  *) fail "no build for $arch: set ONNXRUNTIME_LIB to a library of your own" ;;
esac

cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/onnxruntime-$version-$platform"
library="$cache/libonnxruntime.so.1"
if [ ! -f "$library" ]; then
  command -v npm >/dev/null || fail "npm is needed to fetch ONNX Runtime $version: install it, or set ONNXRUNTIME_LIB"
  mkdir -p "$(dirname "$cache")"
  work=$(mktemp -d "$cache.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "fetching ONNX Runtime $version for linux/$platform (about 110 MB, once)" >&2
  (cd "$work" && npm pack --silent "onnxruntime-node@$version" >/dev/null) || fail "npm could not fetch onnxruntime-node@$version"
  actual="sha512-$(openssl dgst -sha512 -binary "$work"/*.tgz | openssl base64 -A)"
  [ "$actual" = "$integrity" ] || fail "onnxruntime-node@$version has integrity $actual, expected $integrity"
  tar -xzf "$work"/*.tgz -C "$work" --strip-components=5 --no-same-owner "package/bin/napi-v6/linux/$platform/libonnxruntime.so.1"
  rm "$work"/*.tgz
  mkdir -p "$cache"
  mv -f "$work/libonnxruntime.so.1" "$library" # within one file system: seen whole or not at all
fi
echo "$library"
