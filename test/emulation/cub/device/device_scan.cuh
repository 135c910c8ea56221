// cub::DeviceScan on the CPU.
#pragma once

#include <type_traits>

#include "cuda_runtime.h"

namespace cub {

struct DeviceScan {
  template <typename In, typename Out>
  static cudaError_t ExclusiveSum(void *scratch, std::size_t &bytes, In in, Out out,
                                  std::int64_t count, cudaStream_t stream = nullptr) {
    if (scratch == nullptr) {
      bytes = 1;
      return cudaSuccess;
    }
    return emulation::Queue(stream, [=] {
      std::decay_t<decltype(out[0])> sum{};
      for (std::int64_t i = 0; i < count; ++i) {
        const auto next = in[i];
        out[i] = sum;
        sum = static_cast<decltype(sum)>(sum + next);
      }
    });
  }
};

}  // namespace cub
