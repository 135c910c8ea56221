#!/usr/bin/env bash
# The same statement twice, with the plan fixed by n, k and u: the metrics, the learning curves,
# the stored bytes and every prediction must be the same. Exits with 1 when they are not.
#
# Usage: bench/psql/repeatable.sh [THREADS]      default: trails.threads
# Takes about a minute.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
threads=${1:-}
bench_start
load adult
load california

differences=0
# same WHAT FIRST SECOND
same() {
  if [ "$2" = "$3" ]; then
    echo "identical  $1"
  else
    echo "DIFFERENT  $1: $2 and $3"
    differences=$((differences + 1))
  fi
}

# twice TABLE TARGET
twice() {
  local run model settings=() runs=() first second
  [ -z "$threads" ] || settings=("SET trails.threads = $threads")
  for model in bench_first bench_second; do
    run=$(ask ${settings[@]+"${settings[@]}"} \
      "SELECT run_id FROM trails.model_selection('$1', '$2', split => 'split', n => 100, k => 9,
         u => 1, seed => 7, budget => '10 min', model_name => '$model')")
    runs+=("$run")
  done
  # compare WHAT SQL, in which RUN and MODEL stand for the two
  compare() {
    first=${2//RUN/${runs[0]}} second=${2//RUN/${runs[1]}}
    same "$1" "$(ask "${first//MODEL/bench_first}")" "$(ask "${second//MODEL/bench_second}")"
  }
  compare "$1: what was read" "SELECT rows, data_hash, md5(fields) FROM trails.run WHERE run_id = RUN"
  compare "$1: valid, test, floor" \
    "SELECT architecture, members, valid, test, floor, floor_valid FROM trails.run WHERE run_id = RUN"
  compare "$1: candidates" "SELECT count(*), md5(string_agg(concat_ws(' ', number, architecture, rank,
      score, dropout, seed, rung, epochs, metric), ',' ORDER BY number))
    FROM trails.candidate WHERE run_id = RUN"
  compare "$1: learning curves" "SELECT count(*), md5(string_agg(concat_ws(' ', candidate, rung, epoch,
      train_loss, metric), ',' ORDER BY candidate, epoch)) FROM trails.epoch WHERE run_id = RUN"
  compare "$1: stored model" "SELECT sum(octet_length(bytes)), md5(string_agg(md5(bytes), ',' ORDER BY part))
    FROM trails.model_part WHERE model_id = (SELECT model_id FROM trails.run WHERE run_id = RUN)"
  compare "$1: predictions" "SELECT count(*), md5(string_agg(trails.predict_number('MODEL', t)::text, ','
    ORDER BY ctid)) FROM $1 AS t"
}
twice adult income
twice california median_house_value
ask "SELECT trails.drop_model('bench_first')" "SELECT trails.drop_model('bench_second')" >/dev/null
[ "$differences" -eq 0 ] || fail "$differences differences"
