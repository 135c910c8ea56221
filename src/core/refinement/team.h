// A few threads that share the pieces of one mini-batch.
//
// A mini-batch has a dozen short phases, so that threads which sleep between them would cost more
// than they bring: those of a team stay awake for a moment after each phase.
//
// May touch: Torch (through EngineThreadScope), src/core/refinement.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace trails {

// Not thread-safe: one thread, the same or another each time, calls Run.
class Team {
 public:
  // The calling thread and up to threads - 1 new ones, as many as the machine has left. They
  // inherit the caller's signal mask and hold an EngineThreadScope each. threads >= 1.
  explicit Team(std::int32_t threads);
  // Joins the threads.
  ~Team();
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;

  std::int32_t threads() const noexcept { return static_cast<std::int32_t>(shares_.size()); }

  // Runs work(i) once for each i in [0, count) and returns when all are done. Each thread begins
  // with a run of neighbours, the same ones in each call with the same count, and takes
  // what others have left then. The first exception ends it and is thrown here, when no thread is
  // at work any more. Cost beside the work: a microsecond while the threads are awake.
  template <typename Work>
  void Run(std::int64_t count, const Work &work) {
    if (shares_.size() == 1) {
      for (std::int64_t i = 0; i < count; ++i) work(i);
      return;
    }
    RunShared(count, &work, [](const void *context, std::int64_t i) {
      (*static_cast<const Work *>(context))(i);
    });
  }

 private:
  using Call = void (*)(const void *work, std::int64_t i);
  // A thread's run of neighbours; a cache line of its own.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  void RunShared(std::int64_t count, const void *work, Call call);
  void End() noexcept;
  void Help(std::size_t self) noexcept;
  void TakeShares(std::size_t self) noexcept;

  // Of the present Run: written before generation_ grows, read by the threads after.
  const void *work_ = nullptr;
  Call call_ = nullptr;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  std::atomic<bool> failed_{false};
  std::vector<Share> shares_;  // [threads], the caller's first

  alignas(64) std::atomic<std::uint32_t> generation_{0};  // Runs begun
  alignas(64) std::atomic<std::int32_t> working_{0};      // threads that have not finished this one
  std::atomic<bool> ending_{false};
  std::vector<std::jthread> helpers_;
};

}  // namespace trails
