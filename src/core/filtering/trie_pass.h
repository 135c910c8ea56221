// What scores a whole space: one walk over the trie of its prefixes.
//
// Everything a layer computes depends on the widths before it, not on its own; so candidates that
// begin alike share the work, and the last width costs next to nothing.
//
// May touch: src/core/filtering, src/core/space.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "core/interrupt.h"
#include "core/space/candidate.h"

namespace trails {

// Scores: a finite number, or one of these.
inline constexpr double kNotScored = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInvalidScore = std::numeric_limits<double>::infinity();

// Where a space's candidates stand among the scores: CandidateAt's order.
class TrieIndex {
 public:
  explicit TrieIndex(const SearchSpace &space);
  // Index of the first candidate of that many layers; -1 where the space has no such depth.
  std::int64_t first(std::int32_t layers) const noexcept;
  // Number of candidates of `layers` layers that begin with a prefix of `prefix` layers.
  std::int64_t below(std::int32_t prefix, std::int32_t layers) const noexcept;
  // Index of the candidate whose widths have these positions in SearchSpace::widths.
  std::int64_t At(std::span<const std::int32_t> positions) const noexcept;

 private:
  std::int32_t widths_;
  std::int32_t min_layers_;
  std::int32_t max_layers_;
};

// What one call of TriePass::Score scores: the candidates that begin with these widths, positions
// in SearchSpace::widths; the candidate of one layer where second is -1.
struct TriePrefix {
  std::int32_t first;
  std::int32_t second;
};

// Candidates that begin with a prefix.
std::int64_t CandidatesOf(const TriePrefix &prefix, const SearchSpace &space) noexcept;

// All prefixes of a space in a random order that is fair at any length: a round has each first
// width once and each second width once (and one candidate of one layer, where the space has
// some), and there are as many rounds as widths.
std::vector<TriePrefix> FairPrefixes(const SearchSpace &space, std::uint64_t seed);

// One or more TFMEMs of all candidates. Prepare once, then Score for every pair of first widths,
// from several threads.
class TriePass {
 public:
  // What one thread writes on the way, kept from task to task.
  class Scratch {
   public:
    virtual ~Scratch() = default;
  };

  virtual ~TriePass() = default;

  // What all prefixes share: the first two layers. Throws what interrupt throws.
  virtual void Prepare(const Interrupt &interrupt) = 0;
  virtual std::unique_ptr<Scratch> NewScratch() const = 0;
  // Scores every candidate whose first two widths are (first, second), positions in the space's
  // widths; with second = -1 the candidate of one layer. Writes kInvalidScore for what is not
  // finite. Checks the interrupt at least every few milliseconds; what it leaves behind when that
  // throws is kNotScored. Thread-safe, each thread with a scratch of its own.
  virtual void Score(std::int32_t first, std::int32_t second, Scratch *scratch,
                     const Interrupt &interrupt) const = 0;
};

}  // namespace trails
