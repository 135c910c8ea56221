// May touch: PostgreSQL headers (through bridge.h), include/trails. Never Torch.
#include "pg/progress.h"

extern "C" {
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
}

#include <bit>
#include <cmath>

namespace trails::pg {

namespace {

// Far from core's numbers, which grow by one a release: "trls" in ASCII.
constexpr auto kCommand = std::bit_cast<ProgressCommandType>(std::uint32_t{0x74726c73});

// Raise it when Slot changes: two versions of the library may run side by side during an upgrade.
constexpr std::int64_t kLayout = 1;

// Positions in st_progress_param.
enum Slot : int {
  kSlotLayout,
  kSlotRole,
  kSlotStart,   // nanoseconds of Clock, which all processes of a machine share
  kSlotBudget,  // nanoseconds
  kSlotPhase,
  kSlotRowsRead,
  kSlotScored,
  kSlotTrained,
  kSlotRung,
  kSlotEpochs,
  kSlotBest,  // the bits of a double
  kSlots
};
static_assert(kSlots <= PGSTAT_NUM_PROGRESS_PARAM);

std::int64_t Nanoseconds(Clock::duration duration) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

const char *PhaseName(std::int64_t phase) noexcept {
  switch (static_cast<Phase>(phase)) {
    case Phase::kReading: return "reading";
    case Phase::kEncoding: return "encoding";
    case Phase::kFiltering: return "filtering";
    case Phase::kRefinement: return "refinement";
    case Phase::kFinal: return "final";
    case Phase::kStoring: return "storing";
  }
  return "unknown";
}

bool IsVisible(const PgBackendStatus &backend, Oid reader) {
  if (backend.st_procpid <= 0 || backend.st_progress_command != kCommand ||
      backend.st_databaseid != MyDatabaseId || backend.st_progress_param[kSlotLayout] != kLayout) {
    return false;
  }
  const auto role = static_cast<Oid>(backend.st_progress_param[kSlotRole]);
  return has_privs_of_role(reader, ROLE_PG_READ_ALL_STATS) || has_privs_of_role(reader, role);
}

void PutRow(const PgBackendStatus &backend, std::int64_t now, ReturnSetInfo *result) {
  const int64 *const slot = backend.st_progress_param;
  const auto best = std::bit_cast<double>(slot[kSlotBest]);
  Datum values[] = {
      Int32GetDatum(backend.st_procpid),
      ObjectIdGetDatum(static_cast<Oid>(slot[kSlotRole])),
      ObjectIdGetDatum(backend.st_progress_command_target),
      CStringGetTextDatum(PhaseName(slot[kSlotPhase])),
      Int64GetDatum(slot[kSlotRowsRead]),
      Int64GetDatum(slot[kSlotScored]),
      Int64GetDatum(slot[kSlotTrained]),
      Int64GetDatum(slot[kSlotRung]),
      Int64GetDatum(slot[kSlotEpochs]),
      Float8GetDatum(best),
      Float8GetDatum(static_cast<double>(now - slot[kSlotStart]) / 1e9),
      Float8GetDatum(static_cast<double>(slot[kSlotBudget]) / 1e9),
  };
  bool nulls[std::size(values)] = {};
  nulls[2] = !OidIsValid(backend.st_progress_command_target);
  nulls[9] = std::isnan(best);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void PutRows(FunctionCallInfo fcinfo) {
  InitMaterializedSRF(fcinfo, 0);
  auto *const result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  const std::int64_t now = Nanoseconds(Clock::now().time_since_epoch());
  const int backends = pgstat_fetch_stat_numbackends();
  for (int i = 1; i <= backends; ++i) {
    const PgBackendStatus *const backend = pgstat_fetch_stat_beentry(i);
    if (backend != nullptr && IsVisible(*backend, GetUserId())) PutRow(*backend, now, result);
  }
}

}  // namespace

ProgressSession::ProgressSession(Oid relation, Clock::time_point start,
                                 Clock::time_point deadline) noexcept
    : next_(Clock::now()) {
  constexpr int kIndex[] = {kSlotLayout, kSlotRole, kSlotStart, kSlotBudget, kSlotPhase, kSlotBest};
  const int64 values[] = {kLayout,
                          static_cast<int64>(GetUserId()),
                          Nanoseconds(start.time_since_epoch()),
                          Nanoseconds(deadline - start),
                          static_cast<int64>(Phase::kReading),
                          std::bit_cast<int64>(kNoMetric)};
  pgstat_progress_start_command(kCommand, relation);
  pgstat_progress_update_multi_param(std::size(kIndex), kIndex, values);
}

ProgressSession::~ProgressSession() {
  pgstat_progress_end_command();
}

void ProgressSession::Publish(const Progress &progress) noexcept {
  constexpr auto kOrder = std::memory_order_relaxed;
  constexpr int kIndex[] = {kSlotPhase, kSlotRowsRead, kSlotScored, kSlotTrained,
                            kSlotRung,  kSlotEpochs,   kSlotBest};
  const int64 values[] = {progress.phase.load(kOrder),
                          progress.rows_read.load(kOrder),
                          progress.candidates_scored.load(kOrder),
                          progress.candidates_trained.load(kOrder),
                          progress.rung.load(kOrder),
                          progress.epochs.load(kOrder),
                          std::bit_cast<int64>(progress.best.load(kOrder))};
  pgstat_progress_update_multi_param(std::size(kIndex), kIndex, values);
  next_ = Clock::now() + kInterval;
}

void ProgressSession::PublishNowAndThen(const Progress &progress) noexcept {
  if (Clock::now() >= next_) Publish(progress);
}

}  // namespace trails::pg

TRAILS_PG_FUNCTION(trails_progress) {
  trails::pg::CallPg([=] { trails::pg::PutRows(fcinfo); });
  return Datum{0};
}
