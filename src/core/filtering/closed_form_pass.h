// The TFMEMs of cost closed_form of every candidate of a space.
//
// May touch: src/core/filtering, src/core/space.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/filtering/trie_pass.h"
#include "trails/options.h"

namespace trails {

class ClosedFormPass final : public TriePass {
 public:
  // Scores each TFMEM by ClosedFormScore, into [candidates] in CandidateAt's order. The space and
  // the scores outlive the pass.
  ClosedFormPass(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                 std::uint64_t seed, std::vector<std::pair<Tfmem, std::span<double>>> scores);

  void Prepare(const Interrupt &interrupt) override;
  std::unique_ptr<Scratch> NewScratch() const override;
  // Cost: some 50 ns a candidate.
  void Score(std::int32_t first, std::int32_t second, Scratch *scratch,
             const Interrupt &interrupt) const override;

 private:
  const SearchSpace &space_;
  const std::int32_t inputs_;
  const std::int32_t outputs_;
  const std::uint64_t seed_;
  const std::vector<std::pair<Tfmem, std::span<double>>> scores_;
  const TrieIndex index_;
};

}  // namespace trails
