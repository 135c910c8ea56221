// Where inputs, paths and candidates of the trie of prefixes stand. For .cu files, after
// <cuda_runtime.h>.
//
// May touch: src/kernels.
#pragma once

#include "kernels/trie_layer.h"

namespace trails::kernels {

// The products of one input of a layer: [first, end) of its widths, the first going to `output`.
struct TrieProducts {
  std::int64_t input;
  std::int32_t first;
  std::int32_t end;
  std::int64_t output;
};

__device__ __forceinline__ TrieProducts ProductsOf(const TrieLayer &layer, std::int64_t input) {
  if (layer.prefixes == nullptr) return {input, 0, layer.widths, input * layer.widths};
  const std::int32_t prefix = layer.prefixes[input];
  const std::int32_t stop = prefix % layer.widths;
  return {prefix / layer.widths, stop, stop + 1, input};
}

__device__ __forceinline__ std::int64_t CandidateOf(const TrieLeaves &leaves, std::int64_t leaf) {
  return leaves.first + leaves.prefixes[leaf / leaves.below] * leaves.below + leaf % leaves.below;
}

__device__ __forceinline__ std::int64_t PathOf(const TrieLeaves &leaves, std::int64_t leaf) {
  return leaves.layers <= 2 ? leaves.prefixes[leaf] : leaf;
}

}  // namespace trails::kernels
