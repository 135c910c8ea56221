// Encoders: how the columns of a table become the fields of a network.
//
// Fitted once on the training rows, kept in the model's artefact, used alike for training,
// evaluation and prediction. A column becomes one field (categorical or numeric) or two (a
// number and its categorical twin), or none when it is constant.
//
// Rules and evidence: docs/architecture.md, "Encodings".
//
// May touch: include/trails, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "kernels/gather_fields.h"
#include "trails/columns.h"
#include "trails/options.h"

namespace trails {

// z never leaves +-kFarthestZ: its square still fits a float, which the soft clip needs.
inline constexpr float kFarthestZ = 1e18F;

enum class FieldKind : std::uint8_t { kCategorical, kNumeric };

// One field. Ids are rows of the embedding table, first_id .. first_id + ids - 1.
struct Field {
  FieldKind kind = FieldKind::kCategorical;
  std::int32_t column = 0;  // index into Fields::columns
  std::int32_t first_id = 0;
  std::int32_t ids = 0;

  // Categorical: id first_id is shared by rare and never seen values; the value at position i
  // has first_id + 1 + i; NULL has null_id, which is first_id when training saw no NULL (or too
  // few). Exactly one of the two lists is used, by the column's kind; ascending.
  std::vector<std::string> texts;
  std::vector<std::int64_t> integers;

  // Numeric: z = (x - center) / scale. Slots: knots first_id .. first_id + knots.size() - 1,
  // then the value, then NULL when training saw one (null_id, else -1).
  double center = 0;
  double scale = 1;
  std::vector<float> knots;  // in units of z, ascending, >= 2 or none (encoding 'trails')
  bool soft_clip = true;

  std::int32_t null_id = -1;
};

// An input column of a model, as the artefact names it.
struct InputColumn {
  std::string name;
  std::string sql_type;
  ColumnKind kind = ColumnKind::kFloat;
};

struct FieldOptions {
  Encoding encoding = Encoding::kPiecewiseLinear;
  std::int32_t bins = 48;                // between the knots of a number; see BinsOf
  std::vector<std::string> categorical;  // integral columns: category only
  std::vector<std::string> numeric;      // columns of numbers: number only
  std::int32_t max_ids = 65'536;         // of one field; the most frequent values win
};

// Rows after encoding, row-major, as the gather kernel wants them: 4 bytes a categorical slot
// and 4 a numeric value.
struct EncodedRows {
  std::int64_t rows = 0;
  std::int32_t categorical = 0;
  std::int32_t numeric = 0;
  std::vector<std::int32_t> ids;  // [rows, categorical]
  std::vector<float> values;      // [rows, numeric], z; NaN = NULL

  std::int64_t bytes() const noexcept {
    return static_cast<std::int64_t>(ids.size() * sizeof(std::int32_t) +
                                     values.size() * sizeof(float));
  }
};

// All fields of a table.
struct Fields {
  std::vector<InputColumn> columns;  // only those that became fields, in table order
  std::vector<Field> fields;         // output positions
  std::int32_t table_rows = 0;       // rows of the embedding table

  std::int32_t categorical() const noexcept;
  std::int32_t numeric() const noexcept;
  kernels::FieldPlan Plan() const;

  // Encodes one row. cells [columns.size()], each of its column's kind; ids [categorical()],
  // values [numeric()]. z is kept within +-kFarthestZ, where infinities end too.
  void EncodeRow(std::span<const Cell> cells, std::int32_t *ids, float *values) const;

  // One line a field, for people: 'age: number, 48 knots, NULL'.
  std::string Describe() const;
};

// Fits the encoders to the rows `train` of the features, on at most `threads` threads; their
// number changes nothing in the result. `features` is in table order; columns that are constant,
// or of which no value is frequent enough for an id, are left out and named in `left_out`.
//
// Which fields a column of numbers becomes, where its training values (NULL and infinities
// apart) are all integral and D of them are distinct, whatever its SQL type:
//   D <= 2           a category
//   otherwise        a number, and a categorical twin beside it when D <= 128 with at least 20
//                    rows a value, or D > 128 with at least 10 rows a value and no value in 20 %
//                    of the rows: an identifier. No twin for dates, timestamps and intervals.
// Other numbers are numbers, text is a category. Encoding 'trails' has no twins.
//
// Throws Error(kBadData) when no field is left; Error(kInvalidArgument) when options name a
// column that is no feature, that is text (numeric) or not integral (categorical), or one column
// as both; Error(kCancelled) on stop, within the sort of one column.
// Cost: one sort of each numeric column's training values; 8 bytes a training row and thread.
// Source: the piecewise-linear encoding of Gorishniy et al., "On embeddings for numerical
// features in tabular deep learning", 2022. Different on purpose: values that hold 1/bins of the
// rows have a knot of their own, so that zero-inflated columns keep knots for the rest.
Fields FitFields(const std::vector<Column> &features, std::span<const std::int32_t> train,
                 const FieldOptions &options, std::int32_t threads,
                 std::vector<std::string> *left_out, const std::stop_token &stop = {});

// Encodes every row, 65,536 rows a time and thread, and frees those rows of the columns at once:
// the peak is the larger of the two forms plus one such block a thread and column. `features`
// holds the columns of `fields` by name, in any order; others are freed unread.
// Throws Error(kInvalidArgument) when a column is missing or of another kind; Error(kCancelled)
// on stop, within a block.
// Cost: about 5 ns a value.
EncodedRows EncodeAndRelease(const Fields &fields, std::vector<Column> *features,
                             std::int32_t threads, const std::stop_token &stop = {});

}  // namespace trails
