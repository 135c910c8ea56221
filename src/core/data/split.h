// Splits rows into train, valid and test, and tells of single rows in which of them they are.
//
// May touch: src/core/data, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/fields.h"
#include "trails/columns.h"
#include "trails/result.h"

namespace trails {

// Row numbers, ascending. Rows whose target is NULL are in none of the three.
struct Split {
  std::vector<std::int32_t> train;
  std::vector<std::int32_t> valid;
  std::vector<std::int32_t> test;
  std::int64_t null_targets = 0;
  // What SplitRule needs besides names; nothing where rows with overflowing texts were hashed
  // (Column::kOverflowCode), which a row by itself cannot tell.
  std::optional<SplitBounds> bounds;
};

// Splits `table`: by the split column when there is one ('train', 'valid' or 'validation',
// 'test', in any case; test may be missing, another word or NULL leaves the row out), else by the
// hash of the group value (NULL is one group), else by the row's content hash: 80 % train, 10 %
// valid, 10 % test. Where that leaves a part empty (tiny tables, few groups), the parts are cut by
// the rank of the hash instead. No seed moves rows: the split is a property of the data.
// Throws Error(kBadData) when fewer than 20 usable rows, or none to train or none to validate on;
// Error(kInvalidArgument) when the split column is no text.
Split SplitRows(const Table &table, const std::vector<std::uint64_t> &row_hashes);

// How a table was split, by names.
struct SplitRule {
  std::string split;                  // its words decide; else empty
  std::string group;                  // its hash decides; else empty
  std::vector<std::string> features;  // else the hash of these
  SplitBounds bounds;

  // Those that decide.
  std::vector<std::string> columns() const;
};

// Tells of single rows what SplitRows told of those of the table: the same for equal contents, also
// of rows that were not there.
class RowSplitter {
 public:
  // `columns`: of the cells that PartOf gets. Throws Error(kUndefinedColumn) where one of the
  // rule's is not among them.
  RowSplitter(const SplitRule &rule, std::span<const InputColumn> columns);

  // cells [columns], each of its column's kind, of a row that has a target.
  // Cost: of a hash, some 5 ns a feature.
  SplitPart PartOf(std::span<const Cell> cells) const;

 private:
  struct Source {
    std::size_t cell = 0;
    ColumnKind kind = ColumnKind::kFloat;
    std::uint64_t seed = 0;
  };

  bool by_words_;
  SplitBounds bounds_;
  std::vector<Source> sources_;
};

// 'none', 'train', 'valid', 'test'.
std::string_view Name(SplitPart part) noexcept;

// True for a text column whose values are the words of a split and nothing else, two of them at
// least.
bool LooksLikeSplit(const Column &column);

}  // namespace trails
