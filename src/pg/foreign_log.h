// What log_intermediate does: keeps activations of a model that was trained elsewhere.
//
// They cannot be computed again, so all of it is on the durable shelf: the values in the layer's
// scheme, in the order of arrival; one column more, in a column group of its own, with the ids of
// the rows; and the statistics, in trails.foreign_statistics. A last block that is not full is
// completed by the next batch, which writes it again: batches of a multiple of kBlockRows rows
// leave no garbage.
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/intermediates/scheme.h"
#include "pg/catalog_session.h"
#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"

namespace trails::pg {

// Columns of a foreign layer, at most.
inline constexpr std::int64_t kMostForeignColumns = 65'536;
// Rows of the first batch, at least, where the scheme is fitted to the values.
inline constexpr std::int64_t kLeastFittedRows = 1'000;

struct ForeignBatch {
  std::string name;
  std::string layer;
  std::int32_t epoch = 0;
  std::span<const std::int64_t> row_ids;  // [rows]
  std::span<const float> values;          // [rows, columns], row after row
  std::optional<Shape> shape;             // as it was; of a new layer one number for each column
  std::optional<Scheme> scheme;           // as it was; of a new layer trails.intermediate_scheme
};

// Appends the batch to a layer of what the caller logged under that name, which it makes if need
// be; returns the layer's rows. Quantisers are fitted to the first batch: later values outside its
// range become its ends in q8 and kbit, and are refused in f16 and pool where they would be
// infinite. Statistics are of the values as they came, pooled with a pooling scheme. Of several
// batches for one name at once each waits for the one before.
//
// Throws Error(kInvalidArgument) for no rows, another number of values than rows * columns, a row
// id that comes twice, another shape or scheme than the layer has, a scheme that does not fit the
// shape, a first batch of less than kLeastFittedRows in q8, kbit or threshold, values too large for
// the scheme; Error(kDuplicateObject) for row ids that the layer has already, and for a name that a
// model or pipeline of the caller has; Error(kLimit) beyond kMostForeignColumns; PgError.
// Memory: the values of the batch twice. Cost: 17 ns of one core a value in q8 and threshold, 25 in
// kbit, 30 in f16, 40 in f32, most of it compressing and writing; 5 in stats; and 2 us a column.
std::int64_t LogForeign(const ForeignBatch &batch);

// The column group of a foreign layer's row ids: one column of 8 bytes, after all others.
ColumnGroup RowIdGroup(const IntermediateRow &layer);

// Refuses an id that comes twice. Throws Error(kInvalidArgument).
void RefuseRepeatedIds(std::span<const std::int64_t> row_ids);

// The number of what the caller logged under the name, locked until the transaction ends; nothing
// where there is none. Throws Error(kDuplicateObject) where it is a pipeline; PgError.
std::optional<std::int64_t> LockForeign(CatalogSession &catalog, std::string_view name);

}  // namespace trails::pg
