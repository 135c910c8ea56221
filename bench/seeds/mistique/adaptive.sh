#!/usr/bin/env bash
# Adaptive materialisation (the paper's figure 10): storage and time over a sequence of queries, when
# everything is stored while it is logged, when nothing is ever stored, and when what is asked for is
# stored as soon as it saves trails.gamma_min seconds for each gigabyte.
#
# Usage: bench/seeds/mistique/adaptive.sh [-e EPOCHS] [-n QUERIES] [-s SEED] [TABLE...]
#   EPOCHS   of the training, default 3: the times do not depend on it
#   QUERIES  default 25, the same pseudo-random ones in every way: of the eight kinds, each in one of
#            five layers
#   SEED     of the sequence, default 1
#   TABLE    default diabetes frappe
# Prints a Markdown table for each TABLE, of a network 128-128-64 in f16. Seconds are the client's
# and begin with logging, which makes the statistics of all layers and for STORE_ALL stores them.
# Rates are learned before. Ends with status 1 where the ways answer differently, store something
# with gamma_min above any gamma, or do not store more with a smaller gamma_min.
set -euo pipefail
# shellcheck source=bench/seeds/mistique/experiment.sh
. "$(dirname "${BASH_SOURCE[0]}")/experiment.sh"
epochs=3 queries=25 seed=1
while getopts e:n:s: option; do
  case $option in
    e) epochs=$OPTARG ;;
    n) queries=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) fail "usage: adaptive.sh [-e EPOCHS] [-n QUERIES] [-s SEED] [TABLE...]" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- diabetes frappe
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

# drawn WHAT QUERY COUNT: a number from 1 to COUNT, the same one each time.
drawn() {
  local digits
  digits=$(printf '%s %s %s' "$seed" "$1" "$2" | md5sum)
  echo $((16#${digits:0:8} % $3 + 1))
}

# sequence: writes the queries into $folder/queries, each of which answers with one hash.
sequence() {
  local layers query name columns rows of column other row
  mapfile -t layers <<<"$(layers_of "$model")"
  for ((query = 1; query <= queries; query++)); do
    read -r name columns rows <<<"${layers[$(drawn layer "$query" ${#layers[@]}) - 1]}"
    of="'$model', '$name'" column=$(drawn column "$query" "$columns")
    other=$(drawn other "$query" "$columns") row=$(drawn row "$query" "$rows")
    case $(drawn kind "$query" 8) in
      1) echo "trails.class_means($of)" ;;
      2) echo "trails.column_distribution($of, $column)" ;;
      3) echo "trails.column_diff($of, $column, $of, $other, by => 'target')" ;;
      4) echo "trails.knn($of, $row, 50)" ;;
      5) echo "trails.value_at($of, $column, $row)" ;;
      6) echo "trails.topk($of, $column, 10)" ;;
      7) echo "trails.row_diff($of, $row, $(drawn row "0$query" "$rows"))" ;;
      8) echo "trails.svcca($of, '$model', 'hidden3')" ;;
    esac
  done | sed "s/.*/SELECT 'answer', md5(string_agg(a::text, ' ')) FROM & AS a;/" >"$folder/queries"
}

# way NAME LOGGING_GAMMA QUERY_GAMMA: logs under the one setting, asks under the other, and prints a
# row. Sets answered, and total: the bytes stored in the end.
way() {
  local size="SELECT 'stored', coalesce(sum(bytes), 0) FROM trails.intermediate_sizes
    WHERE model = '$model' AND layer NOT IN ('rows', 'parameters');" line
  dropped "$model"
  settings jit=off "trails.gamma_min=$3"
  {
    echo "SET trails.gamma_min = $2;"
    echo "SELECT FROM trails.log_intermediates('$model', scheme => 'f16');"
    echo "SET trails.gamma_min = $3;"
    echo "${size//$'\n'/ }"
    while read -r line; do printf '%s\n%s\n' "$line" "${size//$'\n'/ }"; done <"$folder/queries"
  } >"$folder/session"
  session_of "$folder/session"
  answered=$(sed -n 's/^answer|//p' <<<"$answers")
  sed -n 's/^stored|//p' <<<"$answers" >"$folder/bytes"
  total=$(tail -n 1 "$folder/bytes")
  # Of each pair of times the first counts: logging, then a query; the other is the look at the size.
  awk 'NR == 2 || NR > 4 && NR % 2 == 1' <<<"$took" | paste - "$folder/bytes" |
    awk -v name="$1" -v queries="$queries" '
      { seconds += $1 / 1000; query = NR - 1 }
      query == 0 { row = "| " name " |" }
      query <= 1 || query % 5 == 0 || query == queries {
        row = row sprintf(" %.2f s, %.1f MB |", seconds, $2 / 1e6)
      }
      END { print row }'
}

# compared NAME: that this way answered as the first one did.
compared() {
  if [ "$answered" != "$expected" ]; then
    echo "adaptive.sh: $1 answers otherwise:" >&2
    diff <(paste "$folder/queries" - <<<"$expected") <(paste "$folder/queries" - <<<"$answered") >&2 || true
    status=1
  fi
}

bench_start
for table in "$@"; do
  settings trails.gamma_min=$never jit=off
  trained_model "$table" 128-128-64 "$epochs"
  ask "SELECT FROM trails.log_intermediates('$model')" >/dev/null
  sequence
  # Once by running the network and once by reading, so that every way begins with rates that were learned.
  way 'rates by RERUN' $never $never >/dev/null
  way 'rates by READ' 0 $never >/dev/null
  expected=$answered
  echo "$table, 128-128-64, f16: seconds since the beginning and MB stored, after so many queries."
  echo
  awk -v queries="$queries" 'BEGIN {
    printf "| gamma_min | logged | 1 |"; rule = "|---|---|---|"
    for (i = 2; i <= queries; i++) if (i % 5 == 0 || i == queries) { printf " %d |", i; rule = rule "---|" }
    printf "\n%s\n", rule }'
  way 'STORE_ALL' 0 $never
  compared STORE_ALL
  previous=$total
  for gamma in 0 10 1000; do
    way "$gamma" $never $gamma
    compared "gamma_min $gamma"
    if [ "$total" -gt "$previous" ]; then
      echo "adaptive.sh: gamma_min $gamma stores $total bytes, a smaller one $previous" >&2
      status=1
    fi
    previous=$total
  done
  way never $never $never
  compared never
  [ "$total" -eq 0 ] || { echo "adaptive.sh: stored $total bytes, though never" >&2; status=1; }
  echo
  settings trails.gamma_min=$never
  dropped_model "$model"
done
echo "Published, 25 queries over Zillow's pipelines with 0.5 s a KB: hardly any storage, VIS from 20 s to" \
  "1.7 s after 15 queries, COL_DIFF from 75 s to 26 s after 5."
exit $status
