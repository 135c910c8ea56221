#!/usr/bin/env bash
# Runs the tests of test/unit/cuda on the machine's card: the kernels against their twins, the cohort
# against the CPU's trainers. Builds them first (build.sh): some minutes on 16 cores.
#
# Writes bench/results/gpu_tests.json, which says which card it was. Status 2: there is no card.
# Usage: test/gpu/run.sh [GTEST_FILTER]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
results=$root/bench/results
filter=${1:-*}

card=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1) ||
  true
if [ -z "$card" ]; then
  echo "run.sh: nvidia-smi finds no card; nothing was run" >&2
  exit 2
fi
echo "$card"
"$root/test/gpu/build.sh" unit_gpu unit_gpu_engine
mkdir -p "$results"
status=0
for program in unit_gpu unit_gpu_engine; do
  timeout 240 "$root/build/gpu/test/$program" --gtest_brief=1 "--gtest_filter=$filter" \
    "--gtest_output=json:$root/build/$program.json" || status=1
done
python3 - "$card" "$root/build" >"$results/gpu_tests.json" <<'PYTHON'
import json, pathlib, sys

card, build = sys.argv[1], pathlib.Path(sys.argv[2])
result = {"bench": "gpu_tests", "card": card, "tests": 0, "failures": 0, "failed": [], "missing": []}
for name in ("unit_gpu", "unit_gpu_engine"):
    path = build / (name + ".json")
    if not path.exists():  # it crashed, or ran out of time
        result["missing"].append(name)
        continue
    report = json.loads(path.read_text())
    result["tests"] += report["tests"]
    result["failures"] += report["failures"]
    result["failed"] += [suite["name"] + "." + test["name"] for suite in report["testsuites"]
                         for test in suite["testsuite"] if test.get("failures")]
    path.unlink()
print(json.dumps(result, indent=1))
PYTHON
cat "$results/gpu_tests.json"
exit "$status"
