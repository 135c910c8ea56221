#include "pg/query_count.h"

extern "C" {
#include "utils/timestamp.h"
}

#include <map>

#include "core/intermediates/read_or_rerun.h"
#include "pg/fresh_snapshot.h"
#include "pg/intermediate_catalog.h"

namespace trails::pg {

namespace {

constexpr std::int64_t kFoldBeyond = 64;  // rows of a group

struct Remembered {
  double queries = 0;
  TimestampTz at = 0;
};

std::map<GroupKey, Remembered> &RememberedQueries() {
  static std::map<GroupKey, Remembered> remembered;
  return remembered;
}

double SecondsBetween(TimestampTz from, TimestampTz to) {
  return from < to ? static_cast<double>(to - from) / USECS_PER_SEC : 0.0;
}

SqlParameters Of(const GroupKey &group) {
  SqlParameters parameters;
  parameters.AddBigint(group.intermediate).AddInteger(group.first_column);
  return parameters;
}

// What is older than 3e8 seconds, ten years, counts as if it were so old: PostgreSQL's power()
// fails where its result is too small.
QueryCount InTable(CatalogSession &catalog, const GroupKey &group) {
  if (!CanReadCache()) return {};
  SqlParameters parameters = Of(group);
  parameters.AddDouble(kQueryHalfLife);
  catalog.ReadOften(
      "SELECT coalesce(sum(queries * power(0.5::double precision, "
      "least(3e8, greatest(0, extract(epoch FROM now() - counted_at)::double precision)) / $3)), "
      "0), "
      "count(*) FROM trails.query_count WHERE intermediate_id = $1 AND first_column = $2",
      parameters);
  return {catalog.Double(0, 0), catalog.Bigint(0, 1)};
}

void Append(CatalogSession &catalog, const GroupKey &group, double queries, TimestampTz at) {
  SqlParameters parameters = Of(group);
  parameters.AddDouble(queries).AddTimestamp(at);
  catalog.WriteOften(
      "INSERT INTO trails.query_count (intermediate_id, first_column, queries, counted_at) "
      "VALUES ($1, $2, $3, $4)",
      parameters);
}

// Rows that another transaction is folding are left to it.
void Fold(CatalogSession &catalog, const GroupKey &group) {
  SqlParameters parameters = Of(group);
  parameters.AddDouble(kQueryHalfLife);
  catalog.Write(
      "WITH gone AS (DELETE FROM trails.query_count WHERE ctid = ANY (ARRAY("
      "SELECT ctid FROM trails.query_count WHERE intermediate_id = $1 AND first_column = $2 "
      "FOR UPDATE SKIP LOCKED)) RETURNING queries, counted_at) "
      "INSERT INTO trails.query_count (intermediate_id, first_column, queries, counted_at) "
      "SELECT $1, $2, sum(queries * power(0.5::double precision, "
      "least(3e8, greatest(0, extract(epoch FROM now() - counted_at)::double precision)) / $3)), "
      "now() FROM gone HAVING count(*) > 0",
      parameters);
}

}  // namespace

QueryCount CountedQueries(CatalogSession &catalog, const GroupKey &group) {
  QueryCount counted = InTable(catalog, group);
  const auto found = RememberedQueries().find(group);
  if (found != RememberedQueries().end()) {
    counted.queries +=
        Decayed(found->second.queries, SecondsBetween(found->second.at, GetCurrentTimestamp()));
  }
  return counted;
}

void CountQuery(CatalogSession &catalog, const GroupKey &group, double queries, std::int64_t rows) {
  if (!(queries > 0)) return;
  const TimestampTz now = GetCurrentTimestamp();
  if (!MayWrite()) {
    Remembered &remembered = RememberedQueries()[group];
    remembered.queries = Decayed(remembered.queries, SecondsBetween(remembered.at, now)) + queries;
    remembered.at = now;
    return;
  }
  for (const auto &[other, remembered] : RememberedQueries()) {
    Append(catalog, other, remembered.queries, remembered.at);
  }
  RememberedQueries().clear();
  Append(catalog, group, queries, now);
  if (MayKeep() && rows >= kFoldBeyond) Fold(catalog, group);
}

}  // namespace trails::pg
