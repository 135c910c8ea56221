// weight_norm of every candidate of a space: a sum of table entries.
//
// May touch: src/core/filtering, src/core/space, src/kernels.
#pragma once

#include <span>

#include "core/filtering/weight_bank.h"
#include "core/interrupt.h"
#include "core/space/candidate.h"

namespace trails {

// Scores [candidates in CandidateAt's order] = sum over all layers, the output layer's too, of the
// Frobenius norm of W_l, in double. The norm of a slice of U_l is a prefix sum of squares in both
// directions, kept at the widths. The bank must be of this space.
// Looks at the interrupt before it writes a score: all are scored, or none. Cost: 0.4 ns a weight
// of the bank and 1 ns a candidate, on one thread. Source: as used by TRAILS, section 3.
void ScoreWeightNorms(const WeightBank &bank, const SearchSpace &space, const Interrupt &interrupt,
                      std::span<double> scores);

}  // namespace trails
