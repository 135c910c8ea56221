// The numbering of candidates by the positions of their widths.
//
// May touch: src/core/filtering, src/core/space.
#include "core/filtering/trie_pass.h"

namespace trails {

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

}  // namespace trails
