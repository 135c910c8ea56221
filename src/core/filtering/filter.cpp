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

// Candidates are drawn in blocks, so that a stop is seen however many are asked for.
constexpr std::int64_t kBlockCandidates = 16'384;

// The draw of SampleCandidates, one candidate at a time.
class StratifiedDraw {
 public:
  StratifiedDraw(const SearchSpace &space, std::uint64_t seed)
      : space_(space), depth_order_(RandomStream::ForPurpose(seed, kDepthOrderPurpose)) {
    for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
      const std::int64_t size = SpaceSizeAtDepth(space, layers);
      const auto purpose = kDepthOrderPurpose + static_cast<std::uint64_t>(layers);
      strata_.push_back(
          {layers, size, RandomPermutation(size, RandomStream::ForPurpose(seed, purpose))});
    }
    at_ = strata_.size();
  }

  // At most SpaceSize times.
  HiddenWidths Next() {
    if (at_ == strata_.size()) BeginTurn();
    const Stratum &stratum = strata_[at_++];
    return CandidateAtDepth(space_, stratum.layers, stratum.order(turn_));
  }

 private:
  // The candidates of one depth, in random order.
  struct Stratum {
    std::int32_t layers;
    std::int64_t size;
    RandomPermutation order;
  };

  // In each turn every depth that is not used up gives one candidate. The order of the depths
  // is random, for a draw that ends within a turn must not favour the same ones every time.
  void BeginTurn() {
    ++turn_;
    std::erase_if(strata_, [this](const Stratum &stratum) { return turn_ >= stratum.size; });
    depth_order_.Shuffle(strata_.data(), static_cast<std::int64_t>(strata_.size()));
    at_ = 0;
  }

  const SearchSpace &space_;
  RandomStream depth_order_;
  std::vector<Stratum> strata_;
  std::int64_t turn_ = -1;
  std::size_t at_ = 0;
};

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

  // Every candidate before `first` is scored. Call it when no thread works.
  void ContinueFrom(std::size_t first) noexcept { next_ = first; }

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
  n = std::clamp<std::int64_t>(n, 0, SpaceSize(space));
  std::vector<HiddenWidths> sample;
  sample.reserve(static_cast<std::size_t>(n));
  StratifiedDraw draw(space, seed);
  for (std::int64_t i = 0; i < n; ++i) sample.push_back(draw.Next());
  return sample;
}

std::vector<ScoredCandidate> FilterCandidates(const SearchSpace &space, std::int64_t n, Tfmem tfmem,
                                              std::int32_t inputs, std::int32_t outputs,
                                              std::uint64_t seed, std::int32_t threads,
                                              Clock::time_point until, const RunControl &control) {
  n = std::clamp<std::int64_t>(n, 1, SpaceSize(space));
  std::vector<ScoredCandidate> candidates;
  SharedScoring scoring(&candidates, tfmem, inputs, outputs, seed, until, control);
  StratifiedDraw draw(space, seed);
  for (std::int64_t drawn = 0; drawn < n;) {
    const std::int64_t block = std::min(n - drawn, kBlockCandidates);
    for (std::int64_t i = 0; i < block; ++i) candidates.push_back({draw.Next(), 0, 0});
    scoring.ContinueFrom(static_cast<std::size_t>(drawn));
    drawn += block;
    RunThreads(&scoring, std::min<std::int64_t>(threads, block));
    const std::size_t scored = scoring.Finish();
    if (scored == candidates.size()) continue;
    candidates.resize(scored);
    break;
  }
  if (tfmem != Tfmem::kRandom) {
    std::stable_sort(
        candidates.begin(), candidates.end(),
        [](const ScoredCandidate &a, const ScoredCandidate &b) { return a.score > b.score; });
  }
  return candidates;
}

}  // namespace trails
