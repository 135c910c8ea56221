// SQL surface of the upkeep of intermediates: drop, pin, expire, garbage, check.
//
// May touch: src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include <optional>
#include <vector>

#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/named_arguments.h"
#include "pg/partition_store.h"
#include "pg/result_rows.h"
#include "pg/store_check.h"
#include "pg/store_upkeep.h"

extern "C" {
#include "miscadmin.h"
#include "utils/timestamp.h"
}

namespace trails::pg {
namespace {

void RefuseReadOnly(const char *name) {
  CallPg([=] {
    PreventCommandIfReadOnly(name);
    PreventCommandDuringRecovery(name);
  });
}

void AddNumber(std::int64_t number, RowValues *row) {
  if (number < 0) {
    row->AddNull();
  } else {
    row->AddBigint(number);
  }
}

void AddPosition(std::int32_t position, RowValues *row) {
  if (position < 0) {
    row->AddNull();
  } else {
    row->AddInteger(position);
  }
}

}  // namespace
}  // namespace trails::pg

// trails.drop_intermediates(model, version)
TRAILS_PG_FUNCTION(trails_drop_intermediates) {
  trails::pg::RefuseReadOnly("trails.drop_intermediates()");
  const trails::pg::NamedArguments args(fcinfo);
  trails::pg::DropIntermediates(args.Text("model"), args.OptionalInteger("version"));
  PG_RETURN_VOID();
}

// trails.pin_intermediates(model, pinned, version)
TRAILS_PG_FUNCTION(trails_pin_intermediates) {
  trails::pg::RefuseReadOnly("trails.pin_intermediates()");
  const trails::pg::NamedArguments args(fcinfo);
  trails::pg::PinIntermediates(args.Text("model"), args.Bool("pinned"),
                               args.OptionalInteger("version"));
  PG_RETURN_VOID();
}

// trails.expire_after(model, age, version)
TRAILS_PG_FUNCTION(trails_expire_after) {
  trails::pg::RefuseReadOnly("trails.expire_after()");
  const trails::pg::NamedArguments args(fcinfo);
  std::optional<Interval> age;
  if (!PG_ARGISNULL(1)) age = *PG_GETARG_INTERVAL_P(1);
  trails::pg::ExpireAfter(args.Text("model"), age, args.OptionalInteger("version"));
  PG_RETURN_VOID();
}

// trails.expire(dry_run) -> (model, owner, expired_at, rows, version)
TRAILS_PG_FUNCTION(trails_expire) {
  using namespace trails::pg;
  RequireValue(fcinfo, 0, "dry_run");
  const bool dry_run = PG_GETARG_BOOL(0);
  if (!dry_run) RefuseReadOnly("trails.expire()");
  const std::vector<Expired> expired = Expire(dry_run);
  ResultSet results(fcinfo);
  for (const Expired &one : expired) {
    RowValues row;
    row.AddText(one.name).AddOid(one.owner).AddTimestamp(one.expired_at).AddBigint(one.rows);
    if (one.version > 0) {
      row.AddInteger(one.version);
    } else {
      row.AddNull();
    }
    results.Put(row);
  }
  return Datum{0};
}

// trails.collect_garbage() -> (partitions, bytes)
TRAILS_PG_FUNCTION(trails_collect_garbage) {
  using namespace trails::pg;
  RefuseReadOnly("trails.collect_garbage()");
  const Garbage garbage = CollectAllGarbage();
  return MakeRecord(fcinfo, RowValues().AddBigint(garbage.partitions).AddBigint(garbage.bytes));
}

// trails.check_store() -> (problem, shelf, intermediate_id, block, column_number, partition_id,
// detail)
TRAILS_PG_FUNCTION(trails_check_store) {
  using namespace trails::pg;
  const std::vector<StoreProblem> problems = CheckStore();
  ResultSet results(fcinfo);
  for (const StoreProblem &problem : problems) {
    RowValues row;
    row.AddText(problem.problem).AddText(problem.shelf);
    AddNumber(problem.intermediate, &row);
    AddPosition(problem.block, &row);
    AddPosition(problem.column, &row);
    AddNumber(problem.partition, &row);
    row.AddText(problem.detail);
    results.Put(row);
  }
  return Datum{0};
}
