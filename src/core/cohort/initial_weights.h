// How every network starts: the draws of one seed, whoever trains it and wherever.
//
// May touch: src/core/data, src/core/refinement/trainer_options.h, src/kernels. Never Torch or
// PostgreSQL.
#pragma once

#include <cstdint>
#include <span>

#include "core/refinement/trainer_options.h"
#include "kernels/gather_fields.h"

namespace trails {

// Where the numbers of one Linear and its BatchNorm are to be written.
struct InitialLayer {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  float *weight = nullptr;  // [outputs, inputs]
  float *gamma = nullptr;   // [outputs]; null: the output layer
  float *beta = nullptr;    // [outputs]; the bias of the output layer
};

// Writes table [plan.table_rows, kEmbeddingWidth] and all layers, the output layer last, as
// options.seed decides them: the embedding as InitialEmbedding, weights as torch.nn.Linear, gamma 1
// and beta 0. Cost: some 5 ns a weight, 0.2 us a row of the table.
void DrawInitialWeights(const kernels::FieldPlan &plan, const TrainerOptions &options, float *table,
                        std::span<const InitialLayer> layers);

// Seed of the order in which a network of `seed` sees the training rows (BatchOrder).
std::uint64_t OrderSeed(std::uint64_t seed) noexcept;

}  // namespace trails
