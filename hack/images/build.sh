#!/usr/bin/env bash
# Builds the images of the manager and the runner with buildah, and prints their names by digest: IMAGE@sha256:…, a line each.
#
#   REGISTRY     where they are pushed to (host:port/path); without it they stay here, and their names are by ID
#   RUNNER_BASE  what the runner's image stands on; without it one is made of Debian's packages
#   VERSION      of the images (default: git describe)
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=$(go env GOARCH)
version=${VERSION:-$(git describe --tags --always --dirty)}
revision=$(git rev-parse HEAD)
epoch=$(git log -1 --format=%ct)
store="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/images"
buildah=(buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs)

# What the images hold.
out="dist/$arch"
rm -rf "$out"
mkdir -p "$out"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/manager" .
go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/runner" ./runner
cp "$(hack/onnxruntime.sh)" "$out/libonnxruntime.so.1"
for program in manager runner; do
  go tool -modfile=hack/tools/cyclonedx/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" \
    -output "$out/$program.cdx.json" "$out/$program" 2>/dev/null
done

base=${RUNNER_BASE:-$(hack/images/base.sh "${buildah[@]}")}
for image in manager runner; do
  "${buildah[@]}" bud --quiet --layers=false --timestamp "$epoch" --target "$image" --format oci \
    --build-arg TARGETARCH="$arch" --build-arg RUNNER_BASE="$base" --build-arg ONNXRUNTIME_GPU_URL= --build-arg ONNXRUNTIME_GPU_SHA256= \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg CREATED="$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" \
    --tag "localhost/dataset-audit/$image:$version" . >/dev/null
  if [ -n "${REGISTRY:-}" ]; then
    digest="$out/$image.digest"
    "${buildah[@]}" push --quiet --tls-verify=false --digestfile "$digest" \
      "localhost/dataset-audit/$image:$version" "docker://$REGISTRY/$image:$version"
    echo "$REGISTRY/$image@$(cat "$digest")"
  else
    echo "localhost/dataset-audit/$image:$version@$("${buildah[@]}" inspect --type image --format '{{.FromImageDigest}}' "localhost/dataset-audit/$image:$version")"
  fi
done
