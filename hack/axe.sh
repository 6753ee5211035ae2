#!/usr/bin/env bash
# Prints the path of axe-core (MPL-2.0), which tests pages for accessibility, fetching it first where it is not yet in the cache.
# Version and integrity are pinned here; `npm pack` only downloads.
set -euo pipefail
version=4.14.1
integrity=sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==

fail() { echo "axe.sh: $*" >&2; exit 1; }

cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/axe-$version"
if [ ! -f "$cache/axe.min.js" ]; then
  command -v npm >/dev/null || fail "npm is needed to fetch axe-core $version"
  mkdir -p "$(dirname "$cache")"
  work=$(mktemp -d "$cache.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "axe-core@$version" >/dev/null) || fail "npm could not fetch axe-core@$version"
  actual="sha512-$(openssl dgst -sha512 -binary "$work"/*.tgz | openssl base64 -A)"
  [ "$actual" = "$integrity" ] || fail "axe-core@$version has integrity $actual, expected $integrity"
  tar -xzf "$work"/*.tgz -C "$work" --strip-components=1 --no-same-owner package/axe.min.js
  mkdir -p "$cache"
  mv -f "$work/axe.min.js" "$cache/axe.min.js" # within one file system: seen whole or not at all
fi
echo "$cache/axe.min.js"
