// Means of scores over banks.
//
// May touch: src/core/filtering/trie_pass.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/filtering/trie_pass.h"

namespace trails {

// Added up bank by bank, so that one bank at a time is in memory.
class MeanScores {
 public:
  explicit MeanScores(std::size_t candidates) : sums_(candidates), valid_(candidates, kUnseen) {}

  // The scores of one bank, [candidate], or of the first candidates.
  void Add(std::span<const double> scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (std::isnan(scores[i])) continue;
      if (valid_[i] == kUnseen) valid_[i] = 0;
      if (std::isinf(scores[i])) continue;
      sums_[i] += scores[i];
      ++valid_[i];
    }
  }

  // The mean over the banks where the score is valid; kInvalidScore where it is in none, kNotScored
  // where no bank scored the candidate.
  double operator[](std::size_t candidate) const noexcept {
    const std::int32_t valid = valid_[candidate];
    if (valid == kUnseen) return kNotScored;
    return valid == 0 ? kInvalidScore : sums_[candidate] / valid;
  }
  std::size_t size() const noexcept { return sums_.size(); }

 private:
  static constexpr std::int32_t kUnseen = -1;

  std::vector<double> sums_;
  std::vector<std::int32_t> valid_;  // banks with a valid score
};

}  // namespace trails
