#include "core/filtering/candidate_weights.h"

#include <algorithm>
#include <cstddef>

#include "core/filtering/full_space.h"

namespace trails {

CandidateWeights::CandidateWeights(const SearchSpace &space, std::int32_t inputs,
                                   std::int32_t outputs, std::uint64_t seed, std::int32_t banks)
    : space_(space),
      inputs_(inputs),
      outputs_(outputs),
      seed_(seed),
      // synflow takes the least memory of those that need a bank.
      has_banks_(FitsFullSpace(space, inputs, outputs, {Tfmem::kSynflow})),
      banks_(static_cast<std::size_t>(banks)) {}

bool CandidateWeights::Contains(const HiddenWidths &widths) const noexcept {
  return std::ssize(widths) >= space_.min_layers && std::ssize(widths) <= space_.max_layers &&
         std::all_of(widths.begin(), widths.end(), [this](std::int32_t width) {
           return std::binary_search(space_.widths.begin(), space_.widths.end(), width);
         });
}

InitialWeights CandidateWeights::Of(const HiddenWidths &widths, std::int32_t bank) const {
  if (!has_banks_ || !Contains(widths)) return OwnWeights(widths, inputs_, outputs_, seed_, bank);
  Bank &of = banks_[static_cast<std::size_t>(bank)];
  std::call_once(of.drawn, [&] {
    of.weights = std::make_unique<WeightBank>(space_, inputs_, outputs_, seed_, bank,
                                              /*backward_panels=*/false);
  });
  return of.weights->Slice(widths);
}

}  // namespace trails
