// Columns of a pipeline whose type, an enum, was dropped since: what still can be answered without
// them, and what cannot.
//
// Other columns are read as before. Where queries are run again, a lost column takes part as one of
// NULLs of a type that can neither be compared nor ordered, so that what follows it stays in its
// place; a query whose answer could depend on it is refused.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pg/stage_columns.h"

extern "C" {
#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
}

namespace trails::pg {

// Of a lost column where its stage is given to a query: no stage has a column of that type.
inline constexpr Oid kLostType = JSONOID;

bool HasLost(const std::vector<StageColumn> &columns) noexcept;

// Throws Error(kUndefinedObject) with a HINT. layer: whose column it is.
[[noreturn]] void ThrowLost(const StageColumn &column, std::string_view layer);

// The rows without their lost columns.
StageRows WithoutLost(StageRows rows);

// Sees to it that queries over the rows of a stage give what they gave, whatever its lost columns
// contain. Nothing where it has none.
class LostColumns {
 public:
  // stage: whose rows are given. columns must outlive this.
  LostColumns(const std::vector<StageColumn> &columns, std::int32_t stage);
  ~LostColumns();  // errors have the context no longer
  LostColumns(const LostColumns &) = delete;
  LostColumns &operator=(const LostColumns &) = delete;

  // Throws as ThrowLost where a query names such a column, anywhere in its text.
  void RefuseNames(const std::vector<std::string> &queries) const;
  // Throws as ThrowLost where the statement, analysed, joins naturally, takes a row as a value, or
  // names columns anew by their positions. Throws PgError.
  void RefuseUnnamed(List *statement) const;

 private:
  std::vector<const StageColumn *> lost_;
  std::string layer_;
  std::string told_;  // context of errors: what else could use such a column fails by its type
  ErrorContextCallback context_{};
};

}  // namespace trails::pg
