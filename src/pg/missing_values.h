// Which values of a layer there are none of: those that SQL shows as NULL. What a network computed
// as NaN, and what was logged as NaN, is a value, and stays NaN.
//
// A pipeline's stage has no value where its row has NULL; a model's loss has none for a row without
// a label, or with one that the model does not know. Everything else has all values.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/intermediates/column_block.h"
#include "pg/intermediate_reader.h"

namespace trails::pg {

class MissingValues {
 public:
  // Of the query's layer and rows. Throws as RequireColumns and LoggedInputs. Memory: of a loss
  // 1 byte a row. Cost: of a loss that of reading the labels of the rows.
  explicit MissingValues(const IntermediateQuery &query);

  // value: as ReadIntermediate gave it; row_id: as in the block, from 1.
  bool IsMissing(float value, std::int64_t row_id) const {
    if (!no_label_.empty()) return no_label_[static_cast<std::size_t>(row_id - 1)] != 0;
    return is_stage_ && IsNoValue(value);
  }

 private:
  bool is_stage_;
  std::vector<std::uint8_t> no_label_;  // [rows] of a loss, set in the query's blocks; else empty
};

}  // namespace trails::pg
