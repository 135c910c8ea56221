// The initial weights by which candidates are scored one by one.
//
// May touch: src/core/space, src/core/filtering.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/filtering/tfmem.h"
#include "core/filtering/weight_bank.h"
#include "core/space/candidate.h"

namespace trails {

// Thread-safe. Banks are drawn when they are first asked for, and kept.
class CandidateWeights {
 public:
  // `space` must outlive it.
  CandidateWeights(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                   std::uint64_t seed, std::int32_t banks);

  // The slice of WeightBank `bank`, which is what the full-space scorer looks at, wherever that
  // takes the space by some TFMEM at all. In other spaces, and for widths outside the space,
  // OwnWeights. Cost: some 1 ns a weight, once for the bank and once for the slice.
  InitialWeights Of(const HiddenWidths &widths, std::int32_t bank) const;

 private:
  struct Bank {
    std::once_flag drawn;
    std::unique_ptr<const WeightBank> weights;
  };

  bool Contains(const HiddenWidths &widths) const noexcept;

  const SearchSpace &space_;
  std::int32_t inputs_;
  std::int32_t outputs_;
  std::uint64_t seed_;
  bool has_banks_;
  mutable std::vector<Bank> banks_;
};

}  // namespace trails
