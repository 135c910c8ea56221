#!/usr/bin/env bash
# From a fresh Debian machine to an installed extension: packages, LibTorch, build, install.
# Every step does nothing when its result is there, so running it again takes seconds.
#
# Usage: scripts/setup.sh [TARGET...]
# TARGET: what to build besides the two libraries, e.g. `all` for the tests and benches too.
# Environment: PG_CONFIG, BUILD_JOBS (default: the number of cores).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
packages=(postgresql-15 postgresql-server-dev-15 cmake ninja-build make g++ libeigen3-dev libhwy-dev libfmt-dev
  libxxhash-dev liblz4-dev libboost-dev libboost-context-dev libgtest-dev libbenchmark-dev nlohmann-json3-dev libipc-run-perl
  xz-utils unzip clang-format python3 python3-pip ccache)

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: not a Debian system; what it needs is, in Debian's names: ${packages[*]}" >&2
    return
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup.sh: packages are missing; run this, then scripts/setup.sh again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Up to a minute for another apt to finish, as on a machine that has only just started.
  apt-get -o DPkg::Lock::Timeout=60 update -qq
  apt-get -o DPkg::Lock::Timeout=60 install -qq -y --no-install-recommends "${missing[@]}" \
    >"$build/apt.log" 2>&1 || { tail -n 30 "$build/apt.log" >&2; exit 1; }
}

mkdir -p "$build"
# Two at once would build into the same folder.
exec 9>"$build/.setup.lock"
flock 9

# A system server that Debian starts on the way must not inherit the lock.
install_packages 9>&-
"$root/scripts/libtorch.sh" "$build/libtorch"

# shellcheck source=scripts/postgres.sh
. "$root/scripts/postgres.sh"
options=(-G Ninja -DCMAKE_BUILD_TYPE=Release "-DPG_CONFIG=$PG_CONFIG"
  "-DTRAILS_TORCH_ROOT=$build/libtorch")
command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# Configured once; afterwards ninja does it again whenever a CMake file has changed.
if [ ! -e "$build/build.ninja" ] || ! grep -q "^PG_CONFIG:.*=$PG_CONFIG\$" "$build/CMakeCache.txt"
then
  cmake -S "$root" -B "$build" "${options[@]}" >"$build/configure.log" 2>&1 ||
    { tail -n 30 "$build/configure.log" >&2; exit 1; }
fi
cmake --build "$build" --parallel "${BUILD_JOBS:-$(nproc)}" --target libraries "$@"
"$root/scripts/install.sh"
