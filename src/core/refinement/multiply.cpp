#include "core/refinement/multiply.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

namespace trails {

namespace {
constexpr std::int64_t kPieceFlop = 1'000'000'000;
}  // namespace

void Multiply(const at::Tensor &a, const at::Tensor &b, at::Tensor &out,
              const Interrupt &interrupt) {
  const std::int64_t rows = a.size(0);
  const std::int64_t row_flop = std::max<std::int64_t>(2 * a.size(1) * b.size(1), 1);
  const std::int64_t piece = std::max<std::int64_t>(kPieceFlop / row_flop, 1);
  interrupt.Check();
  if (rows <= piece) {
    at::mm_out(out, a, b);
    return;
  }
  for (std::int64_t first = 0; first < rows; first += piece) {
    const std::int64_t count = std::min(piece, rows - first);
    at::Tensor part = out.narrow(0, first, count);
    at::mm_out(part, a.narrow(0, first, count), b);
    interrupt.Check();
  }
}

at::Tensor ViewMatrix(const float *data, std::int64_t rows, std::int64_t columns) {
  return at::from_blob(const_cast<float *>(data), {rows, columns}, at::kFloat);
}

struct EngineThreadScope::State {
  c10::InferenceMode inference;
};

EngineThreadScope::EngineThreadScope() : state_(new State) {
  at::set_num_threads(1);
}

EngineThreadScope::~EngineThreadScope() {
  delete state_;
}

}  // namespace trails
