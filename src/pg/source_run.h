// One call that reads its source and works on it: its row in trails.progress, the reading, the
// engine's part.
//
// May touch: include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <atomic>
#include <stop_token>
#include <utility>

#include "pg/call_options.h"
#include "pg/engine_call.h"
#include "pg/engine_library.h"
#include "pg/progress.h"
#include "pg/source_reader.h"
#include "trails/engine.h"

namespace trails::pg {

// What the engine leaves of a budget for what comes after it, and what a first cancel does.
struct EngineShare {
  Clock::duration after{};  // the engine's deadline is so much before the call's
  bool may_finish =
      false;  // under trails.on_cancel = 'keep' the first cancel ends it in good order
};

class SourceRun {
 public:
  // Shows the call in trails.progress, without a budget as one of nothing. Everything must outlive
  // the run.
  SourceRun(const SourceCall &call, const PreparedSource &prepared,
            const Deadline &deadline) noexcept;

  // Reads the source, LibTorch being opened meanwhile. Call it once. Throws as ReadSource.
  Table Read();

  // Returns work(engine, table, control), called once on an engine thread, of what Read gave.
  // Throws as RunEngine, and what work throws.
  template <typename Work>
  auto RunOn(Table table, const EngineShare &share, Work work) {
    std::atomic<bool> finish{false};
    return RunEngine(
        [&](std::stop_token stop) {
          Engine &engine = OpenEngine(stop);
          RunControl control = Control(share);
          control.stop = std::move(stop);
          control.finish = share.may_finish ? &finish : nullptr;
          return work(engine, std::move(table), std::move(control));
        },
        EngineCall{&progress_, &session_, share.may_finish ? &finish : nullptr});
  }

  // Both.
  template <typename Work>
  auto Run(const EngineShare &share, Work work) {
    return RunOn(Read(), share, std::move(work));
  }

  // Publishes that the engine is done and that its result is being stored.
  void EnterStoring() noexcept;

  double reading_seconds() const noexcept { return reading_seconds_; }
  bool all_rows_read() const noexcept { return all_rows_read_; }
  std::int64_t rows() const noexcept { return rows_; }

 private:
  RunControl Control(const EngineShare &share);

  const SourceCall &call_;
  const PreparedSource &prepared_;
  const Deadline &deadline_;
  Progress progress_;
  ProgressSession session_;
  double reading_seconds_ = 0;
  bool all_rows_read_ = true;
  std::int64_t rows_ = 0;
};

}  // namespace trails::pg
