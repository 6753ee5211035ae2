#!/usr/bin/env bash
# Makes the base of the runner's image out of Debian's packages, and prints its name: glibc, libstdc++ and certificates, and no shell.
# For machines that can't pull one; it holds about what gcr.io/distroless/cc-debian12 does.
#
# The same packages in the same versions give the same bytes; Debian's updates give others, so pin RUNNER_BASE where that matters.
#
#   base.sh ARCHITECTURE BUILDAH...   the architecture, and the command with which to build, such as: buildah --root DIR
set -euo pipefail
recipe=$(realpath "$0")
arch=$1
shift

# What ONNX Runtime's library and the runner are linked with, and what tells scanners and people where it is from.
packages=(base-files libc6 libgcc-s1 libstdc++6 ca-certificates netbase)

cache="${XDG_CACHE_HOME:-$HOME/.cache}/dataset-audit/runner-base"
mkdir -p "$cache"
work=$(mktemp -d "$cache/.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{debs,root,lists/partial}
apt=(apt-get -qq -o APT::Sandbox::User=root) # the user that apt would be could not write here
if [ "$arch" != "$(dpkg --print-architecture)" ]; then
  # Lists of the other architecture, beside those of the machine.
  apt+=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::lists=$work/lists" -o Dir::State::status=/dev/null
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
fi
download() { (cd "$work/debs" && "${apt[@]}" download "${packages[@]}"); }
download 2>/dev/null || { "${apt[@]}" update && download; } >&2

# What it is made of is its name: packages in their versions, and this recipe.
versions=$( (ls "$work/debs"; cat "$recipe") | sha256sum | cut -c1-12)
name="localhost/runner-base:$versions-$arch"
if "$@" inspect --type image "$name" >/dev/null 2>&1; then
  echo "$name"
  exit 0
fi

root="$work/root"
mkdir -p "$root/var/lib/dpkg/status.d"
for deb in "$work"/debs/*.deb; do
  dpkg-deb --extract "$deb" "$root"
  dpkg-deb --info "$deb" control > "$root/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"
done
# What the packages' scripts would do, as far as it is needed.
find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat > "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
# What nothing in the image uses: conversions between old character sets, locales, manuals, programs.
rm -rf "$root"/usr/lib/*/gconv "$root"/usr/share/{man,locale,lintian,bash-completion,ca-certificates,gdb} "$root"/usr/{bin,sbin} "$root"/{bin,sbin}
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root" -type d -empty ! -path "$root/tmp" ! -path "$root/home" -delete
mkdir -p "$root"/{tmp,home/nonroot}
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/home/nonroot"
# The same bytes at every build.
find "$root" -exec touch --no-dereference --date=@0 {} +

printf 'FROM scratch\nCOPY root/ /\n' > "$work/Dockerfile"
"$@" bud --quiet --layers=false --arch "$arch" --timestamp 0 --tag "$name" "$work" >&2
echo "$name"
