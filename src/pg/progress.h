// Live progress of running selections, visible to other sessions without shared memory of our
// own: PostgreSQL's command progress slots, under a command number that core's views ignore.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails. Never Torch.
#pragma once

#include "pg/bridge.h"
#include "trails/progress.h"

namespace trails::pg {

// Shows one run in trails.progress from its construction to the end of the scope (an ERROR ends
// it through PostgreSQL's transaction abort as well). One at a time in a backend; a backend that
// reports another command's progress (none does while it runs a function) would lose it. With
// track_activities = off nothing is shown, as in core's progress views.
//
// Backend's thread only. Never throws: writing to one's own slot cannot fail.
class ProgressSession {
 public:
  // `relation`: what the run reads, InvalidOid when none. start and deadline as in RunControl.
  ProgressSession(Oid relation, Clock::time_point start, Clock::time_point deadline) noexcept;
  ~ProgressSession();
  ProgressSession(const ProgressSession &) = delete;
  ProgressSession &operator=(const ProgressSession &) = delete;

  // Copies the counters to where other sessions see them. Cost: some 50 ns.
  void Publish(const Progress &progress) noexcept;

  // The same, but at most once in kInterval; for loops that turn fast.
  void PublishNowAndThen(const Progress &progress) noexcept;

  static constexpr std::chrono::milliseconds kInterval{200};

 private:
  Clock::time_point next_;
};

}  // namespace trails::pg

// The C function below progress.cpp defines:
//
// trails.progress_rows() -> SETOF (pid integer, role oid, relation oid, phase text,
//   rows_read bigint, scored bigint, trained bigint, rung bigint, epochs bigint,
//   best double precision, elapsed double precision, budget double precision)
//   AS 'MODULE_PATHNAME', 'trails_progress' VOLATILE STRICT PARALLEL RESTRICTED
//
// One row for each run in this database whose role the caller is a member of, every run for
// members of pg_read_all_stats. `role` is the run's effective role. phase: reading, encoding,
// filtering, refinement, final, storing. best is NULL before the first evaluation. elapsed and
// budget in seconds. Like core's progress views it sees one snapshot a transaction.
