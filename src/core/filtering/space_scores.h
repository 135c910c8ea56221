// The scores of a whole space, and what of them does not depend on who computes them: the engine's
// threads (full_space.h) or a card (core/card/full_space_card.h).
//
// May touch: src/core/filtering, src/core/space.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/trie_pass.h"
#include "trails/options.h"

namespace trails {

// Scores of all candidates by one bank. scores[i] belongs to tfmems[i] and has a value for each
// candidate in CandidateAt's order: a number, kInvalidScore, or kNotScored past a deadline.
struct SpaceScores {
  std::vector<Tfmem> tfmems;
  std::vector<std::vector<double>> scores;  // [tfmem][candidate]
  bool complete = true;                     // every candidate was scored
  double drawing_seconds = 0;               // of it, to draw the bank

  bool has(Tfmem tfmem) const noexcept;
  const std::vector<double> &of(Tfmem tfmem) const;  // throws Error(kInternal) when not there
  std::vector<double> &of(Tfmem tfmem);
};

// What is to be scored, each candidate kNotScored: each TFMEM once, nas_wot and synflow with
// jacflow. Throws Error(kInternal) for a TFMEM that no full-space scorer knows, and for one that
// looks at rows where `batch` has none of so many inputs.
SpaceScores UnscoredSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                          const ScoringBatch &batch, std::int32_t inputs);

// Fills jacflow from nas_wot and synflow, where it is wanted. Throws Error(kCancelled) on a stop.
void AddJacflow(SpaceScores *scores, std::int32_t threads, const std::stop_token &stop);

}  // namespace trails
