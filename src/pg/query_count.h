// How often column groups were asked for: n_query of the cost model.
//
// Counts are appended to trails.query_count, so that no query waits for another; now and then those
// of a group are folded into one row. Where a transaction may not write, the session remembers its
// counts and writes them with the next one that may.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <compare>
#include <cstdint>

#include "pg/catalog_session.h"

namespace trails::pg {

struct GroupKey {
  std::int64_t intermediate = 0;
  std::int32_t first_column = 0;

  auto operator<=>(const GroupKey &) const = default;
};

// Queries of a group.
struct QueryCount {
  double queries = 0;     // halved with kQueryHalfLife
  std::int64_t rows = 0;  // of trails.query_count that they are in
};

// Queries counted so far, those that the session remembers included; on a standby these alone.
// Throws PgError.
QueryCount CountedQueries(CatalogSession &catalog, const GroupKey &group);

// Counts `queries` more; nothing for 0. rows: of the table that count the group's queries so far,
// which are folded where they are many. Throws PgError. Cost: some 20 us where it writes.
void CountQuery(CatalogSession &catalog, const GroupKey &group, double queries, std::int64_t rows);

}  // namespace trails::pg
