// What every sampler keeps of its proposals, and the moves in a space that they share.
//
// May touch: src/core/space, src/core/filtering/permutation.h, src/core/random.h.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "core/filtering/permutation.h"
#include "core/random.h"
#include "core/space/candidate.h"

namespace trails {

// The candidates proposed so far, by number. Every operation is O(1) on average.
class Proposals {
 public:
  Proposals(const SearchSpace &space, std::uint64_t seed);

  const SearchSpace &space() const noexcept { return space_; }
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(numbers_.size()); }

  // Notes the proposal of a candidate; false when it was proposed before.
  bool Add(const HiddenWidths &widths);
  // Proposes a uniform draw of what was not proposed before; nothing when that is empty. Falls
  // back on Next() where draws hardly ever hit something new.
  std::optional<HiddenWidths> AddRandom(RandomStream *random);
  // Proposes the next of a fixed random order of the space that was not proposed before.
  std::optional<HiddenWidths> AddNext();

  // Takes the score of a proposal: its number, from 0. Throws Error(kInternal) for a candidate
  // that was not proposed or was told before.
  std::int64_t Tell(const HiddenWidths &widths);

 private:
  static constexpr std::int64_t kTold = -1;

  const SearchSpace &space_;
  std::int64_t size_;
  RandomPermutation order_;
  std::int64_t next_ = 0;                                   // in order_
  std::unordered_map<std::int64_t, std::int64_t> numbers_;  // by index; kTold once told
};

// A random neighbour (sampler.h); nothing in a space of one candidate.
std::optional<HiddenWidths> Neighbour(const SearchSpace &space, const HiddenWidths &widths,
                                      RandomStream *random);

}  // namespace trails
