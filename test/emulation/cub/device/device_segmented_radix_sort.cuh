// cub::DeviceSegmentedRadixSort on the CPU.
#pragma once

#include "cuda_runtime.h"
#include "cub/stable_sort.h"

namespace cub {

struct DeviceSegmentedRadixSort {
  template <typename Key, typename Value, typename Begins, typename Ends>
  static cudaError_t SortPairs(void *scratch, std::size_t &bytes, const Key *keys, Key *sorted_keys,
                               const Value *values, Value *sorted_values, std::int64_t,
                               std::int64_t segments, Begins begins, Ends ends, int = 0,
                               int = 8 * sizeof(Key), cudaStream_t stream = nullptr) {
    if (scratch == nullptr) {
      bytes = 1;
      return cudaSuccess;
    }
    return emulation::Queue(stream, [=] {
      for (std::int64_t s = 0; s < segments; ++s) {
        emulation::SortPairs(keys, sorted_keys, values, sorted_values, begins[s], ends[s]);
      }
    });
  }
};

}  // namespace cub
