#!/usr/bin/env bash
# Builds the images that the end-to-end tests need besides those of the product, and prints their names: pod, kueue and demo.
#
#   REGISTRY  where they are pushed to
set -euo pipefail
cd "$(dirname "$0")/../.."
source hack/images/buildah.sh

arch=$(go env GOARCH)
out=dist/e2e
rm -rf "$out"
mkdir -p "$out"/{pod,kueue}

CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$out/pod/pod" ./test/e2e/pod
cp "$(hack/s3server.sh)" "$out/pod/versitygw"
cp test/e2e/pod/Dockerfile "$out/pod"

kueue=$(hack/kueue.sh)
cp "$kueue/kueue" "$out/kueue/manager"
printf 'FROM scratch\nCOPY manager /\nUSER 65532:65532\nENTRYPOINT ["/manager"]\n' > "$out/kueue/Dockerfile"

go run ./hack/demo -out "$out/demo" >/dev/null
chmod -R a+rX "$out/demo"
printf 'FROM scratch\nCOPY images /images\nCOPY model.onnx /\n' > "$out/demo/Dockerfile"

for image in pod kueue demo; do
  build "$image" "$arch" --ignorefile /dev/null "$out/$image"
  publish "$image" "$arch"
done
