#!/usr/bin/env bash
# Builds the images of the manager and the runner with buildah, and prints their names by digest: IMAGE@sha256:…, a line each.
#
#   REGISTRY     where they are pushed to (host:port/path); without it they stay here, and their names are by ID
#   RUNNER_BASE  what the runner's image stands on; without it one is made of Debian's packages
#   VERSION      of the images (default: git describe)
#   E2E          not empty: also the images that the end-to-end tests need: pod, kueue and demo
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v buildah >/dev/null; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "build.sh: needs buildah: please install it" >&2
    exit 1
  fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends buildah; } >&2
fi

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
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$out/manager" .
go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$out/runner" ./runner
cp "$(hack/onnxruntime.sh)" "$out/libonnxruntime.so.1"
for program in manager runner; do
  go tool -modfile=hack/tools/cyclonedx/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" \
    -output "$out/$program.cdx.json" "$out/$program" 2>/dev/null
done

build() { # build IMAGE ARGUMENTS...: and push it
  local image=$1 local="localhost/dataset-audit/$1:$version"
  shift
  "${buildah[@]}" bud --quiet --layers=false --timestamp "$epoch" --format oci --tag "$local" "$@" >/dev/null
  if [ -n "${REGISTRY:-}" ]; then
    "${buildah[@]}" push --quiet --tls-verify=false --digestfile "$out/$image.digest" "$local" "docker://$REGISTRY/$image:$version"
    echo "$REGISTRY/$image@$(cat "$out/$image.digest")"
  else
    echo "$local@$("${buildah[@]}" inspect --type image --format '{{.FromImageDigest}}' "$local")"
  fi
}

base=${RUNNER_BASE:-$(hack/images/base.sh "${buildah[@]}")}
for image in manager runner; do
  build "$image" --target "$image" \
    --build-arg TARGETARCH="$arch" --build-arg RUNNER_BASE="$base" --build-arg ONNXRUNTIME_GPU_URL= --build-arg ONNXRUNTIME_GPU_SHA256= \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg CREATED="$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" .
done
if [ -n "${E2E:-}" ]; then
  mkdir -p "$out/pod"
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/pod/pod" ./test/e2e/pod
  CGO_ENABLED=0 go build -modfile=hack/tools/versitygw/go.mod -trimpath -ldflags '-s -w' -o "$out/pod/versitygw" github.com/versity/versitygw/cmd/versitygw
  build pod --file test/e2e/pod/Dockerfile --ignorefile /dev/null "$out/pod"
  mkdir -p "$out/kueue"
  cp "$(hack/kueue.sh)/kueue" "$out/kueue/manager"
  printf 'FROM scratch\nCOPY manager /\nUSER 65532:65532\nENTRYPOINT ["/manager"]\n' > "$out/kueue/Dockerfile"
  build kueue --ignorefile /dev/null "$out/kueue"
  go run ./hack/demo -out "$out/demo" >/dev/null
  chmod -R a+rX "$out/demo"
  printf 'FROM scratch\nCOPY images /images\nCOPY model.onnx /\n' > "$out/demo/Dockerfile"
  build demo --ignorefile /dev/null "$out/demo"
fi
