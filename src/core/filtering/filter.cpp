// The filtering phase: a stratified draw, scored by threads that share it.
//
// May touch: src/core/space, src/core/filtering, src/core/random.h, include/trails.
#include "core/filtering/filter.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/filtering/permutation.h"
#include "core/filtering/tfmem.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

// Streams of the draw: one for the order of the depths, one for each depth's permutation.
constexpr std::uint64_t kDepthOrderPurpose = 0x66696C74;  // "filt"

// The candidates of one depth, in random order.
struct Stratum {
  std::int32_t layers;
  std::int64_t size;
  RandomPermutation order;
};

std::vector<Stratum> Strata(const SearchSpace &space, std::uint64_t seed) {
  std::vector<Stratum> strata;
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    const std::int64_t size = SpaceSizeAtDepth(space, layers);
    const auto purpose = kDepthOrderPurpose + static_cast<std::uint64_t>(layers);
    strata.push_back(
        {layers, size, RandomPermutation(size, RandomStream::ForPurpose(seed, purpose))});
  }
  return strata;
}

// What the threads of one filtering phase share: candidates are taken from the front, each by
// one thread, and whoever takes one finishes it; so those scored are always the first ones.
class SharedScoring {
 public:
  SharedScoring(std::vector<ScoredCandidate> *candidates, Tfmem tfmem, std::int32_t inputs,
                std::int32_t outputs, std::uint64_t seed, Clock::time_point until,
                const RunControl &control) noexcept
      : candidates_(*candidates),
        tfmem_(tfmem),
        inputs_(inputs),
        outputs_(outputs),
        seed_(seed),
        until_(until),
        control_(control) {}

  // Scores candidates until none is left, time is up or a thread failed. Never throws.
  void Work() noexcept {
    try {
      while (!failed_ && !TimeIsUp()) {
        const std::size_t i = next_.fetch_add(1);
        if (i >= candidates_.size()) return;
        ScoredCandidate &candidate = candidates_[i];
        candidate.score =
            ScoreCandidate(tfmem_, candidate.widths, inputs_, outputs_, seed_, control_.stop);
        candidate.params = CountParameters(candidate.widths, inputs_, outputs_);
        control_.progress->candidates_scored.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (...) {
      Fail(std::current_exception());
    }
  }

  void Fail(std::exception_ptr error) noexcept {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    failed_ = true;
  }

  // The number scored. Call it when no thread works any more. Throws what a thread threw.
  std::size_t Finish() const {
    if (error_) std::rethrow_exception(error_);
    return std::min(next_.load(), candidates_.size());
  }

 private:
  bool TimeIsUp() const {
    if (control_.stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "scoring of candidates was cancelled");
    }
    if (next_ == 0) return false;
    if (control_.finish != nullptr && control_.finish->load(std::memory_order_relaxed)) return true;
    return Clock::now() >= until_;
  }

  std::vector<ScoredCandidate> &candidates_;
  const Tfmem tfmem_;
  const std::int32_t inputs_;
  const std::int32_t outputs_;
  const std::uint64_t seed_;
  const Clock::time_point until_;
  const RunControl &control_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

// The calling thread works too: with one thread none is started.
void RunThreads(SharedScoring *scoring, std::int64_t threads) {
  std::vector<std::jthread> workers;
  try {
    for (std::int64_t i = 1; i < threads; ++i) {
      workers.emplace_back([scoring] { scoring->Work(); });
    }
  } catch (const std::system_error &error) {
    scoring->Fail(std::make_exception_ptr(
        Error(ErrorKind::kLimit, "could not start a thread",
              std::string("The system reported: ") + error.what() + ".",
              "Lower trails.threads or raise the operating system's limit.")));
  } catch (...) {
    scoring->Fail(std::current_exception());
  }
  scoring->Work();
}

}  // namespace

std::vector<HiddenWidths> SampleCandidates(const SearchSpace &space, std::int64_t n,
                                           std::uint64_t seed) {
  n = std::min(n, SpaceSize(space));
  std::vector<HiddenWidths> sample;
  sample.reserve(static_cast<std::size_t>(std::max<std::int64_t>(n, 0)));
  std::vector<Stratum> strata = Strata(space, seed);
  RandomStream turns = RandomStream::ForPurpose(seed, kDepthOrderPurpose);
  for (std::int64_t turn = 0; static_cast<std::int64_t>(sample.size()) < n; ++turn) {
    std::erase_if(strata, [turn](const Stratum &stratum) { return turn >= stratum.size; });
    // A draw that ends within a turn must not favour the same depths every time.
    turns.Shuffle(strata.data(), static_cast<std::int64_t>(strata.size()));
    for (const Stratum &stratum : strata) {
      if (static_cast<std::int64_t>(sample.size()) == n) break;
      sample.push_back(CandidateAtDepth(space, stratum.layers, stratum.order(turn)));
    }
  }
  return sample;
}

std::vector<ScoredCandidate> FilterCandidates(const SearchSpace &space, std::int64_t n, Tfmem tfmem,
                                              std::int32_t inputs, std::int32_t outputs,
                                              std::uint64_t seed, std::int32_t threads,
                                              Clock::time_point until, const RunControl &control) {
  std::vector<ScoredCandidate> candidates;
  for (HiddenWidths &widths : SampleCandidates(space, n, seed)) {
    candidates.push_back({std::move(widths), 0, 0});
  }
  SharedScoring scoring(&candidates, tfmem, inputs, outputs, seed, until, control);
  RunThreads(&scoring,
             std::min<std::int64_t>(threads, static_cast<std::int64_t>(candidates.size())));
  candidates.resize(scoring.Finish());
  if (tfmem != Tfmem::kRandom) {
    std::stable_sort(
        candidates.begin(), candidates.end(),
        [](const ScoredCandidate &a, const ScoredCandidate &b) { return a.score > b.score; });
  }
  return candidates;
}

}  // namespace trails
