#!/usr/bin/env bash
# Measures on the machine's card: every kernel, cohorts beside one-by-one training in PyTorch, the full
# space. Builds first (test/gpu/build.sh); then some 4 minutes.
#
# Writes bench/results/gpu_{kernels,cohort,full_space,one_by_one}.json and prints Markdown tables.
# Status 2: there is no card. Usage: bench/gpu/run.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
results=$root/bench/results

if ! nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; then
  echo "run.sh: nvidia-smi finds no card; nothing was measured" >&2
  exit 2
fi
"$root/test/gpu/build.sh" gpu_kernels_bench gpu_cohort_bench gpu_card_space_bench
mkdir -p "$results"
status=0
measure() { timeout 100 "$@" || { echo "run.sh: $1 failed" >&2; status=1; }; echo; }
measure "$root/build/gpu/bench/gpu_kernels_bench" "--json=$results/gpu_kernels.json"
measure "$root/build/gpu/bench/gpu_card_space_bench" "--json=$results/gpu_full_space.json"
measure "$root/build/gpu/bench/gpu_cohort_bench" "--json=$results/gpu_cohort.json"
measure python3 "$root/bench/gpu/one_by_one.py" --json "$results/gpu_one_by_one.json"
exit "$status"
