#include "core/refinement/parameters.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

namespace trails {

namespace {
constexpr std::int64_t kAlignment = 16;   // floats: one cache line, one AVX-512 register
constexpr std::int64_t kPiece = 1 << 20;  // some 10 ms
constexpr float kLongestAverage = 0.995f;
}  // namespace

float AverageDecay(std::int64_t step) {
  if (step <= 1) return 0.0f;
  const auto t = static_cast<float>(step);
  return std::min(kLongestAverage, (1.0f + t) / (10.0f + t));
}

std::size_t Parameters::AddBlock(std::int64_t count, bool decays) {
  blocks_.push_back({size_, count, decays});
  size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
  return blocks_.size() - 1;
}

void Parameters::Allocate() {
  for (at::Tensor *array : {&value_, &gradient_, &first_moment_, &second_moment_, &average_}) {
    *array = at::zeros({size_}, at::kFloat);
  }
}

void Parameters::Update(kernels::AdamWStep step, const Interrupt &interrupt) {
  const float decay = step.decay;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    step.decay = blocks_[b].decays ? decay : 0.0f;
    for (std::int64_t first = 0; first < blocks_[b].count; first += kPiece) {
      if (first > 0) interrupt.Check();
      kernels::AdamWCpu(value(b) + first, gradient(b) + first, At(first_moment_, b) + first,
                        At(second_moment_, b) + first, At(average_, b) + first,
                        std::min(kPiece, blocks_[b].count - first), step);
    }
  }
}

}  // namespace trails
