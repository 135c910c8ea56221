// cub::DeviceRadixSort on the CPU.
#pragma once


#include "cuda_runtime.h"
#include "cub/stable_sort.h"

namespace cub {

struct DeviceRadixSort {
  template <typename Key>
  static cudaError_t SortKeys(void *scratch, std::size_t &bytes, const Key *keys, Key *sorted_keys,
                              std::int64_t count, int = 0, int = 8 * sizeof(Key),
                              cudaStream_t stream = nullptr) {
    if (scratch == nullptr) {
      bytes = 1;
      return cudaSuccess;
    }
    return emulation::Queue(stream, [=] {
      std::copy_n(keys, count, sorted_keys);
      std::sort(sorted_keys, sorted_keys + count);
    });
  }
  template <typename Key, typename Value>
  static cudaError_t SortPairs(void *scratch, std::size_t &bytes, const Key *keys, Key *sorted_keys,
                               const Value *values, Value *sorted_values, std::int64_t count,
                               int = 0, int = 8 * sizeof(Key), cudaStream_t stream = nullptr) {
    if (scratch == nullptr) {
      bytes = 1;
      return cudaSuccess;
    }
    return emulation::Queue(stream, [=] {
      emulation::SortPairs(keys, sorted_keys, values, sorted_values, 0, count);
    });
  }
};

}  // namespace cub
