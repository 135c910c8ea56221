// Starts a kernel. For .cu files.
//
// May touch: the CUDA runtime, include/trails. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "trails/error.h"

namespace trails::kernels {

inline constexpr unsigned kThreads = 256;  // of a block, where a kernel has no reason for another

// Blocks of kThreads threads that have a thread for each of `count` elements, at least one.
inline unsigned BlocksFor(std::int64_t count) {
  constexpr std::int64_t kMost = 2'147'483'647;
  return static_cast<unsigned>(
      std::clamp<std::int64_t>((count + kThreads - 1) / kThreads, 1, kMost));
}

// Queues kernel(arguments...) on `stream`; returns before it has run. No launch with <<< >>>, which
// only nvcc can read: the tests compile kernels with g++ too, and run them without a card.
// Throws Error(kDevice) when the launch is refused.
template <typename... Parameters, typename... Arguments>
void Launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t stream,
            Arguments &&...arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  const cudaError_t error =
      cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
  if (error != cudaSuccess) {
    throw Error(ErrorKind::kDevice, "could not start a CUDA kernel",
                std::string("CUDA says: ") + cudaGetErrorString(error) + ".");
  }
}

}  // namespace trails::kernels
