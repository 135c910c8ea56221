// Which row of one layer is which of another: of two models, or of two versions of one.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pg/intermediate_reader.h"

namespace trails::pg {

// Positions from 0 in a and in b; both empty where all rows are paired and row i of one is row i of
// the other.
struct RowPairs {
  std::vector<std::int64_t> a;  // ascending
  std::vector<std::int64_t> b;  // each once

  bool in_place() const noexcept { return a.empty(); }
};

// Pairs of the rows that the models were logged with. Row i of one is row i of the other, if
//
//   * they are one data set; or
//   * both have a key, and the keys are equal, row by row, none of them NULL and none repeated; or
//   * the models see the same: equal columns, encoded by equal encoders, are equal in every row,
//     whatever label and key stand beside them. Keys of one column that differ overrule this.
//
// Else, where both have the same column for key, rows are paired by the keys that name one row of
// each; a NOTICE tells how many rows each has alone. Throws Error(kInvalidArgument), whose DETAIL
// tells rows and keys and how they differ, where none of this is so.
//
// Rows of a foreign layer or of a pipeline's stage are paired in place, by equal row ids. Throws
// Error(kInvalidArgument) where these differ, Error(kNotSupported) for a stage beside what is none.
//
// Cost: where both have a key, 2 us a row. Memory: then 56 bytes a row, of which 16 stay unless
// rows are paired in place.
RowPairs PairRows(const IntermediateQuery &a, const IntermediateQuery &b);

// As ReadSideBySide of a and b, which ask for all rows unless they are paired in place, but of the
// pairs: a row of a block has the columns of a, then those of b, and the row_id that it has in a.
// Throws as ReadSideBySide. Memory: some 32 MB besides. Cost: pairs that are not in place are read
// in pieces that fill this, so that a block of b is read again for each piece that has a row of it:
// once or twice as long as the orders of both are much the same.
void ReadPairs(const IntermediateQuery &a, const IntermediateQuery &b, const RowPairs &pairs,
               const std::function<void(const ColumnBlock &)> &sink);

}  // namespace trails::pg
