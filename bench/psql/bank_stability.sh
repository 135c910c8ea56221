#!/usr/bin/env bash
# How far the ranks of a whole space depend on the draw of the weights: correlation between banks,
# and between means over two and four of them.
#
# Usage: bench/psql/bank_stability.sh [-b BANKS] [-n 'TFMEM...'] SPACE/TABLE...
#   BANKS  drawn, default 8: 28 pairs of banks, and means of 4 against means of 4
#   TFMEM  default: the forward ones; a gradient one costs up to half a minute a bank
# Prints Markdown. Needs the benches of scripts/setup.sh all, or of the folder $TRAILS_BUILD.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
banks=8 tfmems='weight_norm synflow express_flow nas_wot_plain nas_wot jacflow'
while getopts b:n: option; do
  case $option in
    b) banks=$OPTARG ;;
    n) tfmems=$OPTARG ;;
    *) fail "usage: bank_stability.sh [-b BANKS] [-n 'TFMEM...'] SPACE/TABLE..." ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || fail "usage: bank_stability.sh [-b BANKS] [-n 'TFMEM...'] SPACE/TABLE..."
program=${TRAILS_BUILD:-$root/build}/bench/bank_stability
[ -x "$program" ] || fail "no $program; run scripts/setup.sh all"

bench_start
for pair in "$@"; do
  prepare_table "${pair##*/}"
  [ -z "$arguments" ] || fail "${pair##*/} leaves columns out, which the program does not"
  # shellcheck disable=SC2086  # a list of words
  "$program" "$source" "$target" split "${pair%%/*}" "$banks" "$(nproc)" $tfmems
  echo
done
