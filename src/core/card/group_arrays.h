// The memory of one group of a cohort on the card: members of equally many layers, padded to common
// widths. One allocation, cut up by a rule that foretells its size.
//
// May touch: src/core/cohort, src/kernels. Plain pointers into memory of the card.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/cohort/sections.h"
#include "core/space/candidate.h"
#include "kernels/cohort_adamw.h"
#include "kernels/cohort_gather.h"
#include "kernels/cohort_loss.h"
#include "kernels/cohort_norm.h"
#include "kernels/cohort_order.h"
#include "kernels/cohort_shape.h"

namespace trails {

// M = members, B = batch, I = padded_inputs, O = outputs, P_l = padded[l].
struct GroupShape {
  std::int32_t members = 0;
  HiddenWidths padded;  // multiples of kWidthStep
  std::int32_t batch = 0;
  std::int32_t outputs = 0;
  std::int32_t fields = 0;
  std::int32_t numeric = 0;
  std::int32_t table_rows = 0;
  std::int32_t train_rows = 0;

  std::int32_t padded_inputs() const noexcept;
  std::int32_t hidden() const noexcept { return static_cast<std::int32_t>(padded.size()); }
  // Width of what layer l reads, padded; l = hidden(): the output layer.
  std::int32_t InputsOf(std::size_t l) const noexcept {
    return l == 0 ? padded_inputs() : padded[l - 1];
  }
  kernels::CohortShape step_shape() const noexcept { return {members, batch}; }
  kernels::CohortOrderShape order_shape() const noexcept { return {members, train_rows, batch}; }
  NetworkSections Sections() const {
    return SectionsOf(members, table_rows, padded_inputs(), padded, outputs);
  }
};

// One hidden layer; [M, B, P] but for what says otherwise.
struct HiddenArrays {
  float *z = nullptr;  // the product, without a bias
  float *h = nullptr;
  float *dh = nullptr;
  float *mean = nullptr;  // [M, P], as the next three
  float *inv = nullptr;
  kernels::CohortMoments moments;
  std::int32_t *widths = nullptr;  // [M]
  float *dropout = nullptr;        // [M]
};

struct GroupArrays {
  kernels::CohortParameters parameters;  // [Sections().count]
  float *knots = nullptr;                // [M, table rows, 10]; without numbers: values' table
  std::int64_t *table_sums = nullptr;    // [M, table rows, 10]
  float *input = nullptr;                // [M, B, I], as its gradient
  float *input_gradient = nullptr;
  kernels::CohortSlots slots;
  std::vector<HiddenArrays> layers;
  float *logits = nullptr;         // [M, B, O]
  double *loss_scratch = nullptr;  // CohortLossScratch
  kernels::CohortLosses losses;
  kernels::CohortStep *step = nullptr;
  std::uint64_t *seeds = nullptr;  // [M], as the next two
  std::uint64_t *order_seeds = nullptr;
  float *bend = nullptr;
  std::uint32_t *dropout_seeds = nullptr;  // [hidden, M]
  std::int32_t *order = nullptr;           // [M, epoch rows]
  std::int32_t *tile_counts = nullptr;
  void *workspace = nullptr;  // BatchedProducts::kWorkspaceBytes
};

// The arrays in `memory` of GroupBytes(shape), aligned to 256. Cost: no more than arithmetic.
GroupArrays CutGroup(const GroupShape &shape, std::byte *memory);
std::int64_t GroupBytes(const GroupShape &shape);

}  // namespace trails
