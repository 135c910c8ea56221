// Which members of a cohort are computed side by side: classes of equal depth whose layers are
// padded to common widths.
//
// One class is one batched product a layer, so that few classes mean few kernels to start; but
// every member of a class pays for its widest. A cost model weighs the one against the other.
//
// May touch: src/core/space, src/core/coordinator/cost_model.h. Never Torch, CUDA or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/coordinator/cost_model.h"
#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// How fast a card is, as far as a cohort's steps are concerned.
struct CardRates {
  double kernel_seconds = 0;            // from one kernel of a captured graph to the next
  double multiply_adds_per_second = 0;  // of batched products
  double bytes_per_second = 0;          // of the card's memory
};

// An H100 SXM by its data sheet: 67 TFLOP/s in float32, 495 in TF32, 989 in BF16 (dense), 3.35
// TB/s; and 1.5 us a kernel, a usual figure for graphs. Nothing of it is measured: narrow layers
// reach a fraction of the peak, which moves all classes alike.
CardRates DataSheetRates(Precision precision) noexcept;

inline constexpr std::int32_t kWidthStep = 8;  // padded widths are multiples of it: 32-byte rows
constexpr std::int32_t PaddedWidth(std::int64_t width) noexcept {
  return static_cast<std::int32_t>((width + kWidthStep - 1) / kWidthStep * kWidthStep);
}

// Members that are computed side by side.
struct WidthClass {
  HiddenWidths padded;                // >= all members' widths, layer by layer
  std::vector<std::int32_t> members;  // ascending positions in the list that was laid out
};

struct CohortLayout {
  std::vector<WidthClass> classes;  // fewer layers first, then by their first members
  double waste = 0;                 // multiply-adds with padding / without - 1; >= 0
  double step_seconds = 0;          // of one mini-batch of all classes, by the model
};

// Work of one mini-batch of a network of these widths, its embedding included.
struct CardWork {
  double multiply_adds = 0;  // forward, gradients of inputs, gradients of weights
  double bytes = 0;          // that the kernels move through the card's memory
};
CardWork WorkOnCard(const TableShape &shape, const HiddenWidths &widths) noexcept;

// Kernels of one mini-batch of a class of `layers` hidden layers.
std::int64_t KernelsOfStep(std::size_t layers) noexcept;

// Lays out `members` (one at least, each of one layer at least). Starts with a class for each
// distinct list of padded widths and merges the two that gain most, as long as any gain: good
// classes, not provably the best ones. Never dearer by the model than a class each.
// Depends on the widths only, not on their order but for the numbering.
// Cost: distinct widths squared; some 2 ms for 500.
CohortLayout LayOut(std::span<const HiddenWidths> members, const TableShape &shape,
                    const CardRates &rates);

}  // namespace trails
