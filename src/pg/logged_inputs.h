// The encoded rows of a data set, kept on the durable shelf: what every layer can be computed from
// again.
//
// They are an intermediate of their own (trails.dataset.intermediate_id), whose columns are, in
// this order: the ids of the categorical fields (4 bytes each), the values of the numeric ones (4),
// the label (8, double, NaN for none); with a key two more: where each row's key ends in the
// block's text (8, the highest bit set for NULL), and that text (1 byte an element, as many as
// there are); and where the split is known, SplitPart (1).
//
// May touch: src/core/intermediates, include/trails, PostgreSQL headers (through bridge.h). Never
// Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/intermediates/layer_pass.h"
#include "pg/input_rows.h"
#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"

namespace trails::pg {

// Writes rows as they come, a block at a time. Opens sessions of the catalog by itself, so that
// the rows may come from a scan under the caller's rights.
class InputWriter {
 public:
  // `intermediate`: a number that has no rows yet.
  InputWriter(std::int64_t intermediate, std::int32_t categorical, std::int32_t numeric,
              bool has_key, bool has_split);

  // Throws PgError; Error(kLimit) where the keys of 1,000 rows are beyond kLargestChunk.
  // Cost: some 1 us a row.
  void Put(const InputRow &row);
  // Writes the rows that make no whole block. Call it once, after the last.
  void Finish();

  std::int64_t rows() const noexcept { return rows_; }
  const WrittenGroup &written() const noexcept { return written_; }

 private:
  void PutBlock();

  std::int64_t intermediate_;
  std::int32_t categorical_;
  std::int32_t numeric_;
  bool has_key_;
  bool has_split_;
  std::int64_t rows_ = 0;
  std::vector<std::string> elements_;  // [columns], of the block being filled
  std::vector<std::int32_t> widths_;   // [columns]
  WrittenGroup written_;
};

// Rows of one block of logged rows.
struct InputBlock {
  std::int64_t first_row = 0;  // position of the block's first row
  std::int64_t rows = 0;
  std::vector<std::int32_t> ids;                 // [rows, categorical]
  std::vector<float> values;                     // [rows, numeric]
  std::vector<double> labels;                    // [rows]: class index or number, NaN for none
  std::vector<std::optional<std::string>> keys;  // [rows], nothing for NULL; see ReadKeys
  std::vector<std::optional<SplitPart>> parts;   // [rows], nothing where it is not known; ReadParts

  LayerInput input() const noexcept { return {ids.data(), values.data(), labels.data(), rows}; }
};

// Reads them back. Inside WithCatalog, and not for longer.
class LoggedInputs {
 public:
  // `blocks`, ascending: those that will be read. Throws as GroupReader.
  LoggedInputs(CatalogSession &catalog, const DatasetRow &dataset,
               std::vector<std::int32_t> blocks);

  std::int32_t categorical() const noexcept { return categorical_; }
  std::int32_t numeric() const noexcept { return numeric_; }

  // Ids, values and labels of blocks[index]; keys are left alone. Throws Error(kCorruptData) with
  // the block's name; PgError. Cost: some 50 us for 40 columns.
  void Read(std::size_t index, InputBlock *block);
  // The same of some of its rows, positions within the block, ascending.
  void Read(std::size_t index, std::span<const std::int32_t> rows, InputBlock *block);
  // Labels alone.
  void ReadLabels(std::size_t index, InputBlock *block);
  // Keys alone; all NULL where none were logged.
  void ReadKeys(std::size_t index, InputBlock *block);

  // Parts of the split alone.
  void ReadParts(std::size_t index, InputBlock *block);

  // As GroupReader, of all of them together.
  ReadWork work() const noexcept;
  double fetch_seconds() const noexcept;

 private:
  void Begin(std::size_t index, InputBlock *block) const;
  // Reads columns first .. first + count - 1 of the block. elements_ [count]
  void ReadColumns(std::size_t index, std::int32_t first, std::int32_t count);
  void CheckBytes(std::size_t index, std::int32_t column, std::size_t bytes,
                  std::size_t expected) const;

  std::int64_t intermediate_;
  std::int64_t all_rows_;
  std::int32_t categorical_;
  std::int32_t numeric_;
  bool has_key_;
  bool has_split_;
  std::vector<std::int32_t> blocks_;
  std::vector<GroupReader> groups_;
  std::vector<std::string> elements_;  // of the columns read last
};

}  // namespace trails::pg
