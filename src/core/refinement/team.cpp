#include "core/refinement/team.h"

#include <optional>
#include <system_error>
#include <utility>

#include "core/refinement/multiply.h"

namespace trails {

namespace {

// Some 300 us when nothing else wants the core: more than a phase of a training step leaves one
// thread alone, and waking takes 50. A core that is wanted is given away at once.
constexpr int kAwakeRounds = 2'000;

// Returns when `value` is no longer `old`.
template <typename T>
void AwaitChange(const std::atomic<T> &value, T old) {
  for (int round = 0; round < kAwakeRounds; ++round) {
    if (value.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Team::Team(std::int32_t threads) : shares_(1) {
  // The threads find shares_ at its final size.
  std::vector<Share> shares(static_cast<std::size_t>(threads));
  shares_.swap(shares);
  try {
    for (std::int32_t t = 1; t < threads; ++t) {
      helpers_.emplace_back([this, self = static_cast<std::size_t>(t)] { Help(self); });
    }
  } catch (const std::system_error &) {
    // Those that run take the shares of those that do not.
  } catch (...) {
    End();
    throw;
  }
}

Team::~Team() {
  End();
}

void Team::End() noexcept {
  ending_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
}

void Team::RunShared(std::int64_t count, const void *work, Call call) {
  work_ = work;
  call_ = call;
  failed_.store(false, std::memory_order_relaxed);
  const auto threads = static_cast<std::int64_t>(shares_.size());
  for (std::int64_t t = 0; t < threads; ++t) {
    Share &share = shares_[static_cast<std::size_t>(t)];
    share.next.store(count * t / threads, std::memory_order_relaxed);
    share.end = count * (t + 1) / threads;
  }
  working_.store(static_cast<std::int32_t>(helpers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  TakeShares(0);
  for (std::int32_t left = working_.load(std::memory_order_acquire); left > 0;
       left = working_.load(std::memory_order_acquire)) {
    AwaitChange(working_, left);
  }
  if (failed_.load(std::memory_order_relaxed)) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Team::Help(std::size_t self) noexcept {
  std::optional<EngineThreadScope> scope;
  try {
    scope.emplace();
  } catch (...) {
    // Without memory for a scope it only keeps step: the others take its share.
  }
  for (std::uint32_t seen = 0;; ++seen) {
    AwaitChange(generation_, seen);
    if (ending_.load(std::memory_order_relaxed)) return;
    if (scope) TakeShares(self);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
  }
}

void Team::TakeShares(std::size_t self) noexcept {
  const std::size_t threads = shares_.size();
  for (std::size_t t = 0; t < threads; ++t) {
    Share &share = shares_[(self + t) % threads];
    while (!failed_.load(std::memory_order_relaxed)) {
      const std::int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
      if (i >= share.end) break;
      try {
        call_(work_, i);
      } catch (...) {
        const std::lock_guard lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
        failed_.store(true, std::memory_order_relaxed);
      }
    }
  }
}

}  // namespace trails
