#!/usr/bin/env bash
# Builds the S3 server that tests use, once for each version, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=github.com/versity/versitygw
version=$(go list -modfile=hack/tools/versitygw/go.mod -m -f '{{.Version}}' $tool)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit
server=$cache/versitygw-$version-$(go env GOARCH)
if [ ! -x "$server" ]; then
  mkdir -p "$cache"
  aside=$(mktemp "$cache/.versitygw-XXXXXX")
  trap 'rm -f "$aside"' EXIT
  CGO_ENABLED=0 go build -modfile=hack/tools/versitygw/go.mod -trimpath -ldflags '-s -w' -o "$aside" $tool/cmd/versitygw
  chmod 755 "$aside"
  mv "$aside" "$server"
fi
echo "$server"
