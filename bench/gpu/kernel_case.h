// What kernels_bench measures: one launch of a kernel, with the bytes and multiply-adds it cannot
// do without.
//
// May touch: src/core/card/runtime.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/card/runtime.h"

namespace trails::bench {

struct KernelCase {
  std::string name;          // "cohort_adamw"
  std::string shape;         // for people
  double bytes = 0;          // each input read once, each output written once
  double multiply_adds = 0;  // 0 where memory is all that counts
  // Queues the work once. Owns what it works on.
  std::function<void(const CardStream &stream)> run;
};

// tiny: sizes for the emulation, where a thread of a block takes microseconds.
std::vector<KernelCase> CohortKernelCases(bool tiny);
std::vector<KernelCase> TableKernelCases(bool tiny);
std::vector<KernelCase> TrieKernelCases(bool tiny);

}  // namespace trails::bench
