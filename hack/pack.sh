#!/usr/bin/env bash
# Packs folders into FOLDER.tar.gz and removes them. The same files give the same bytes: they have the time of the commit.
set -euo pipefail
epoch=$(git log -1 --format=%ct)
for folder in "$@"; do
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -C "$folder" -c . | gzip -n > "$folder.tar.gz"
  rm -r "$folder"
done
