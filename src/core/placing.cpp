#include "core/placing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/contest.h"
#include "core/data/embedding.h"
#include "core/refinement/calibration.h"

namespace trails {

namespace {

constexpr std::int64_t kTypicalCandidates = 24;  // of a timed plan's first rung: first_rung.h
constexpr std::int64_t kTypicalEpochs = 4;
constexpr double kCalibrationShare = 0.02;  // of the budget
constexpr double kMostCalibrationSeconds = 0.3;

RungWork RungOf(const Dataset &data, const kernels::FieldPlan &plan,
                const std::vector<ScoredCandidate> &list, std::int64_t steps) {
  RungWork rung{.shape = ShapeOf(data, plan),
                .candidates = {},
                .steps = steps,
                .look_rows = std::ssize(data.split.valid),
                .table_bytes = data.rows.bytes()};
  for (const ScoredCandidate &candidate : list) rung.candidates.push_back(candidate.widths);
  return rung;
}

FilterRequest RequestOf(const Dataset &data, const SelectionOptions &options) {
  return {.space = options.space,
          .tfmem = options.tfmem,
          .sampler = options.sampler,
          .n = options.n,
          .banks = options.banks,
          .inputs = data.fields.Plan().fields * kEmbeddingWidth,
          .outputs = data.target.outputs()};
}

FilteringWork FilteringOf(const SelectionOptions &options) {
  return {.tfmem = options.tfmem, .candidates = SpaceSize(options.space), .banks = options.banks};
}

CostModel Measured(const Dataset &data, const kernels::FieldPlan &plan,
                   const std::vector<ScoredCandidate> &list, const SelectionOptions &options,
                   const RunControl &control) {
  const double seconds =
      std::min(kCalibrationShare * control.budget_seconds(), kMostCalibrationSeconds);
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
  return Calibrate(data, plan, list, options, until, control);
}

CardCohort MakeCardCohort(const Dataset &data, const kernels::FieldPlan &plan,
                          const SelectionOptions &options, const Placement &placement,
                          const Placer &placer) {
  constexpr double kUsableShare = 0.9;  // of what is free: cuBLAS and graphs take some
  if (!placement.refines_on_card()) return {};
  CardCohort made{
      .cohort = placer.card()->MakeCohort(data, plan, options.precision, options.threads),
      .places = {}};
  const double usable = kUsableShare * static_cast<double>(placer.card()->facts().free_bytes);
  made.places = {.cohort = made.cohort.get(),
                 .places = CardPlaces(options),
                 .bytes = static_cast<std::int64_t>(usable)};
  return made;
}

}  // namespace

std::int32_t CardPlaces(const SelectionOptions &options) noexcept {
  constexpr std::int64_t kPlaces = 64;       // of a timed plan, which enters candidates one by one
  constexpr std::int64_t kMostPlaces = 512;  // of a fixed one
  return static_cast<std::int32_t>(
      std::clamp<std::int64_t>(options.k.value_or(kPlaces), 1, kMostPlaces));
}

CardCohortInTheMaking::CardCohortInTheMaking(const Dataset &data, const kernels::FieldPlan &plan,
                                             const SelectionOptions &options,
                                             const Placement &placement, const Placer &placer)
    : made_(std::async(placement.refines_on_card() ? std::launch::async : std::launch::deferred,
                       [&] { return MakeCardCohort(data, plan, options, placement, placer); })) {}

CostModel CardCost(const Dataset &data, const kernels::FieldPlan &plan,
                   const std::vector<ScoredCandidate> &list, const SelectionOptions &options,
                   const Card &card) {
  const auto together = std::min(list.size(), static_cast<std::size_t>(CardPlaces(options)));
  RungWork rung =
      RungOf(data, plan, {list.begin(), list.begin() + static_cast<std::ptrdiff_t>(together)}, 1);
  rung.look_rows = rung.table_bytes = 0;
  const double step = CardSeconds(rung, card.facts(), options.precision);
  // Each takes as long as all: who took how much of it is as among the built-in costs.
  const CostModel built_in(rung.shape);
  double sum = 0;
  for (const HiddenWidths &widths : rung.candidates) sum += built_in.TrainingStepSeconds(widths);
  CostModel cost(rung.shape);
  for (const HiddenWidths &widths : rung.candidates) {
    constexpr std::int64_t kSteps = 16;  // that a calibration measures
    const double share = built_in.TrainingStepSeconds(widths) * static_cast<double>(together) / sum;
    cost.Learn(widths, kSteps, kSteps * step * share);
  }
  return cost;
}

std::int64_t FirstRungSteps(const Dataset &data, const SelectionOptions &options) noexcept {
  const std::int64_t epochs = options.u.value_or(kTypicalEpochs);
  return std::min(epochs, options.max_epochs.value_or(epochs)) * EpochSteps(data);
}

Placement PlaceSelection(const Dataset &data, const kernels::FieldPlan &plan,
                         const SelectionOptions &options, const RunControl &control, Placer *placer,
                         std::vector<Notice> *notices) {
  const std::int64_t wanted = options.only_filter ? 1 : options.k.value_or(kTypicalCandidates);
  std::vector<ScoredCandidate> list;
  for (HiddenWidths &widths : SampleCandidates(options.space, wanted, options.seed)) {
    const std::int64_t params =
        CountParameters(widths, plan.fields * kEmbeddingWidth, data.target.outputs());
    list.push_back({std::move(widths), kInvalidScore, params});
  }
  PlacedWork work{.rung = RungOf(data, plan, list, FirstRungSteps(data, options)),
                  .filtering = std::nullopt};
  if (RanksWhole(RequestOf(data, options))) work.filtering = FilteringOf(options);
  Placement placement =
      placer->Place(work, [&] { return Measured(data, plan, list, options, control); });
  if (options.device == Device::kCuda && !placement.filters_on_card()) {
    notices->push_back({NoticeLevel::kNotice,
                        "the filtering phase runs on the CPU",
                        fmt::format("No kernel computes TFMEM {}.", Name(options.tfmem)),
                        {}});
  }
  return placement;
}

Placement PlaceRefinement(const Dataset &data, const kernels::FieldPlan &plan,
                          const std::vector<ScoredCandidate> &list, std::int64_t steps,
                          const SelectionOptions &options, const RunControl &control,
                          Placer *placer) {
  const PlacedWork work{.rung = RungOf(data, plan, list, steps), .filtering = std::nullopt};
  return placer->Place(work, [&] { return Measured(data, plan, list, options, control); });
}

Placement PlaceFiltering(const Dataset &data, const SelectionOptions &options, Placer *placer) {
  PlacedWork work;
  if (RanksWhole(RequestOf(data, options))) {
    work.filtering = FilteringOf(options);
  } else if (options.device == Device::kCuda) {
    throw Error(ErrorKind::kNotSupported, "device \"cuda\" scores whole spaces only",
                "These candidates are scored one by one, by the definitions.",
                "Give device \"cpu\", or leave out \"n\" and \"sampler\".");
  }
  return placer->Place(work, []() -> CostModel { throw Error(ErrorKind::kInternal, "no rung"); });
}

}  // namespace trails
