// The mini-batch that data-dependent TFMEMs look at: a few training rows as the network would see
// them before any training.
//
// May touch: src/core/data, src/core/random.h, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/data/dataset.h"

namespace trails {

struct ScoringBatch {
  std::int32_t rows = 0;
  std::int32_t inputs = 0;           // fields * embedding width
  std::int32_t outputs = 0;          // classes, or 1 for regression
  bool regression = false;           // mean squared error; else mean cross entropy
  std::vector<float> x;              // [rows, inputs], row-major
  std::vector<std::int32_t> labels;  // [rows] class index; empty for regression
  std::vector<float> targets;        // [rows] standardised number; empty for classes
};

inline constexpr std::int32_t kScoringRows = 32;
inline constexpr std::uint64_t kScoringEmbeddingPurpose = 0x62617463;  // of the embedding's stream

// Draws `rows` rows of the training split by `seed` (all of them, when it has fewer), without
// repetition, stratified by class: each class has its share, at least one row where the rows are
// no fewer than the classes. The order is random, so that the first m rows are a fair smaller
// batch. Numbers to predict are standardised as the trainer does.
// Inputs are the fields' vectors under the InitialEmbedding of the stream of
// kScoringEmbeddingPurpose: the trainer's own law.
// Cost: two passes over the training labels, some 2 ns a row; no embedding but the rows' own is
// drawn. Nothing is read from the source again.
ScoringBatch DrawScoringBatch(const Dataset &data, Encoding encoding, std::int32_t rows,
                              std::uint64_t seed);

}  // namespace trails
