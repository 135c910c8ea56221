// The TFMEMs of one candidate by their definitions, in LibTorch: the readable specification that
// the fast scorers are held against, and the way to score what they do not take.
//
// May touch: Torch, src/core/space, src/core/filtering.
#pragma once

#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/tfmem.h"
#include "trails/options.h"

namespace trails {

struct DirectOptions {
  bool double_precision = true;
  // nas_wot follows its enumerator; this is for the golden files, which have gradient metrics of
  // networks without batch normalisation too.
  bool batch_norm = true;
  // The perturbation of express_flow, [4, inputs], before it is scaled by 1e-5; empty: drawn from
  // perturbation_seed.
  std::vector<float> perturbation;
  std::uint64_t perturbation_seed = 0;
};

// The score of the candidate with these weights: signed, as defined; kInvalidScore where it is not
// finite or not defined (a singular kernel, an eigenvalue that is not positive, fewer rows than
// knas needs). jacflow is a rank sum over a set, so that it has no value for one candidate:
// kInvalidScore.
double DirectScore(Tfmem tfmem, const InitialWeights &weights, const ScoringBatch &batch,
                   const DirectOptions &options);

}  // namespace trails
