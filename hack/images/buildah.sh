# To be sourced: how images are built and pushed, with buildah in a store of our own.
#
#   REGISTRY           where they are pushed to (host:port/path); without it they stay in the store
#   REGISTRY_INSECURE  http: the registry speaks HTTP; anything else: it has a certificate that nobody knows
#   VERSION            of the images (default: git describe)
# shellcheck shell=bash

if ! command -v buildah >/dev/null; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "needs buildah: please install it" >&2
    exit 1
  fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends buildah; } >&2
fi

version=${VERSION:-$(git describe --tags --always --dirty)}
epoch=$(git log -1 --format=%ct)
labels=(
  --label "org.opencontainers.image.version=$version"
  --label "org.opencontainers.image.revision=$(git rev-parse HEAD)"
  --label "org.opencontainers.image.created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
)
tls=()
[ -z "${REGISTRY_INSECURE:-}" ] || tls=(--tls-verify=false)
store="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/images"
buildah=(buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs)

build() { # build IMAGE ARCHITECTURE ARGUMENTS...
  local tag="localhost/dataset-audit/$1-$2:$version" arch=$2
  shift 2
  "${buildah[@]}" bud --quiet --layers=false --timestamp "$epoch" --format oci --arch "$arch" "${labels[@]}" --tag "$tag" "$@" >/dev/null
}

publish() { # publish IMAGE ARCHITECTURE...: prints its name by digest
  local image=$1 name digest
  shift
  digest=$(mktemp)
  if [ $# = 1 ]; then
    name="localhost/dataset-audit/$image-$1:$version"
    [ -z "${REGISTRY:-}" ] || "${buildah[@]}" push --quiet "${tls[@]}" --digestfile "$digest" "$name" "docker://$REGISTRY/$image:$version"
  else
    name="localhost/dataset-audit/$image:$version"
    "${buildah[@]}" rmi "$name" >/dev/null 2>&1 || true # there is none but after an earlier build of this version
    "${buildah[@]}" manifest create "$name" >/dev/null
    local arch
    for arch in "$@"; do "${buildah[@]}" manifest add "$name" "localhost/dataset-audit/$image-$arch:$version" >/dev/null; done
    [ -z "${REGISTRY:-}" ] || "${buildah[@]}" manifest push --all "${tls[@]}" --digestfile "$digest" "$name" "docker://$REGISTRY/$image:$version" >/dev/null
  fi
  if [ -n "${REGISTRY:-}" ]; then
    echo "$REGISTRY/$image@$(cat "$digest")"
  else
    echo "$name"
  fi
  rm -f "$digest"
}
