// Runs a stored model over a relation, a block of rows at a time.
//
// May touch: src/core/model, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <functional>

#include "pg/encoded_scan.h"
#include "pg/model_cache.h"

namespace trails::pg {

// Rows in the order of the scan. Everything is valid during the call of the sink only.
struct PredictedBlock {
  std::int64_t rows = 0;
  std::int32_t outputs = 1;
  const float *predictions = nullptr;  // [rows, outputs], as Predictor::Predict writes them
  const Datum *keys = nullptr;         // [rows], text
  const bool *key_is_null = nullptr;   // [rows]
  const Column *target = nullptr;      // [rows], of the model's kind; null unless asked for
};

// Reads the model's columns of the relation under the caller's rights and row security, through a
// cursor, and hands each predicted block to `sink`. Memory: one block.
// Throws what DescribeColumns throws for the model's columns; Error(kUndefinedColumn) for the key;
// PgError, also on cancel between two blocks; what the sink throws.
// Cost: some 2 us a row besides the network.
void PredictRelation(LoadedModel &model, const ScanRequest &request,
                     const std::function<void(const PredictedBlock &)> &sink);

// The index of the largest output, the first of equals.
std::int32_t LargestOutput(const float *outputs, std::int32_t count) noexcept;

}  // namespace trails::pg
