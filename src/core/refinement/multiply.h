// Matrix products by LibTorch, in pieces short enough to be interrupted.
//
// May touch: Torch, src/core/refinement.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/interrupt.h"

namespace trails {

// out [m, n] = a [m, k] * b [k, n], all float32; strides may be any that at::mm takes.
// Checks `interrupt` before each piece of at most 1 GFLOP (some 10 to 20 ms on one thread).
// Throws what Interrupt::Check throws; `out` is then partly written.
void Multiply(const at::Tensor &a, const at::Tensor &b, at::Tensor &out,
              const Interrupt &interrupt);

// View of `count` floats at `data` as [rows, columns]; the memory must outlive it.
at::Tensor ViewMatrix(const float *data, std::int64_t rows, std::int64_t columns);

// Makes the calling thread compute with one thread and without gradients. Every engine thread
// that calls Torch holds one.
class EngineThreadScope {
 public:
  EngineThreadScope();
  ~EngineThreadScope();
  EngineThreadScope(const EngineThreadScope &) = delete;
  EngineThreadScope &operator=(const EngineThreadScope &) = delete;

 private:
  struct State;
  State *state_;
};

}  // namespace trails
