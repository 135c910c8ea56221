// How the embedding table of every network starts: the law of the trainer, row by row, so that the
// filtering phase sees the same inputs without drawing a table of a million rows.
//
// May touch: include/trails, src/core/random.h, src/kernels.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/random.h"
#include "kernels/gather_fields.h"
#include "trails/options.h"

namespace trails {

inline constexpr std::int32_t kEmbeddingWidth = 10;  // as in the papers

// Rows [kEmbeddingWidth] of one initial embedding table.
//   encoding trails:            uniform in +-sqrt(6 / (table rows + width)), Xavier over the table
//   encoding piecewise_linear:  normal, deviation 0.01; 0.1 for the value slots of numbers
class InitialEmbedding {
 public:
  // `random` decides the table; rows are drawn from it by their position, so in any order.
  InitialEmbedding(const kernels::FieldPlan &plan, Encoding encoding, RandomStream random);

  // Row `id` of the table. Cost: some 0.2 us.
  void DrawRow(std::int32_t id, float *row) const;
  // All rows, [plan.table_rows, kEmbeddingWidth].
  void DrawTable(float *table) const;
  // The stream behind the table's draws: what is drawn next does not depend on it.
  RandomStream rest() const noexcept;

 private:
  RandomStream random_;
  Encoding encoding_;
  std::int32_t rows_;
  std::vector<std::pair<std::int32_t, std::int32_t>> value_rows_;  // id, position among numbers
};

}  // namespace trails
