#include "core/data/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "trails/error.h"

namespace trails {

void ThrowIfStopped(const std::stop_token &stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::kCancelled, "preparing the data was cancelled");
  }
}

void ParallelFor(std::int64_t count, std::int32_t threads, const std::stop_token &stop,
                 const std::function<void(std::int64_t)> &work) {
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr failure;

  const auto run = [&] {
    try {
      while (!failed.load(std::memory_order_relaxed)) {
        const std::int64_t i = next.fetch_add(1, std::memory_order_relaxed);
        if (i >= count) return;
        ThrowIfStopped(stop);
        work(i);
      }
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!failure) failure = std::current_exception();
      failed.store(true, std::memory_order_relaxed);
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::int64_t wanted = std::min<std::int64_t>(threads, count) - 1;
    try {
      for (std::int64_t i = 0; i < wanted; ++i) helpers.emplace_back(run);
    } catch (const std::system_error &) {
      // The machine has no thread left: those that run, or this one alone, do all of it.
    }
    run();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace trails
