// What is known of every candidate before training, as columns: for a learned filter.
//
// May touch: src/core/filtering, src/core/space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/filtering/full_space.h"

namespace trails {

struct FeatureTable {
  std::int64_t candidates = 0;
  std::vector<std::string> names;
  std::vector<std::vector<float>> columns;  // [name][candidate in CandidateAt's order]
};

// Columns: depth; log_params; log_flops; log_width_1 .. of max_layers (0 past the depth);
// log_first_width, log_narrowest_width, log_last_width; and each TFMEM of `scores`, by its name, as
// its rank in its own direction among the candidates of the same depth, scaled to [0, 1]: 1 is the
// best, 0 the worst, 0.5 stands for what was not scored and for a depth with one scored candidate.
// Logarithms are natural. `scores` covers the whole space. Cost: some 10 ns a value, 60 a rank.
FeatureTable BuildFeatureTable(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                               const SpaceScores &scores);

}  // namespace trails
