// What SuccessiveHalving trains next: the plan of each rung. Everything here is called with its
// mutex held.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <fmt/format.h>

#include "core/random.h"
#include "core/refinement/successive_halving.h"

namespace trails {

namespace {

constexpr std::size_t kFirstRung = 24;        // candidates, where the time allows
constexpr std::size_t kFewestCandidates = 8;  // even where an epoch is too dear for them
constexpr double kFirstRungShare = 1.0 / 3;   // of the time
constexpr double kMostFirstEpochs = 4;
constexpr double kDearestEpoch = 1.0 / 25;  // of the time, for one candidate
constexpr std::size_t kFewestSurvivors = 4;
constexpr std::size_t kSeededCandidates = 4;  // new seeds are drawn from the best four
constexpr double kPatience = 0.34;            // of a candidate's life without a new best
constexpr std::array<float, 3> kDropouts = {0.0f, 0.2f, 0.4f};
constexpr std::uint64_t kDropoutPurpose = 11;
constexpr std::uint64_t kSeedPurpose = 12;
constexpr double kStoreBytesPerSecond = 100e6;  // artefact to table, checksum and copy included
constexpr double kFixedReserve = 0.02;          // seconds for what is too small to model
constexpr double kFirstLookSeconds = 0.005;     // memory is taken for the first time
constexpr double kReserveMargin = 1.3;          // test rows are colder than validation rows

std::size_t CeilDivide(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

}  // namespace

double SuccessiveHalving::LookSeconds(const CandidateRun &run) const {
  // Before the first look: predicting costs a third of training.
  const double guess =
      unit_.seconds() * run.row_cost / 3 * static_cast<double>(valid_labels_.size());
  return run.look_seconds > 0 ? run.look_seconds : kFirstLookSeconds + guess;
}

Clock::time_point SuccessiveHalving::Until() const {
  // What comes after: the members' test predictions, spread over the threads, and the artefact.
  double row_seconds = 0;
  double longest = 0;
  std::int64_t bytes = 0;
  for (const Finalist &finalist : result_.finalists) {
    row_seconds += finalist.seconds_per_row;
    longest = std::max(longest, finalist.seconds_per_row);
    bytes += NetworkBytes(finalist.network);
  }
  const double judging = static_cast<double>(data_.split.test.size()) *
                         std::max(row_seconds / options_.threads, longest);
  const std::chrono::duration<double> reserve(kFixedReserve + kReserveMargin * judging +
                                              static_cast<double>(bytes) / kStoreBytesPerSecond);
  return control_.deadline - std::chrono::duration_cast<Clock::duration>(reserve);
}

double SuccessiveHalving::SecondsLeft() const {
  return std::max(0.0, std::chrono::duration<double>(Until() - Clock::now()).count());
}

double SuccessiveHalving::PassSeconds(double row_cost) const {
  return unit_.seconds() * row_cost * static_cast<double>(batch_ * pass_steps_);
}

CandidateRun *SuccessiveHalving::AddRun(std::size_t scored_index, std::uint64_t draw) {
  auto run = std::make_unique<CandidateRun>();
  const ScoredCandidate &scored = scored_[scored_index];
  run->options.widths = scored.widths;
  run->options.encoding = options_.encoding;
  run->options.seed =
      RandomStream::ForPurpose(options_.seed + (draw << 32) + scored_index, kSeedPurpose).Next();
  RandomStream dropouts = RandomStream::ForPurpose(options_.seed + scored_index, kDropoutPurpose);
  run->options.dropout =
      options_.dropout ? static_cast<float>(*options_.dropout)
                       : kDropouts[static_cast<std::size_t>(dropouts.Below(std::ssize(kDropouts)))];
  run->row_cost = RowCost(scored.widths, plan_.fields * kEmbeddingWidth, data_.target.outputs());
  run->candidate = static_cast<std::int32_t>(scored_index);
  if (draw > 0) {
    run->candidate = static_cast<std::int32_t>(result_.candidates.size());
    result_.candidates.push_back(result_.candidates[scored_index]);
    CandidateResult &row = result_.candidates.back();
    row.rung = -1;
    row.epochs = row.seconds = 0;
    row.metric = kNoMetric;
  }
  CandidateResult &row = result_.candidates[static_cast<std::size_t>(run->candidate)];
  row.dropout = run->options.dropout;
  row.seed = run->options.seed;
  runs_.push_back(std::move(run));
  return runs_.back().get();
}

std::vector<std::size_t> SuccessiveHalving::AffordableCandidates(std::size_t wanted) const {
  std::vector<std::size_t> chosen;
  const double capacity = SecondsLeft() * options_.threads;
  std::vector<std::pair<double, std::size_t>> by_cost;
  for (std::size_t i = 0; i < scored_.size(); ++i) {
    const double cost =
        RowCost(scored_[i].widths, plan_.fields * kEmbeddingWidth, data_.target.outputs());
    if (chosen.size() < wanted && PassSeconds(cost) < capacity * kDearestEpoch) {
      chosen.push_back(i);
    }
    by_cost.emplace_back(cost, i);
  }
  const std::size_t fewest = std::min({wanted, kFewestCandidates, scored_.size()});
  if (chosen.size() >= fewest) return chosen;
  // Nothing finishes an epoch in time: a part of an epoch of the cheapest.
  std::sort(by_cost.begin(), by_cost.end());
  chosen.clear();
  for (std::size_t i = 0; i < fewest; ++i) chosen.push_back(by_cost[i].second);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::size_t SuccessiveHalving::FirstThatFits() const {
  if (options_.memory_limit_bytes == 0) return 0;
  const std::int64_t room = options_.memory_limit_bytes - data_.rows.bytes();
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < scored_.size(); ++i) {
    const std::int64_t bytes = Trainer::Bytes(data_, scored_[i].widths);
    if (bytes <= room) return i;
    smallest = std::min(smallest, bytes);
  }
  throw Error(
      ErrorKind::kLimit, "memory limit is too small to train a candidate",
      fmt::format("The data set and the smallest candidate need {} MB; "
                  "trails.memory_limit is {} MB.",
                  ((data_.rows.bytes() + smallest) >> 20) + 1, options_.memory_limit_bytes >> 20),
      "Raise trails.memory_limit, leave out columns with many distinct values, or set "
      "\"max_ids\" in options.");
}

void SuccessiveHalving::LimitByMemory(std::vector<std::size_t> *chosen) const {
  if (options_.memory_limit_bytes == 0) return;
  std::int64_t room = options_.memory_limit_bytes - data_.rows.bytes();
  std::erase_if(*chosen, [&](std::size_t index) {
    const std::int64_t bytes = Trainer::Bytes(data_, scored_[index].widths);
    if (bytes > room) return true;
    room -= bytes;
    return false;
  });
  if (chosen->empty()) chosen->push_back(static_cast<std::size_t>(runs_.front()->candidate));
}

void SuccessiveHalving::PlanFirstRung() {
  const bool fixed = options_.plan_is_fixed();
  const std::size_t wanted =
      std::min(scored_.size(), options_.k ? static_cast<std::size_t>(*options_.k) : kFirstRung);
  std::vector<std::size_t> chosen;
  if (options_.k) {
    for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(i);
  } else {
    chosen = AffordableCandidates(wanted);
  }
  LimitByMemory(&chosen);
  double pass_seconds = 0;
  for (const std::size_t index : chosen) {
    const bool calibrated = static_cast<std::size_t>(runs_.front()->candidate) == index;
    CandidateRun *const run = calibrated ? runs_.front().get() : AddRun(index, 0);
    rung_.push_back(run);
    pass_seconds += PassSeconds(run->row_cost);
  }
  if (std::find(rung_.begin(), rung_.end(), runs_.front().get()) == rung_.end()) {
    runs_.front()->trainer.reset();
  }
  double epochs = kMostFirstEpochs;
  if (options_.u) {
    epochs = static_cast<double>(*options_.u);
  } else if (!fixed && pass_seconds > 0) {
    epochs = std::min(epochs, kFirstRungShare * SecondsLeft() * options_.threads / pass_seconds);
  }
  const auto steps = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::llround(epochs * static_cast<double>(pass_steps_))));
  for (CandidateRun *run : rung_) run->rung_end = std::max(steps, run->steps() + 1);
  result_.first_rung = std::ssize(rung_);
  result_.first_epochs = epochs;
  stage_ = Stage::kRungs;
}

bool SuccessiveHalving::SortsBefore(const CandidateRun *a, const CandidateRun *b) const {
  if (IsBetter(data_.metric, a->best, b->best)) return true;
  if (IsBetter(data_.metric, b->best, a->best)) return false;
  return a->candidate < b->candidate;
}

void SuccessiveHalving::StartRung(std::vector<CandidateRun *> survivors, double factor) {
  for (CandidateRun *run : rung_) {
    const bool survives = std::find(survivors.begin(), survivors.end(), run) != survivors.end();
    if (!survives) run->trainer.reset();
  }
  rung_ = std::move(survivors);
  for (CandidateRun *run : rung_) {
    run->rung_start = run->steps();
    run->rung_end = std::max(
        run->steps() + 1,
        static_cast<std::int64_t>(std::llround(factor * static_cast<double>(run->steps()))));
  }
  ++result_.rungs;
  control_.progress->rung.store(result_.rungs, std::memory_order_relaxed);
}

void SuccessiveHalving::PlanFixedRung() {
  std::vector<CandidateRun *> alive = rung_;
  std::erase_if(alive, [](const CandidateRun *run) { return run->diverged; });
  if (rung_.size() <= 1 || alive.empty()) {
    stage_ = Stage::kEnded;
    return;
  }
  std::sort(alive.begin(), alive.end(),
            [this](const auto *a, const auto *b) { return SortsBefore(a, b); });
  alive.resize(std::min(alive.size(), std::max<std::size_t>(1, rung_.size() / 3)));
  StartRung(std::move(alive), 3.0);
}

void SuccessiveHalving::PlanTimedRung() {
  const auto first_steps =
      static_cast<std::int64_t>(result_.first_epochs * static_cast<double>(pass_steps_));
  std::vector<CandidateRun *> alive = rung_;
  std::erase_if(alive, [&](const CandidateRun *run) {
    if (run->diverged || std::isnan(run->best)) return true;
    const std::int64_t patience = std::max(
        static_cast<std::int64_t>(kPatience * static_cast<double>(run->steps())), 2 * first_steps);
    return run->steps() - run->best_steps >= patience;
  });
  std::sort(alive.begin(), alive.end(),
            [this](const auto *a, const auto *b) { return SortsBefore(a, b); });
  const std::size_t share = CeilDivide(rung_.size(), result_.rungs == 0 ? 3 : 2);
  alive.resize(std::min(alive.size(), std::max(share, kFewestSurvivors)));
  if (alive.empty()) {
    StartRung({}, 1.0);
    // Where everything diverged there is nothing to draw new seeds of.
    const bool has_best = std::any_of(runs_.begin(), runs_.end(),
                                      [](const auto &run) { return !std::isnan(run->best); });
    stage_ = SeedsAllowed() && has_best ? Stage::kSeeds : Stage::kEnded;
    return;
  }
  // Twice as long; what would not end in time is cut for all alike, so that the finalists of the
  // mean are trained equally long.
  double doubling_seconds = 0;
  for (const CandidateRun *run : alive) {
    doubling_seconds += PassSeconds(run->row_cost) * Passes(run->steps());
  }
  const double capacity = SecondsLeft() * options_.threads;
  const double factor = 1.0 + std::min(1.0, capacity / std::max(doubling_seconds, 1e-9));
  StartRung(std::move(alive), factor);
}

CandidateRun *SuccessiveHalving::NextOfRung() const {
  // The one with the longest way to go, so that all end together.
  CandidateRun *next = nullptr;
  double longest = 0;
  for (CandidateRun *run : rung_) {
    if (run->busy || run->rung_is_done()) continue;
    const double left = run->row_cost * static_cast<double>(run->rung_end - run->steps());
    if (next == nullptr || left > longest) {
      next = run;
      longest = left;
    }
  }
  return next;
}

bool SuccessiveHalving::RungIsDone() const {
  return std::all_of(rung_.begin(), rung_.end(),
                     [](const CandidateRun *run) { return !run->busy && run->rung_is_done(); });
}

bool SuccessiveHalving::FitsBesideTheRest(const HiddenWidths &widths) const {
  if (options_.memory_limit_bytes == 0) return true;
  std::int64_t used = data_.rows.bytes() + Trainer::Bytes(data_, widths);
  for (const auto &run : runs_) {
    // A busy run's trainer belongs to its thread.
    const bool holds_memory = run->busy || run->trainer != nullptr ||
                              std::find(rung_.begin(), rung_.end(), run.get()) != rung_.end();
    if (holds_memory) used += Trainer::Bytes(data_, run->options.widths);
  }
  return used <= options_.memory_limit_bytes;
}

CandidateRun *SuccessiveHalving::NextSeed() {
  for (CandidateRun *seed : seeds_) {
    if (seed->busy) continue;
    if (!seed->rung_is_done()) return seed;
    seed->trainer.reset();
  }
  std::erase_if(seeds_, [](const CandidateRun *run) { return !run->busy; });
  std::vector<CandidateRun *> originals;
  for (const auto &run : runs_) {
    const bool is_original = run->candidate < std::ssize(scored_);
    if (is_original && !std::isnan(run->best)) originals.push_back(run.get());
  }
  if (originals.empty()) return nullptr;
  std::sort(originals.begin(), originals.end(),
            [this](const auto *a, const auto *b) { return SortsBefore(a, b); });
  const std::uint64_t draw = runs_.size();  // never used before
  const CandidateRun *const parent =
      originals[draw % std::min(originals.size(), kSeededCandidates)];
  if (!FitsBesideTheRest(parent->options.widths)) return nullptr;
  CandidateRun *const seed = AddRun(static_cast<std::size_t>(parent->candidate), draw);
  const double steps = std::max(result_.first_epochs * static_cast<double>(pass_steps_),
                                1.25 * static_cast<double>(parent->best_steps));
  seed->rung_end = std::max<std::int64_t>(1, std::llround(steps));
  seeds_.push_back(seed);
  return seed;
}

std::int64_t SuccessiveHalving::ChunkSteps(const CandidateRun &run) const {
  const std::int64_t rung_steps = run.rung_end - run.rung_start;
  return std::max(pass_steps_, rung_steps / 8);
}

}  // namespace trails
