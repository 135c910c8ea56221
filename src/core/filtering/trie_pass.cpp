// The numbering of candidates by the positions of their widths, and the order of their prefixes.
//
// May touch: src/core/filtering, src/core/space, src/core/random.h.
#include "core/filtering/trie_pass.h"

#include <algorithm>
#include <numeric>

#include "core/random.h"

namespace trails {

namespace {

constexpr std::uint64_t kOrderPurpose = 0x74726965;  // "trie"

}  // namespace

TrieIndex::TrieIndex(const SearchSpace &space)
    : widths_(static_cast<std::int32_t>(space.widths.size())),
      min_layers_(space.min_layers),
      max_layers_(space.max_layers) {}

std::int64_t TrieIndex::first(std::int32_t layers) const noexcept {
  if (layers < min_layers_ || layers > max_layers_) return -1;
  std::int64_t index = 0;
  for (std::int32_t fewer = min_layers_; fewer < layers; ++fewer) index += below(0, fewer);
  return index;
}

std::int64_t TrieIndex::below(std::int32_t prefix, std::int32_t layers) const noexcept {
  std::int64_t candidates = 1;
  for (std::int32_t layer = prefix; layer < layers; ++layer) candidates *= widths_;
  return candidates;
}

std::int64_t TrieIndex::At(std::span<const std::int32_t> positions) const noexcept {
  std::int64_t within = 0;
  for (const std::int32_t position : positions) within = within * widths_ + position;
  return first(static_cast<std::int32_t>(positions.size())) + within;
}

std::int64_t CandidatesOf(const TriePrefix &prefix, const SearchSpace &space) noexcept {
  if (prefix.second < 0) return 1;
  const TrieIndex index(space);
  std::int64_t candidates = 0;
  for (std::int32_t layers = std::max(2, space.min_layers); layers <= space.max_layers; ++layers) {
    candidates += index.below(2, layers);
  }
  return candidates;
}

std::vector<TriePrefix> FairPrefixes(const SearchSpace &space, std::uint64_t seed) {
  const std::size_t widths = space.widths.size();
  RandomStream random = RandomStream::ForPurpose(seed, kOrderPurpose);
  const auto shuffled = [&] {
    std::vector<std::int32_t> positions(widths);
    std::iota(positions.begin(), positions.end(), 0);
    random.Shuffle(positions.data(), std::ssize(positions));
    return positions;
  };
  const std::vector<std::int32_t> firsts = shuffled(), seconds = shuffled(), shifts = shuffled();
  std::vector<TriePrefix> prefixes;
  for (std::size_t round = 0; round < widths; ++round) {
    if (space.min_layers == 1) prefixes.push_back({firsts[round], -1});
    const auto shift = static_cast<std::size_t>(shifts[round]);
    for (std::size_t i = 0; i < widths && space.max_layers > 1; ++i) {
      prefixes.push_back({firsts[i], seconds[(i + shift) % widths]});
    }
  }
  return prefixes;
}

}  // namespace trails
