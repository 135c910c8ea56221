// The random numbers of core/random.h and of kernels/batch_norm.cpp, for kernels: any draw of a
// stream by its number. For .cu files.
//
// May touch: the CUDA runtime.
#pragma once

#include <cstdint>

#include "kernels/launch.h"

namespace trails::kernels {

// Draw `number`, from 0, of RandomStream(seed).
__device__ __forceinline__ std::uint64_t DrawOf(std::uint64_t seed, std::uint64_t number) {
  std::uint64_t z = seed + (number + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// 32 well-mixed bits of a counter: the hash that decides which units dropout keeps.
__device__ __forceinline__ std::uint32_t MixBits(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

}  // namespace trails::kernels
