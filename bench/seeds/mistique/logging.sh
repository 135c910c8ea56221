#!/usr/bin/env bash
# What logging a training costs (the paper's figure 11): trails.train without logging, with option
# "log", which keeps the encoded rows and the parameters of one, half or all of its epochs, and with
# all layers of all epochs stored besides.
#
# Usage: bench/seeds/mistique/logging.sh [-e EPOCHS] [-n TRIES] [TABLE...]
#   EPOCHS  of the training, an even number, default 10
#   TRIES   of each way, the median counts, default 3; storing is tried once
#   TABLE   default diabetes
# Prints a Markdown table for each TABLE, of a network 128-128-64 with one seed. Seconds are the
# client's, of a session that has opened LibTorch before. A training that is logged also looks at the
# validation rows whenever it logs an epoch, another one not as often. The paper's share is that of
# its CIFAR10_VGG16: what logging ten epochs took beyond the 19 s that running them took, of the 1,800
# s at least that training did. Ends with status 1 where not the epochs that should be are logged,
# logging alone stores a layer, or not everything is stored that should be. Takes some minutes and 8
# GB on disk.
set -euo pipefail
# shellcheck source=bench/seeds/mistique/experiment.sh
. "$(dirname "${BASH_SOURCE[0]}")/experiment.sh"
epochs=10 tries=3
while getopts e:n: option; do
  case $option in
    e) epochs=$OPTARG ;;
    n) tries=$OPTARG ;;
    *) fail "usage: logging.sh [-e EPOCHS] [-n TRIES] [TABLE...]" ;;
  esac
done
[ $((epochs % 2)) = 0 ] || fail "EPOCHS must be even"
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- diabetes
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

# wrong WORDS...: what must not be, on standard error.
wrong() {
  echo "logging.sh: $*" >&2
  status=1
}

# trains OPTIONS: the statement.
trains() {
  # shellcheck disable=SC2154  # tables.sh sets source, target and arguments
  echo "SELECT FROM trails.train('$source', '$target', '128-128-64', epochs => $epochs," \
    "split => 'split'$arguments, seed => 1, model_name => '$model', options => '$1');"
}

# way OPTIONS [SCHEME]: trains afresh, and with SCHEME stores all layers of the logged epochs. Sets
# training and storing, in seconds, and logged_mb and stored_mb.
way() {
  dropped_model "$model"
  settings jit=off client_min_messages=error trails.gamma_min=0
  {
    echo "SELECT FROM trails.score('$source', '$target', '8', '{params}'$arguments);"
    trains "$1"
    [ -z "${2:-}" ] ||
      echo "SELECT FROM trails.log_intermediates('$model', epochs => (SELECT array_agg(e) FROM generate_series(1, $epochs) AS e));"
  } >"$folder/session"
  session_of "$folder/session"
  training=$(sed -n 2p <<<"$took" | awk '{ print $1 / 1000 }')
  storing=$(sed -n 3p <<<"$took" | awk '{ print $1 / 1000 }')
  logged_mb=$(megabytes "$(ask "SELECT coalesce(sum(bytes), 0) FROM trails.intermediate_sizes
    WHERE model = '$model' AND layer IN ('rows', 'parameters')")")
  stored_mb=$(megabytes "$(stored_bytes "$model")")
}

# medians OPTIONS: the way several times. Sets training.
medians() {
  local try all=''
  for ((try = 0; try < tries; try++)); do
    way "$1"
    all+=$training$'\n'
  done
  training=$(sed '/^$/d' <<<"$all" | quantile 0.5)
}

# row WHAT SECONDS MB PAPER: PAPER is the paper's seconds of logging, or empty.
row() {
  awk -v what="$1" -v seconds="$2" -v alone="$alone" -v mb="$3" -v paper="$4" 'BEGIN {
    share = paper == "" ? "" : sprintf("at most %.1f %%", 100 * paper / 1800)
    printf "| %s | %.2f | %.2f | %.1f %% | %s | %s |\n", what, seconds, seconds - alone,
           100 * (seconds - alone) / alone, mb, share }'
}

# check_logged COUNT SCHEME: so many epochs are there, and all their layers where SCHEME is not empty,
# else none.
check_logged() {
  local logged layers stored
  logged=$(ask "SELECT count(*) FROM trails.snapshot JOIN trails.logged USING (logged_id)
    JOIN trails.model AS m USING (model_id) WHERE m.name = '$model' AND epoch > 0")
  [ "$logged" = "$1" ] || wrong "$logged epochs are logged instead of $1"
  layers=$(ask "SELECT count(*) FROM trails.intermediates WHERE model = '$model' AND epoch > 0")
  stored=$(ask "SELECT count(*) FROM trails.intermediate_sizes
    WHERE model = '$model' AND epoch > 0 AND stored AND layer <> 'parameters'")
  if [ -z "$2" ]; then
    [ "$stored" = 0 ] || wrong "$stored layers are stored that nobody asked for"
  else
    [ "$stored" = "$layers" ] || wrong "$stored of $layers layers are stored in $2"
  fi
}

bench_start
for table in "$@"; do
  prepare_table "$table"
  model=mistique_logging_$table
  medians '{}'
  alone=$training
  echo "| $table, $epochs epochs of 128-128-64 | s | of them logging | share of the training | MB logged, stored | share in the paper |"
  echo '|---|---|---|---|---|---|'
  row 'train' "$alone" '' ''
  for logged in 1 $((epochs / 2)) "$epochs"; do
    medians "{\"log\": $((epochs / logged))}"
    check_logged "$logged" ''
    row "train, $logged epochs logged" "$training" "$logged_mb, $stored_mb" ''
  done
  for scheme in f32 f16 q8; do
    # Less the 19 s; 8BIT_QT for q8.
    case $scheme in
      f32) paper=233 ;;
      f16) paper=132 ;;
      q8) paper=360 ;;
    esac
    way "{\"log\": 1, \"log_scheme\": \"$scheme\"}" "$scheme"
    check_logged "$epochs" "$scheme"
    row "and all layers of all epochs in $scheme" \
      "$(awk -v a="$training" -v b="$storing" 'BEGIN { print a + b }')" "$logged_mb, $stored_mb" "$paper"
  done
  dropped_model "$model"
  echo
done
exit "$status"
