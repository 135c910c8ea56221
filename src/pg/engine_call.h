// Runs engine work on a thread of its own while the backend stays interruptible.
//
// The engine thread starts with every signal blocked, and the threads that it starts (Torch's,
// CUDA's, the engine's own) inherit that. So PostgreSQL's signal handlers, which write backend
// globals without locks, can only ever run on the backend's main thread.
//
// While it waits the backend wakes at least every 20 ms, and at once on a signal:
//   - pg_terminate_backend, loss of the client (client_connection_check_interval), death of the
//     postmaster: request_stop(); the engine is joined; then PostgreSQL raises its own words.
//   - cancel (Ctrl-C, statement_timeout, pg_cancel_backend): the same, unless trails.on_cancel
//     is 'keep' and the caller gave a `finish` flag: then the first cancel only sets the flag, is
//     forgotten, and the work ends in good order. A second cancel stops.
//   - global barriers, cache invalidation, requests to log memory: served between two waits.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "pg/bridge.h"
#include "pg/progress.h"
#include "trails/progress.h"

namespace trails::pg {

// What RunEngine does for the work besides waiting; every member may be null.
struct EngineCall {
  const Progress *progress = nullptr;   // published five times a second ...
  ProgressSession *session = nullptr;   // ... here, and once more when the work has succeeded
  std::atomic<bool> *finish = nullptr;  // RunControl::finish: set by the first cancel that
                                        // trails.on_cancel = 'keep' turns into "end now"
};

namespace internal {

// Runs `job` on a masked thread; returns when it is finished and joined.
// `job` must not throw. Throws PgError when the backend was cancelled meanwhile.
void RunMasked(const std::function<void(std::stop_token)> &job, const EngineCall &call);

}  // namespace internal

// Returns work(stop), which may be void. `work` must not call PostgreSQL and must look at `stop`
// at least once per mini-batch; what it throws is thrown here again, after the join. When the
// backend was cancelled, PostgreSQL's own error comes instead.
//
// The engine thread is joined however RunEngine ends, FATAL included (before_shmem_exit): a live
// Torch thread at backend exit would crash the whole server.
//
// Not reentrant: one engine thread a backend at a time, else Error(kInternal).
// Throws Error(kLimit) when no thread can be started.
// Cost: some 50 us for the thread.
template <typename Work>
auto RunEngine(Work &&work, const EngineCall &call = {})
    -> std::invoke_result_t<Work, std::stop_token> {
  using Result = std::invoke_result_t<Work, std::stop_token>;
  std::exception_ptr failure;
  if constexpr (std::is_void_v<Result>) {
    internal::RunMasked(
        [&](std::stop_token stop) {
          try {
            work(std::move(stop));
          } catch (...) {
            failure = std::current_exception();
          }
        },
        call);
    if (failure) std::rethrow_exception(failure);
  } else {
    std::optional<Result> result;
    internal::RunMasked(
        [&](std::stop_token stop) {
          try {
            result.emplace(work(std::move(stop)));
          } catch (...) {
            failure = std::current_exception();
          }
        },
        call);
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
}

// The same of work that reads so many bytes and throws Error(kCancelled) on a stop, of none of
// which PostgreSQL is to be kept waiting for a cancel; without a thread where that is short anyway.
template <typename Work>
auto RunOnBytes(std::int64_t bytes, Work work) -> std::invoke_result_t<Work, std::stop_token> {
  constexpr std::int64_t kShortBytes = std::int64_t{2} << 20;  // some milliseconds
  if (bytes <= kShortBytes) return work(std::stop_token());
  return RunEngine(std::move(work));
}

}  // namespace trails::pg
