#!/usr/bin/env bash
# Makes the virtual environment of the peers in build/peers, from the Python package index.
#
# Usage: bench/peers/setup.sh [torch]
#   torch   PyTorch too, for trainer_torch.py: 4.5 GB, since the package brings its CUDA libraries
# Takes a minute and 1.1 GB of disk; does nothing where everything is there. PYTHON names the
# interpreter, default python3; 3.10 to 3.13 have packages of all peers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$here/../../build/peers
[ $# -eq 0 ] || [ "$*" = torch ] || {
  echo "usage: bench/peers/setup.sh [torch]" >&2
  exit 1
}

# install STAMP ARGUMENT...: pip install, unless the same was installed before.
install() {
  local stamp=$folder/$1 wanted
  shift
  wanted=$(cat "$here/requirements.txt"; echo "$*")
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  echo "installing $*"
  "$folder/bin/python" -m pip --disable-pip-version-check install --quiet --prefer-binary "$@"
  echo "$wanted" >"$stamp"
}

[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
install peers.installed --requirement "$here/requirements.txt"
[ $# -eq 0 ] || install torch.installed torch==2.11.0
