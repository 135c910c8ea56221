#!/usr/bin/env bash
# Does a score before training say which candidates train well? Every TFMEM of the full-space
# scorer, and the baselines, beside what training reached.
#
# Usage: bench/psql/filtering_evidence.sh [-b BANKS] [-s SEED] [-t TRUTH] [SPACE/TABLE...]
#   BANKS  draws of the weights that a score is averaged over, default 2
#   SEED   of the weights and of the mini-batch, default 0
#   TRUTH  default bench/seeds/ground_truth.tsv, made by ground_truth.sh
#   SPACE/TABLE  of the ground truth, as in mlp20/frappe; all by default
# Prints Markdown, for each table: Spearman's correlation of each score with the metric, and its
# 95 % interval by resampling candidates; the same minus that of params; within depth, and within
# depth and thirds of params; how many of the best tenth by score are of the best tenth by metric.
# Scores the whole space for every table: some minutes in all.
set -euo pipefail
# shellcheck source=bench/psql/machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"
# shellcheck source=bench/psql/tables.sh
. "$(dirname "${BASH_SOURCE[0]}")/tables.sh"
banks=2 seed=0 truth=$root/bench/seeds/ground_truth.tsv
usage="usage: filtering_evidence.sh [-b BANKS] [-s SEED] [-t TRUTH] [SPACE/TABLE...]"
while getopts b:s:t: option; do
  case $option in
    b) banks=$OPTARG ;;
    s) seed=$OPTARG ;;
    t) truth=$OPTARG ;;
    *) fail "$usage" ;;
  esac
done
shift $((OPTIND - 1))
pairs=("$@")
[ $# -gt 0 ] || mapfile -t pairs < <(grep -v '^#' "$truth" | cut -f 1,2 --output-delimiter=/ | uniq |
  sort -u)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bench_start
ask "SELECT name || E'\t' || (direction = 'higher') FROM trails.tfmems" |
  sed 's/true$/t/; s/false$/f/' >"$scratch/tfmems"
names=$(ask "SELECT array_agg(name ORDER BY name) FROM trails.tfmems WHERE whole_space")

arguments_of_judge=()
for pair in "${pairs[@]}"; do
  space=${pair%%/*} table=${pair##*/}
  prepare_table "$table"
  trained=$(awk -F '\t' -v space="$space" -v of="$table" '$1 == space && $2 == of { print $3 }' \
    "$truth" | sort -u | paste -sd , -)
  [ -n "$trained" ] || fail "no ground truth of $pair"
  scores=$scratch/$space.$table
  printf 'architecture\tparams\t%s\n' "$(tr -d '{}' <<<"$names" | tr , '\t')" >"$scores"
  ask "SELECT concat_ws(E'\t', architecture, params, array_to_string(parts, E'\t', ''))
       FROM trails.filter_candidates('$source', '$target', split => 'split'$arguments,
              space => '$space', k => NULL, tfmem => 'params', parts => '$names', seed => $seed,
              options => '{\"banks\": $banks}')
       WHERE architecture = ANY('{$trained}')" >>"$scores"
  arguments_of_judge+=("$pair=$scores")
done
python3 "$root/bench/psql/filtering_evidence.py" "$truth" "$scratch/tfmems" \
  "${arguments_of_judge[@]}"
