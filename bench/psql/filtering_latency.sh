#!/usr/bin/env bash
# The latency of the filtering phase and where it goes, in the database and in a client that reads
# the same table through libpq and runs the same engine: the latency table of the TRAILS papers.
#
# Usage: bench/psql/filtering_latency.sh [-r REPEATS] [-t THREADS] [TABLE=SPACE...]
#   REPEATS  of each measurement, default 5: the median is shown
#   THREADS  default 1, as in the papers
#   TABLE=SPACE  default frappe=mlp20 diabetes_ids=mlp20 criteo=mlp10, the papers' spaces
# Prints Markdown. Scores are jacflow: of the whole space by shared weights, and of 5,000 candidates
# one by one. One bank, 32 rows. A first call warms each session and is not counted, as the papers
# leave out their first models; a call in a fresh session, which opens LibTorch, is shown besides.
# Ends with status 1 when database and client disagree about the ten best.
# Needs the benches of scripts/setup.sh all, or of the folder $TRAILS_BUILD.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
repeats=5 threads=1
while getopts r:t: option; do
  case $option in
    r) repeats=$OPTARG ;;
    t) threads=$OPTARG ;;
    *) fail "usage: filtering_latency.sh [-r REPEATS] [-t THREADS] [TABLE=SPACE...]" ;;
  esac
done
shift $((OPTIND - 1))
pairs=("$@")
[ $# -gt 0 ] || pairs=(frappe=mlp20 diabetes_ids=mlp20 criteo=mlp10)
client=${TRAILS_BUILD:-$root/build}/bench/filtering_client
[ -x "$client" ] || fail "no $client; run scripts/setup.sh all"

# Of the papers, seconds: in all, retrieval, preprocessing, initialisation and compute.
declare -A published_in=(
  [frappe]='115.86 10.67 0.52 20.63 84.04' [diabetes_ids]='160.01 18.50 0.88 29.29 111.34'
  [criteo]='137.36 15.96 0.66 26.50 94.24'
)
declare -A published_out=(
  [frappe]='188.64 13.19 10.60 23.78 141.07' [diabetes_ids]='172.94 19.48 20.58 25.18 107.71'
  [criteo]='184.74 15.87 25.02 24.55 119.30'
)

# in_database CALLS: runs filter_candidates CALLS times in one new session. Sets best, and lines:
# a line a call, of seconds in all, reading, encoding, drawing weights, computing, and the candidates
# scored. Drawing is of one thread: with several, their mean.
in_database() {
  local statements=(--command="SET trails.threads = $threads" --command="SET client_min_messages = debug1"
    --command='\timing on') i out
  for ((i = 0; i < $1; i++)); do
    statements+=(--command="SELECT architecture FROM trails.filter_candidates('$source', '$target',
      split => 'split'$arguments, space => '$space', tfmem => 'jacflow', sampler => '$sampler',
      n => $n, k => 10, seed => 1, options => '{\"banks\": 1}')")
  done
  out=$("$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    "${statements[@]}" 2>&1) || fail "$out"
  lines=$(awk -v threads="$threads" '/candidates were scored$/ { scored = $2 }
    /^DETAIL: +Reading took / { gsub(/[a-zA-Z,:]/, " "); phases = $1 " " $2 " " $4 / threads " " $3 - $4 / threads }
    /^Time: / && phases != "" { print $2 / 1000, phases, scored; phases = "" }' <<<"$out")
  [ "$(wc -l <<<"$lines")" -eq "$1" ] || fail "not $1 calls in: $out"
  best=$(grep -E '^[0-9]+(-[0-9]+)+$' <<<"$out" | tail -n 10 | paste -sd ' ' -)
}

# in_client CALLS: the same by the client, a process a call.
in_client() {
  local i line
  lines=
  for ((i = 0; i < $1; i++)); do
    line=$("$client" "$source" "$target" split "$space" jacflow "$sampler" \
      "${n/NULL/all}" 1 "$threads" 1) || fail "the client failed"
    lines+=$(awk -F '\t' '{ print $5, $1, $2, $3, $4, $6 }' <<<"$line")$'\n'
    best=$(cut -f 7 <<<"$line")
  done
  lines=${lines%$'\n'}
}

# row WHERE: the medians of `lines`, which the first of a warm session is not in.
row() {
  local column cells=()
  for column in 1 2 3 4 5 6; do cells+=("$(cut -d ' ' -f $column <<<"$lines" | quantile 0.5)"); done
  awk -v what="$table, $space" -v where="$1" -v all="${cells[0]}" -v read="${cells[1]}" \
    -v encode="${cells[2]}" -v draw="${cells[3]}" -v score="${cells[4]}" -v models="${cells[5]}" 'BEGIN {
      printf "| %s | %d | %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.4f |\n", what, models, where, all,
             read, encode, draw, score, 1000 * all / models }'
}

# published WHERE ALL RETRIEVAL PREPROCESSING INITIALISATION COMPUTE
published() {
  awk -v what="$table" -v where="$1" -v all="$2" -v read="$3" -v encode="$4" -v draw="$5" \
    -v score="$6" 'BEGIN {
      printf "| %s | 5000 | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f |\n", what, where, all, read,
             encode, draw, score, all / 5 }'
}

bench_start
echo "Seconds, medians of $repeats, $threads threads."
echo
echo "| table, space | candidates | where | in all | retrieval | preprocessing | initialisation |" \
  "compute | ms a candidate |"
echo "|---|---|---|---|---|---|---|---|---|"
status=0
for pair in "${pairs[@]}"; do
  table=${pair%%=*} space=${pair##*=}
  prepare_table "$table"
  [ -z "$arguments" ] || fail "$table leaves columns out, which the client does not"
  for how in 'whole NULL' 'random 5000'; do
    read -r sampler n <<<"$how"
    in_database $((repeats + 1))
    lines=$(tail -n "$repeats" <<<"$lines")
    row 'in the database'
    here=$best
    if [ "$sampler" = whole ]; then
      fresh=
      for ((try = 0; try < repeats; try++)); do
        in_database 1
        fresh+=$lines$'\n'
      done
      lines=${fresh%$'\n'}
      row 'in the database, first call of a session'
    fi
    in_client "$repeats"
    row 'client through libpq'
    if [ "$here" != "$best" ]; then
      echo "filtering_latency.sh: $pair, $sampler: the ten best differ: $here and $best" >&2
      status=1
    fi
  done
  # shellcheck disable=SC2086  # lists of numbers
  if [ -n "${published_in[$table]:-}" ]; then
    published 'published, in the database' ${published_in[$table]}
    published 'published, client' ${published_out[$table]}
  fi
done
exit $status
