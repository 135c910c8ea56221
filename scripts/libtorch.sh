#!/usr/bin/env bash
# Gets LibTorch into a folder, from the wheels of the Python package index; no Python is needed
# to use it. libtorch_cpu.so is linked to two CUDA 13 libraries, small enough to come along: its
# own RPATH finds them in nvidia/cu13/lib beside torch/.
#
# Usage: scripts/libtorch.sh FOLDER
# Does nothing when FOLDER already holds the version wanted.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$scripts/libtorch_requirements.txt
folder=${1:?usage: scripts/libtorch.sh FOLDER}
version=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$requirements")

if [ -e "$folder/torch/lib/libtorch_cpu.so" ] &&
  grep -q "^__version__ = '$version" "$folder/torch/version.py" 2>/dev/null; then
  exit 0
fi
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  echo "libtorch.sh: LibTorch $version is fetched for Linux on x86_64 only" >&2
  exit 1
fi

mkdir -p "$(dirname "$folder")"
# In the parent, so that the last step is one rename: what is there is always complete.
work=$(mktemp -d "$(dirname "$folder")/libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT
# An interrupted run could not clean up after itself.
find "$(dirname "$folder")" -maxdepth 1 -name 'libtorch.??????' -mmin +60 -exec rm -rf {} +

# download REQUIREMENTS: the wheels for the interpreter that LibTorch 2.11 is taken from,
# whatever Python runs pip.
download() {
  python3 -m pip --disable-pip-version-check download --quiet --no-cache-dir --no-deps \
    --require-hashes --only-binary=:all: --implementation cp --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux2014_x86_64 --dest "$work/wheels" --requirement "$1"
}

# from_toolkit LIBRARY: copies LIBRARY out of an installed CUDA 13 toolkit.
from_toolkit() {
  local found
  found=$(find /usr/local/cuda*/ /usr/lib/x86_64-linux-gnu -name "$1" 2>/dev/null | head -n 1)
  [ -n "$found" ] && cp --dereference "$found" "$work/new/nvidia/cu13/lib/$1"
}

echo "fetching LibTorch $version (about 540 MB)"
mkdir -p "$work/new/nvidia/cu13/lib" "$work/wheels"
sed -n '/^torch==/,/--hash/p' "$requirements" >"$work/torch.txt"
sed -n '/^nvidia-/,/--hash/p' "$requirements" >"$work/cuda.txt"
download "$work/torch.txt"
unzip -q "$work"/wheels/torch-*.whl 'torch/include/*' torch/version.py torch/lib/libtorch_cpu.so \
  torch/lib/libc10.so 'torch/lib/libgomp*.so*' -d "$work/new"
if download "$work/cuda.txt"; then
  for wheel in "$work"/wheels/nvidia_*.whl; do
    unzip -q "$wheel" 'nvidia/cu13/lib/*.so.*' -d "$work/new"
  done
elif ! from_toolkit libcudart.so.13 || ! from_toolkit libcupti.so.13; then
  echo "libtorch.sh: libcudart.so.13 and libcupti.so.13 are neither in the package index nor in" \
    "a CUDA 13 toolkit" >&2
  exit 1
fi
chmod -R u+rwX,go+rX,go-w "$work/new"

rm -rf "$folder"
mv "$work/new" "$folder"
