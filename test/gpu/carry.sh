#!/usr/bin/env bash
# Puts the development packages that a bare machine with a card lacks into build/gpu_carry, as a
# folder that CMake takes for a prefix: headers, CMake files and libraries of {fmt}, Highway, Eigen,
# LZ4, xxHash, GoogleTest and Boost's headers, some 30 MB packed. Copy it along with the sources;
# test/gpu/run.sh finds it there.
#
# For machines of the same processor and a C library as new as this one's.
# Usage: test/gpu/carry.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/build/gpu_carry
packages=(libfmt-dev libfmt9 libhwy-dev libhwy1 libeigen3-dev liblz4-dev liblz4-1 libxxhash-dev
  libgtest-dev)

rm -rf "$to"
mkdir -p "$to"
for package in "${packages[@]}"; do
  dpkg -L "$package" | grep -E '^/usr/(include|lib|share/(eigen3|cmake))(/|$)' | while read -r path; do
    [ -d "$path" ] || echo "${path#/}"
  done
done | sort -u | tar -C / -cf - -T - | tar -C "$to" -xf -
# Only the headers that are included: all of Boost is 150 MB.
(cd "$root" && grep -rhoE --include='*.h' --include='*.cpp' --include='*.cu' \
  '#include <boost/[^>]+>' src test/unit bench | sort -u | g++ -std=c++20 -M -MT all -x c++ - |
  tr -s ' \\' '\n\n' | grep '^/usr/include/boost/' | sed 's,^/,,') |
  sort -u | tar -C / -cf - -T - | tar -C "$to" -xf -
du -sh "$to"
