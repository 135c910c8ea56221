// Where the trainable numbers of networks of equal depth lie in one flat array: of a group of
// members padded to common widths, or of one member as it is.
//
// May touch: src/core/data, src/core/space. Never Torch, CUDA or PostgreSQL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/data/embedding.h"
#include "core/space/candidate.h"

namespace trails {

// One matrix a member, [members, rows, columns], from `offset` on.
struct Section {
  std::int64_t offset = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  std::int64_t numbers() const noexcept { return rows * columns; }  // of a member
};

// What decays comes first: table, weights; then gammas, betas and the output layer's bias. Each
// section starts at a multiple of kSectionNumbers; numbers between sections belong to nobody and
// stay zero.
struct NetworkSections {
  static constexpr std::int64_t kSectionNumbers = 64;  // floats: two lines of a card's memory

  std::int64_t members = 0;
  Section table;                 // [table rows, kEmbeddingWidth]
  std::vector<Section> weights;  // [hidden + 1] of [outputs, inputs], the output layer's last
  std::vector<Section> gammas;   // [hidden] of [1, width]
  std::vector<Section> betas;    // [hidden] of [1, width]
  Section bias;                  // [1, outputs]
  std::int64_t decaying = 0;     // numbers, from the start
  std::int64_t count = 0;        // numbers of the whole array

  std::size_t hidden() const noexcept { return gammas.size(); }
  // All of them, in their order.
  std::vector<Section> All() const;
};

// Of `members` networks over `table_rows` embedding rows and `inputs` inputs.
NetworkSections SectionsOf(std::int64_t members, std::int64_t table_rows, std::int64_t inputs,
                           const HiddenWidths &widths, std::int64_t outputs);

}  // namespace trails
