// What the emulated sorts of cub share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace emulation {

// Sorts [begin, end) by key, equal keys in their order.
template <typename Key, typename Value>
void SortPairs(const Key *keys, Key *sorted_keys, const Value *values, Value *sorted_values,
               std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(end - begin));
  std::iota(order.begin(), order.end(), begin);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return keys[a] < keys[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted_keys[begin + static_cast<std::int64_t>(i)] = keys[order[i]];
    sorted_values[begin + static_cast<std::int64_t>(i)] = values[order[i]];
  }
}

}  // namespace emulation
