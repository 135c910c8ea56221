// Candidates of one prefix and depth stand next to each other.
//
// May touch: src/core/filtering, src/core/space.
#include "core/filtering/closed_form_pass.h"

#include <cmath>

#include "core/filtering/tfmem.h"

namespace trails {

ClosedFormPass::ClosedFormPass(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                               std::uint64_t seed,
                               std::vector<std::pair<Tfmem, std::span<double>>> scores)
    : space_(space),
      inputs_(inputs),
      outputs_(outputs),
      seed_(seed),
      scores_(std::move(scores)),
      index_(space) {}

void ClosedFormPass::Prepare(const Interrupt & /*interrupt*/) {}

std::unique_ptr<TriePass::Scratch> ClosedFormPass::NewScratch() const {
  return std::make_unique<Scratch>();
}

void ClosedFormPass::Score(std::int32_t first, std::int32_t second, Scratch * /*scratch*/,
                           const Interrupt &interrupt) const {
  constexpr std::int64_t kBlockCandidates = 4'096;
  const auto score = [&](std::int64_t candidate) {
    const HiddenWidths widths = CandidateAt(space_, candidate);
    for (const auto &[tfmem, scores] : scores_) {
      const double value = ClosedFormScore(tfmem, widths, inputs_, outputs_, seed_);
      scores[static_cast<std::size_t>(candidate)] = std::isfinite(value) ? value : kInvalidScore;
    }
  };
  interrupt.Check();
  if (second < 0) return score(index_.At({&first, 1}));
  for (std::int32_t layers = std::max(2, space_.min_layers); layers <= space_.max_layers;
       ++layers) {
    const std::int64_t count = index_.below(2, layers);
    const std::int64_t from =
        index_.first(layers) + (first * std::ssize(space_.widths) + second) * count;
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % kBlockCandidates == 0) interrupt.Check();
      score(from + i);
    }
  }
}

}  // namespace trails
