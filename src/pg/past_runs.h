// Past runs of the catalog, as far as a learned filter can use them.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <string>
#include <vector>

#include "pg/bridge.h"
#include "trails/options.h"

namespace trails::pg {

// Candidates of `space` that earlier runs of the caller trained on the same relation and target,
// whatever space they searched; of the caller's last 1,000 runs the last 10 that fit. Of a run at
// most 40 candidates, spread evenly over its order; further seeds of a candidate and runs of a
// single one are left out. The newest run comes first, the best candidate of a run first. Runs on
// other tables mislead (docs/benchmarks.md, "Filtering: learning").
//
// A run's candidates are ordered as refinement left them: by the last rung, then by the metric.
// Throws PgError. Cost: 1 ms where the caller has thousands of runs.
std::vector<PastCandidate> PastCandidates(Oid relation, const std::string &target,
                                          const SearchSpace &space);

}  // namespace trails::pg
