// What the kernels of a cohort have in common: how many models train in the same steps, on how many
// rows, and how wide their layers are.
//
// A cohort's group has `members` networks of equally many layers. Layer l is padded to one width,
// a multiple of 8, for all of them; what a member does not use of it is zero and stays zero by
// itself: weights, gamma and beta of padding are zero, hence activations and gradients, and AdamW
// keeps a zero whose gradient is zero. Arrays are row-major, float unless said, members first.
//
// May touch: the C++ standard library.
#pragma once

#include <cstdint>

namespace trails::kernels {

inline constexpr std::int32_t kCohortWidth = 10;         // of an embedding row, kEmbeddingWidth
inline constexpr std::int32_t kMostBatchRows = 2048;     // BatchRows() never gives more
inline constexpr std::int32_t kPaddedWidthMultiple = 8;  // of hidden layers and of the input

struct CohortShape {
  std::int32_t members = 0;
  std::int32_t batch = 0;  // rows of each member, 2 .. kMostBatchRows in training
};

// One hidden layer of all members.
struct CohortLayer {
  std::int32_t padded = 0;                       // its width, a multiple of kPaddedWidthMultiple
  const std::int32_t *widths = nullptr;          // [members] true widths, 1 .. padded
  const float *dropout = nullptr;                // [members] in [0, 1)
  const std::uint32_t *dropout_seeds = nullptr;  // [members] of this step, from CohortBeginStep
};

// What changes from step to step and must not be an argument of a captured launch. In device
// memory; CohortBeginStep advances it.
struct CohortStep {
  std::int64_t steps = 0;     // begun; what the host writes before the first step, 0 or more
  std::int64_t position = 0;  // of the present mini-batch in its epoch
  // Of AdamW and of the moving averages, as AdamWStep names them.
  float learning_rate = 0;
  float decay = 0;
  float average_decay = 0;
  // What AdamWCpu computes of them.
  float rate = 0;    // learning_rate / (1 - beta1^t)
  float spread = 0;  // 1 / sqrt(1 - beta2^t)
  float shrink = 0;  // 1 - learning_rate * decay
  float follow = 0;  // 1 - average_decay
};

// Which rows of the table the members look at: member m's row b is
// rows[m * member_stride + first + b], first = step->position * batch, or 0 without a step.
struct CohortRows {
  const std::int32_t *rows = nullptr;
  std::int64_t member_stride = 0;  // 0: all members look at the same rows
  const CohortStep *step = nullptr;
};

}  // namespace trails::kernels
