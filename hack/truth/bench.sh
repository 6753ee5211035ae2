#!/usr/bin/env bash
# Counts what each method finds of planted copies, and what it finds where there are none; see docs/method.md.
#
#   IMAGES     folder of real images (default: ../shared/data/cifar10 beside the checkout, else generated ones)
#   MODELS     JSON file with a list of models, {name, path, layer, preset} (default: those beside these images)
#   COPIES     copies of each kind of edit (default 40)
#   SEEDS      datasets of each kind (default 3)
#   TRUTH_WORK where plantings and embeddings stay for the next time (default: the user's cache)
set -euo pipefail
cd "$(dirname "$0")/../.."

work=${TRUTH_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/truth}
shared=$(cd .. && pwd)/shared/data
mkdir -p "$work"
images=${IMAGES:-} models=${MODELS:-}
if [ -z "$images" ] && [ -d "$shared/cifar10" ]; then
  images=$shared/cifar10 models=$work/models.json
  cat > "$models" <<JSON
[{"name": "MobileNet v1", "path": "$shared/mobilenet_v1_1.0_224.onnx", "layer": "conv_pw_13", "preset": "MobileNet"},
 {"name": "SqueezeNet 1.1", "path": "$shared/squeezenet1.1_fp16.onnx", "layer": "fire9/concat_1", "preset": "ImageNet"}]
JSON
elif [ -z "$images" ]; then
  go run ./hack/demo -scenes 2000 -out "$work/scenes"
  images=$work/scenes/images models=$work/models.json
  echo "[{\"name\": \"demo\", \"path\": \"$work/scenes/model.onnx\", \"layer\": \"features\", \"preset\": \"UnitRange\"}]" > "$models"
fi
[ -n "$models" ] || { echo "bench.sh: MODELS names no file with the models" >&2; exit 1; }

# Every setting has plantings of its own.
work=$work/$(sha256sum <<< "$images $(cat "$models")" | cut -c 1-12)
go run ./hack/truth bench -images "$images" -models "$models" -runner bin/runner -work "$work" -copies "${COPIES:-40}" -seeds "${SEEDS:-3}"
go run ./hack/truth references -images "$images" -models "$models" -runner bin/runner -work "$work" -seeds "${SEEDS:-3}"
go run ./hack/truth nulls -runner bin/runner -work "$work" -seeds "${SEEDS:-3}"
