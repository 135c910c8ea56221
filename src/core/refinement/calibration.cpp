#include "core/refinement/calibration.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "core/coordinator/strategy.h"
#include "core/refinement/ensemble.h"
#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"

namespace trails {

namespace {

constexpr std::int64_t kFewestEpochSteps = 50;
constexpr std::int64_t kMostEpochSteps = 200;
constexpr std::int64_t kWarmUpSteps = 2;  // the first ones pay for pages and caches
constexpr std::int64_t kMeasuredSteps = 6;
constexpr std::int64_t kTypicalCandidates = 24;
constexpr double kForecastShare = 0.01;  // of the budget
constexpr double kLeastForecast = 0.02;  // seconds
constexpr double kLongestForecast = 0.1;
// Passes over the training rows after which networks are at their best: medians of real tables
// (docs/benchmarks.md, "What a plan foretells").
constexpr double kBestPassesOfClasses = 6;
constexpr double kBestPassesOfNumbers = 40;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The median, the upper and the lower decile of the list by size, those that memory holds.
std::vector<const HiddenWidths *> Samples(const Dataset &data,
                                          const std::vector<ScoredCandidate> &list,
                                          const SelectionOptions &options) {
  std::vector<const ScoredCandidate *> sorted;
  const std::int64_t room = options.memory_limit_bytes - data.rows.bytes();
  for (const ScoredCandidate &candidate : list) {
    if (options.memory_limit_bytes == 0 || Trainer::Bytes(data, candidate.widths) <= room) {
      sorted.push_back(&candidate);
    }
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto *a, const auto *b) { return a->params < b->params; });
  std::vector<const HiddenWidths *> samples;
  for (const std::size_t tenth : {5, 9, 1}) {
    if (sorted.empty()) break;
    samples.push_back(&sorted[sorted.size() * tenth / 10]->widths);
  }
  return samples;
}

// How many of the list a plan is likely to train.
std::size_t CandidatesOfThePlan(const std::vector<ScoredCandidate> &list,
                                const SelectionOptions &options) {
  const auto wanted = static_cast<std::size_t>(options.k.value_or(kTypicalCandidates));
  return std::min(wanted, list.size());
}

}  // namespace

std::int64_t StepsOfAPass(const Dataset &data) noexcept {
  const auto rows = static_cast<std::int64_t>(data.split.train.size());
  return std::max<std::int64_t>(rows / BatchRows(rows), 1);
}

std::int64_t EpochSteps(const Dataset &data) noexcept {
  return std::clamp(StepsOfAPass(data), kFewestEpochSteps, kMostEpochSteps);
}

TableShape ShapeOf(const Dataset &data, const kernels::FieldPlan &plan) noexcept {
  std::int64_t slots = plan.categorical();
  for (const kernels::NumericSlots &field : plan.numeric_fields) slots += field.knots > 0 ? 3 : 1;
  return {.batch = BatchRows(static_cast<std::int64_t>(data.split.train.size())),
          .slots_per_row = slots,
          .inputs = plan.fields * kEmbeddingWidth,
          .outputs = data.target.outputs(),
          .embedding_numbers = std::int64_t{plan.table_rows} * kEmbeddingWidth};
}

CostModel Calibrate(const Dataset &data, const kernels::FieldPlan &plan,
                    const std::vector<ScoredCandidate> &list, const SelectionOptions &options,
                    Clock::time_point until, const RunControl &control) {
  const EngineThreadScope scope;
  CostModel cost(ShapeOf(data, plan));
  const Interrupt interrupt(control, until);
  const Interrupt only_cancel(control);
  for (const HiddenWidths *widths : Samples(data, list, options)) {
    if (cost.measured() && interrupt.TimeIsUp()) break;
    Trainer trainer(data, plan,
                    {.widths = *widths, .encoding = options.encoding, .seed = options.seed});
    std::int64_t steps = 0;
    const auto train = [&](const Interrupt &by) {
      const Clock::time_point start = Clock::now();
      trainer.Train(1, by);
      if (++steps > kWarmUpSteps) cost.Learn(*widths, 1, SecondsSince(start));
    };
    try {
      while (steps < kWarmUpSteps + kMeasuredSteps && !trainer.diverged()) {
        train(cost.measured() ? interrupt : only_cancel);
      }
    } catch (const TimeUp &) {
      break;
    }
  }
  return cost;
}

Forecast Foretell(const Dataset &data, const std::vector<ScoredCandidate> &list,
                  Strategy *rehearsal, const SelectionOptions &options, std::int32_t threads,
                  const CostModel &cost, double seconds, const RunControl &control) {
  const std::chrono::duration<double> share(
      std::clamp(kForecastShare * control.budget_seconds(), kLeastForecast, kLongestForecast));
  const Interrupt interrupt(control,
                            Clock::now() + std::chrono::duration_cast<Clock::duration>(share));
  const auto look_rows = static_cast<std::int64_t>(data.split.valid.size());
  const std::size_t count = CandidatesOfThePlan(list, options);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += cost.TrainingStepSeconds(list[i].widths);
  const ForecastInput input{
      .seconds = options.plan_is_fixed() ? std::numeric_limits<double>::infinity() : seconds,
      .threads = threads,
      .epoch_steps = EpochSteps(data),
      .epochs_of_a_step = 1.0 / static_cast<double>(StepsOfAPass(data)),
      .step_seconds = [&](const HiddenWidths &w) { return cost.TrainingStepSeconds(w); },
      .look_seconds = [&](const HiddenWidths &w) { return cost.PredictionSeconds(w, look_rows); },
      .typical_step_seconds = sum / static_cast<double>(count),
      .best_passes =
          data.target.task == Task::kRegression ? kBestPassesOfNumbers : kBestPassesOfClasses,
      .check = [&] { interrupt.Check(); }};
  try {
    return ForecastRefinement(input, rehearsal);
  } catch (const TimeUp &) {
    return {.steps = {},
            .k = rehearsal->first_candidates(),
            .u = rehearsal->first_steps() / static_cast<double>(input.epoch_steps)};
  }
}

double JudgingSeconds(const Dataset &data, const std::vector<ScoredCandidate> &list,
                      const SelectionOptions &options, const CostModel &cost) {
  const std::size_t count = CandidatesOfThePlan(list, options);
  const auto test_rows = static_cast<std::int64_t>(data.split.test.size());
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += cost.PredictionSeconds(list[i].widths, test_rows);
  return sum / static_cast<double>(count) * kMostMembers / options.threads;
}

}  // namespace trails
