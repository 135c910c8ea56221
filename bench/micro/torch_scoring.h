// The TFMEMs of one candidate after the other, as a user of LibTorch writes them: modules,
// autograd, nothing shared between candidates. What the full-space scorer is measured against.
//
// May touch: the C++ standard library, src/core. Its body alone touches Torch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails::bench {

struct TorchScoring {
  std::vector<std::vector<double>> scores;  // [tfmem][candidate]; kInvalidScore as in trie_pass.h
  double wall_seconds = 0;
  double cpu_seconds = 0;
  double construction_share = 0;  // of the time: building modules and drawing their weights, 0..1
};

// Scores `candidates` on `threads` threads, each by itself and single-threaded inside. He-uniform
// weights, default biases, training-mode batch normalisation. What a careful user shares, it
// shares: one network with and one without batch normalisation for all TFMEMs asked for, one
// backward pass for grad_norm, grad_plain, fisher and snip, one for both NTK ones (by Gram
// matrices instead of a pass a sample), absolute weights in double made once.
// TFMEMs: weight_norm, synflow, express_flow, nas_wot, nas_wot_plain, jacflow (the parts, ranked
// over `candidates`), grad_norm, grad_plain, fisher, snip, ntk_trace, ntk_cond_num, grasp.
// Throws Error(kInvalidArgument) for another.
TorchScoring ScoreByTorch(const std::vector<HiddenWidths> &candidates,
                          const std::vector<Tfmem> &tfmems, const ScoringBatch &batch,
                          std::int32_t threads);

}  // namespace trails::bench
