// The trainable numbers of one network: values, gradients, Adam's moments and the moving
// average, each one flat array, so that a step is one pass over memory.
//
// May touch: Torch (as the owner of aligned memory), src/core/refinement, src/kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/interrupt.h"
#include "core/refinement/team.h"
#include "kernels/adamw.h"

namespace trails {

class Parameters {
 public:
  // Adds a block of `count` numbers, before Allocate; returns its index. Only blocks that decay
  // feel the weight decay.
  std::size_t AddBlock(std::int64_t count, bool decays);
  // Allocates all arrays, zeroed. Throws std::bad_alloc or c10::Error out of memory.
  void Allocate();

  float *value(std::size_t block) { return At(value_, block); }
  float *gradient(std::size_t block) { return At(gradient_, block); }
  const float *average(std::size_t block) const {
    return average_.const_data_ptr<float>() + blocks_[block].offset;
  }
  std::int64_t count(std::size_t block) const { return blocks_[block].count; }

  // One step of AdamW over all blocks, by the threads of `team`; step.decay applies to the blocks
  // that decay. Checks `interrupt` while it updates blocks of more than a million numbers; when it
  // throws, the step is half done. Smaller blocks are never interrupted.
  void Update(const kernels::AdamWStep &step, const Interrupt &interrupt, Team *team);

  // Bytes that `count` parameters need.
  static std::int64_t Bytes(std::int64_t count) noexcept { return count * 5 * 4; }

 private:
  struct Block {
    std::int64_t offset;
    std::int64_t count;
    bool decays;
  };
  struct Piece {
    std::size_t block;
    std::int64_t first;  // within the block
    std::int64_t count;
  };
  float *At(at::Tensor &array, std::size_t block) {
    return array.mutable_data_ptr<float>() + blocks_[block].offset;
  }

  std::vector<Block> blocks_;
  std::vector<Piece> pieces_;  // that one thread updates at a time
  std::int64_t size_ = 0;
  at::Tensor value_, gradient_, first_moment_, second_moment_, average_;
};

}  // namespace trails
