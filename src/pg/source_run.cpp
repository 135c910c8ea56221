#include "pg/source_run.h"

namespace trails::pg {

SourceRun::SourceRun(const SourceCall &call, const PreparedSource &prepared,
                     const Deadline &deadline) noexcept
    : call_(call),
      prepared_(prepared),
      deadline_(deadline),
      session_(call.request.relation, deadline.start,
               deadline.budget_seconds ? deadline.end() : deadline.start) {}

Table SourceRun::Read() {
  // LibTorch is opened while the table is read.
  RunEngine([](std::stop_token) { StartOpeningEngine(); });
  const Clock::time_point start = Clock::now();
  ReadResult read = ReadSource(call_, prepared_, deadline_, &progress_, &session_);
  reading_seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  all_rows_read_ = read.complete;
  rows_ = read.table.rows();
  return std::move(read.table);
}

RunControl SourceRun::Control(const EngineShare &share) {
  RunControl control;
  control.start = deadline_.start;
  control.deadline = deadline_.end();
  if (deadline_.budget_seconds) control.deadline -= share.after;
  control.progress = &progress_;
  return control;
}

void SourceRun::EnterStoring() noexcept {
  progress_.Enter(Phase::kStoring);
  session_.Publish(progress_);
}

}  // namespace trails::pg
