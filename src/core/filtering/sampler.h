// Samplers: which candidate to look at next, where a space is too large to score as a whole.
//
// May touch: src/core/space, src/core/random.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// Proposes candidates, never one twice, and learns from their scores. One thread at a time.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // The next candidate; nothing once each candidate of the space was proposed. O(log n).
  virtual std::optional<HiddenWidths> Propose() = 0;
  // The score of a proposed candidate, higher is better, NaN for an invalid one. Several candidates
  // may be proposed before the first is told, in any order. O(log n).
  virtual void Tell(const HiddenWidths &widths, double score) = 0;
};

// kind is not kWhole. Same seed and same scores told in the same order: same proposals.
std::unique_ptr<Sampler> MakeSampler(SamplerKind kind, const SearchSpace &space,
                                     std::uint64_t seed);

}  // namespace trails
