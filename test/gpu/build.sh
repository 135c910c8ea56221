#!/usr/bin/env bash
# Builds programs for a card in build/gpu: with CMake, ninja and nvcc, without PostgreSQL. LibTorch is
# that of build/libtorch, or else of python3's torch; what the machine lacks of {fmt}, Highway,
# Eigen, LZ4, xxHash, GoogleTest and Boost is taken from build/gpu_carry (test/gpu/carry.sh).
#
# Prints what it does into build/gpu.log. Usage: test/gpu/build.sh TARGET...
# Environment: BUILD_JOBS (default: the number of cores).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/gpu
log=$root/build/gpu.log
carried=$root/build/gpu_carry/usr
mkdir -p "$root/build"

torch=$root/build/libtorch
[ -e "$torch/torch/lib/libtorch_cpu.so" ] ||
  torch=$(python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])') ||
  { echo "build.sh: neither build/libtorch nor a torch of python3" >&2; exit 1; }

options=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DTRAILS_POSTGRES=OFF -DTRAILS_EMULATION=OFF
  -DTRAILS_BENCH=OFF -DTRAILS_WERROR=OFF "-DTRAILS_TORCH_ROOT=$torch")
[ ! -d "$carried" ] || options+=("-DCMAKE_PREFIX_PATH=$carried" "-DCMAKE_SYSTEM_INCLUDE_PATH=$carried/include")
if ! { cmake -S "$root" -B "$build" "${options[@]}" &&
  cmake --build "$build" --parallel "${BUILD_JOBS:-$(nproc)}" --target "$@"; } >"$log" 2>&1
then
  grep -E 'error|FAILED|CMake Error' -A 5 "$log" | head -n 60 >&2
  exit 1
fi
