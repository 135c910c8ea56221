#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/row_seal.h"

namespace trails::pg {

namespace {

constexpr const char *kHint = "trails.check_store names all that is corrupt.";

struct Sealed {
  const char *table;
  const char *update;  // of row $1
};

const Sealed &Of(SealedTable table) {
  static constexpr Sealed kTables[] = {
      {"model", "UPDATE trails.model AS r SET seal = trails.seal_of(r) WHERE model_id = $1"},
      {"dataset", "UPDATE trails.dataset AS r SET seal = trails.seal_of(r) WHERE dataset_id = $1"},
      {"logged", "UPDATE trails.logged AS r SET seal = trails.seal_of(r) WHERE logged_id = $1"},
      {"pipeline_stage",
       "UPDATE trails.pipeline_stage AS r SET seal = trails.seal_of(r) WHERE logged_id = $1"},
      {"intermediate",
       "UPDATE trails.intermediate AS r SET seal = trails.seal_of(r) WHERE intermediate_id = $1"},
  };
  return kTables[static_cast<std::size_t>(table)];
}

}  // namespace

void SealRow(CatalogSession &catalog, SealedTable table, std::int64_t number) {
  SqlParameters parameters;
  parameters.AddBigint(number);
  catalog.WriteOften(Of(table).update, parameters);
}

void ThrowUnsealed(SealedTable table, std::int64_t number) {
  throw Error(ErrorKind::kCorruptData,
              fmt::format("row {} of trails.{} is corrupt", number, Of(table).table),
              "It is not as it was written.", kHint);
}

void ThrowMissingRow(SealedTable table, std::int64_t number, const char *detail) {
  throw Error(ErrorKind::kCorruptData,
              fmt::format("row {} of trails.{} is missing", number, Of(table).table), detail,
              kHint);
}

}  // namespace trails::pg
