#!/usr/bin/env bash
# Installs what build/ holds into the server's folders: the extension, its engine, and LibTorch
# beside them, so that no server depends on the build folder.
#
# Only what differs is written, and by a rename: a session that has a library open keeps the old
# one. Usage: scripts/install.sh
set -euo pipefail
umask 022
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
# shellcheck source=scripts/postgres.sh
. "$root/scripts/postgres.sh"

refuse() {
  echo "install.sh: no right to write to $1; run this:" >&2
  echo "  sudo PG_CONFIG=$PG_CONFIG $root/scripts/install.sh" >&2
  exit 1
}

# replace FROM TO [may_link]: puts a whole copy of FROM, or a link to it, in the place of TO.
replace() {
  local folder
  folder=$(dirname "$2")
  mkdir -p "$folder" 2>/dev/null || refuse "$folder"
  [ -w "$folder" ] || refuse "$folder"
  # A hard link costs nothing, but would let whoever owns the build folder change the server's
  # library; and other file systems have none.
  if [ "${3:-}" != may_link ] || [ "$(stat -c %u "$1")" != 0 ] || ! ln -f "$1" "$2.new" 2>/dev/null
  then
    rm -f "$2.new"
    cp --preserve=timestamps --reflink=auto "$1" "$2.new"
  fi
  chmod go-w,a+r "$2.new"
  mv -f "$2.new" "$2"
}

stage=$build/stage
# Nothing of it stays: what `sudo scripts/install.sh` left behind, its caller could not replace.
manifest=$build/install_manifest_extension.txt
rm -rf "$stage"
rm -f "$build/install.log" "$manifest"
trap 'rm -rf "$stage" "$manifest"' EXIT
DESTDIR=$stage cmake --install "$build" --component extension >"$build/install.log" 2>&1 ||
  { cat "$build/install.log" >&2; exit 1; }
rm -f "$build/install.log"
find "$stage" -type f -printf '%P\n' | while read -r file; do
  cmp -s "$stage/$file" "/$file" || { touch "$stage/$file"; replace "$stage/$file" "/$file"; }
done

# 450 MB: told apart by size and time, not read.
(cd "$build/libtorch" && ls torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libgomp*.so* \
  nvidia/cu13/lib/*.so.*) | while read -r file; do
  from=$build/libtorch/$file
  to=$pg_pkglibdir/trails/$file
  [ "$from" -ef "$to" ] || [ "$(stat -Lc '%s %Y' "$from")" = "$(stat -Lc '%s %Y' "$to" 2>&1)" ] ||
    replace "$from" "$to" may_link
done
