// The ids that SQL has for the rows of a layer, and their positions in it.
//
// The rows of a model are named by their position, from 1. A foreign layer's rows have the ids that
// they were logged with, in the order of arrival; those of a pipeline's stage their row_id,
// ascending.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/intermediate_catalog.h"

namespace trails::pg {

class RowIds {
 public:
  // Reads them where they are no positions. They may be of rows that were logged since `layer` was
  // looked up, too. Throws Error(kCorruptData), PgError. Memory: 8 bytes a row. Cost: some 25 us a
  // block of 1,000 rows, measured beside other work.
  explicit RowIds(const IntermediateRow &layer);

  bool are_positions() const noexcept { return is_positions_; }

  // Of a position from 0, inside the layer.
  std::int64_t IdOf(std::int64_t position) const {
    return is_positions_ ? position + 1 : ids_.at(static_cast<std::size_t>(position));
  }

  // Throws Error(kInvalidArgument) for an id that the layer does not have; of ids that are
  // positions PlanQuery does.
  std::int64_t PositionOf(std::int64_t id) const;
  // In the order of `ids`. Cost: where ids do not ascend, one sort of all of them.
  std::vector<std::int64_t> PositionsOf(const std::vector<std::int64_t> &ids) const;

  // The first position at which the ids of the two differ, of the first `rows`; `rows` for none.
  std::int64_t FirstDifference(const RowIds &other, std::int64_t rows) const;

 private:
  std::vector<std::int64_t> ReadIds(const IntermediateRow &layer) const;

  std::string layer_;
  bool is_positions_;
  std::vector<std::int64_t> ids_;  // [rows]; empty where they are positions
};

}  // namespace trails::pg
