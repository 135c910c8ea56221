// Drops what was logged from the catalog, without asking whether it is sound.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/intermediate_catalog.h"
#include "pg/partition_store.h"

namespace trails::pg {

namespace {

SqlParameters Number(std::int64_t number) {
  SqlParameters parameters;
  parameters.AddBigint(number);
  return parameters;
}

}  // namespace

void DropIntermediateRow(CatalogSession &catalog, std::int64_t intermediate) {
  for (const Shelf shelf : {Shelf::kDurable, Shelf::kCache}) {
    DropIntermediate(catalog, shelf, intermediate);
  }
  for (const char *const statement :
       {"DELETE FROM trails.cached_statistics WHERE intermediate_id = $1",
        "DELETE FROM trails.foreign_statistics WHERE intermediate_id = $1",
        "DELETE FROM trails.query_count WHERE intermediate_id = $1",
        "DELETE FROM trails.stage_rate WHERE intermediate_id = $1",
        "DELETE FROM trails.intermediate WHERE intermediate_id = $1"}) {
    catalog.Write(statement, Number(intermediate));
  }
}

void DropLogged(CatalogSession &catalog, std::int64_t logged_id) {
  const std::uint64_t found = catalog.Write(
      "DELETE FROM trails.logged WHERE logged_id = $1 RETURNING coalesce(dataset_id, 0)",
      Number(logged_id));
  if (found == 0) return;
  const std::int64_t dataset = catalog.Bigint(0, 0);
  catalog.Write("DELETE FROM trails.snapshot WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.snapshot_part WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.pipeline_stage WHERE logged_id = $1", Number(logged_id));
  catalog.Write("DELETE FROM trails.foreign_label WHERE logged_id = $1", Number(logged_id));
  std::vector<std::int64_t> gone;
  const std::uint64_t count = catalog.Write(
      "SELECT intermediate_id FROM trails.intermediate WHERE logged_id = $1 "
      "ORDER BY intermediate_id",
      Number(logged_id));
  for (std::uint64_t row = 0; row < count; ++row) gone.push_back(catalog.Bigint(row, 0));
  // Who shares the data set meanwhile holds its row: this waits for them, and then sees them.
  if (catalog.Write("SELECT FROM trails.dataset WHERE dataset_id = $1 FOR UPDATE",
                    Number(dataset)) > 0 &&
      catalog.Write("DELETE FROM trails.dataset AS d WHERE d.dataset_id = $1 AND NOT EXISTS "
                    "(SELECT FROM trails.logged AS l WHERE l.dataset_id = d.dataset_id) "
                    "RETURNING d.intermediate_id",
                    Number(dataset)) > 0) {
    gone.push_back(catalog.Bigint(0, 0));
  }
  for (const std::int64_t intermediate : gone) DropIntermediateRow(catalog, intermediate);
}

void DropLoggedModel(CatalogSession &catalog, std::int64_t model_id) {
  if (catalog.Write("SELECT logged_id FROM trails.logged WHERE model_id = $1", Number(model_id)) >
      0) {
    DropLogged(catalog, catalog.Bigint(0, 0));
  }
}

}  // namespace trails::pg
