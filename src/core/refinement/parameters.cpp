#include "core/refinement/parameters.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <iterator>

namespace trails {

namespace {
constexpr std::int64_t kAlignment = 16;   // floats: one cache line, one AVX-512 register
constexpr std::int64_t kPiece = 1 << 15;  // some 50 us; five arrays of it fit a core's cache
constexpr std::int64_t kUninterrupted = 1 << 20;  // some 5 ms
}  // namespace

std::size_t Parameters::AddBlock(std::int64_t count, bool decays) {
  blocks_.push_back({size_, count, decays});
  size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
  return blocks_.size() - 1;
}

void Parameters::Allocate() {
  for (at::Tensor *array : {&value_, &gradient_, &first_moment_, &second_moment_, &average_}) {
    *array = at::zeros({size_}, at::kFloat);
  }
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    for (std::int64_t first = 0; first < blocks_[b].count; first += kPiece) {
      pieces_.push_back({b, first, std::min(kPiece, blocks_[b].count - first)});
    }
  }
}

void Parameters::Update(const kernels::AdamWStep &step, const Interrupt &interrupt, Team *team) {
  float *const value = value_.mutable_data_ptr<float>();
  const float *const gradient = gradient_.const_data_ptr<float>();
  float *const first_moment = first_moment_.mutable_data_ptr<float>();
  float *const second_moment = second_moment_.mutable_data_ptr<float>();
  float *const average = average_.mutable_data_ptr<float>();
  team->Run(std::ssize(pieces_), [&](std::int64_t i) {
    const Piece &piece = pieces_[static_cast<std::size_t>(i)];
    const Block &block = blocks_[piece.block];
    if (block.count > kUninterrupted) interrupt.Check();
    kernels::AdamWStep of_block = step;
    if (!block.decays) of_block.decay = 0;
    const std::int64_t at = block.offset + piece.first;
    kernels::AdamWCpu(value + at, gradient + at, first_moment + at, second_moment + at,
                      average + at, piece.count, of_block);
  });
}

}  // namespace trails
