#!/usr/bin/env bash
# Builds the images of the manager and the runner with buildah, and prints their names by digest: IMAGE@sha256:…, a line each.
#
#   REGISTRY     where they are pushed to (host:port/path); without it they stay here, and their names are by tag. With
#                REGISTRY_INSECURE=http, it speaks HTTP
#   ARCHES       for which architectures, such as "amd64 arm64" (default: this machine's); others than this machine's need a
#                cross-compiler (Debian: gcc-aarch64-linux-gnu)
#   RUNNER_BASE  what the runner's image stands on; without it one is made of Debian's packages
#   VERSION      of the images (default: git describe)
set -euo pipefail
cd "$(dirname "$0")/../.."
source hack/images/buildah.sh

read -ra arches <<< "${ARCHES:-$(go env GOARCH)}"
native=$(go env GOARCH)

# The C compiler for an architecture.
compiler() {
  case $1 in
    "$native") go env CC ;;
    arm64) echo aarch64-linux-gnu-gcc ;;
    amd64) echo x86_64-linux-gnu-gcc ;;
    *) echo "build.sh: there is no runner for $1" >&2; return 1 ;;
  esac
}

for arch in "${arches[@]}"; do
  # What the images hold.
  out="dist/$arch"
  rm -rf "$out"
  mkdir -p "$out"
  cc=$(compiler "$arch")
  CGO_ENABLED=0 GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$out/manager" .
  CGO_ENABLED=1 GOARCH=$arch CC=$cc go build -trimpath -tags nodynamic -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$out/runner" ./runner
  library=$(hack/onnxruntime.sh "$arch")
  cp "$library" "$out/libonnxruntime.so.1"
  for program in manager runner; do
    go tool -modfile=hack/tools/cyclonedx/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" \
      -output "$out/$program.cdx.json" "$out/$program" 2>/dev/null
  done
  base=${RUNNER_BASE:-$(hack/images/base.sh "$arch" "${buildah[@]}")}
  for image in manager runner; do
    build "$image" "$arch" --target "$image" \
      --build-arg TARGETARCH="$arch" --build-arg RUNNER_BASE="$base" --build-arg ONNXRUNTIME_GPU_URL= --build-arg ONNXRUNTIME_GPU_SHA256= .
  done
done
for image in manager runner; do publish "$image" "${arches[@]}"; done
