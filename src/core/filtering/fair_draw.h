// A fair draw of a space's candidates: depths in turn, uniform within a depth, none twice.
//
// May touch: src/core/space, src/core/filtering/permutation.h, src/core/random.h.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/permutation.h"
#include "core/random.h"
#include "core/space/candidate.h"

namespace trails {

// The draw of SampleCandidates (filter.h), one candidate at a time.
class FairDraw {
 public:
  // `space` must outlive the draw.
  FairDraw(const SearchSpace &space, std::uint64_t seed)
      : space_(space), depth_order_(RandomStream::ForPurpose(seed, kPurpose)) {
    for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
      const std::int64_t size = SpaceSizeAtDepth(space, layers);
      const auto purpose = kPurpose + static_cast<std::uint64_t>(layers);
      depths_.push_back(
          {layers, size, RandomPermutation(size, RandomStream::ForPurpose(seed, purpose))});
    }
    at_ = depths_.size();
  }

  // At most SpaceSize times.
  HiddenWidths Next() {
    if (at_ == depths_.size()) BeginTurn();
    const Depth &depth = depths_[at_++];
    return CandidateAtDepth(space_, depth.layers, depth.order(turn_));
  }

 private:
  static constexpr std::uint64_t kPurpose = 0x66696C74;  // "filt"; the depths follow

  // The candidates of one depth, in random order.
  struct Depth {
    std::int32_t layers;
    std::int64_t size;
    RandomPermutation order;
  };

  // In each turn every depth that is not used up gives one candidate. The order of the depths
  // is random, for a draw that ends within a turn must not favour the same ones every time.
  void BeginTurn() {
    ++turn_;
    std::erase_if(depths_, [this](const Depth &depth) { return turn_ >= depth.size; });
    depth_order_.Shuffle(depths_.data(), static_cast<std::int64_t>(depths_.size()));
    at_ = 0;
  }

  const SearchSpace &space_;
  RandomStream depth_order_;
  std::vector<Depth> depths_;
  std::int64_t turn_ = -1;
  std::size_t at_ = 0;
};

}  // namespace trails
