// What RefinementPhase tells its strategy, and what it reports at the end.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/random.h"
#include "core/refinement/forward.h"
#include "core/refinement/refinement_phase.h"

namespace trails {

namespace {

constexpr std::uint64_t kSeedPurpose = 12;
constexpr std::uint64_t kBendPurpose = 13;
constexpr double kFixedReserve = 0.02;             // seconds for what is too small to model
constexpr double kFirstLookSeconds = 0.005;        // memory is taken for the first time
constexpr std::size_t kMeanPredictions = 1 << 17;  // judged of a mean while others wait: some ms
constexpr double kReserveMargin = 1.3;             // test rows are colder than validation rows

// Of the initial weights and the data order: the candidate's own whatever its place, so that each
// function of the phase trains it alike; `draw` counts its new seeds from 1.
std::uint64_t SeedOf(std::uint64_t seed, const HiddenWidths &widths, std::uint64_t draw) {
  RandomStream stream = RandomStream::ForPurpose(seed, kSeedPurpose);
  std::uint64_t mixed = stream.Next() + draw;
  for (const std::int32_t width : widths) {
    mixed = RandomStream(mixed + static_cast<std::uint64_t>(width)).Next();
  }
  return mixed;
}

// Every second candidate, with all its new seeds, learns a regression by Huber's loss. It wins
// where a few targets are far off (house prices, 2 % of rmse) and loses where the tail is what is
// to be predicted (account balances, 1 %); the rungs find out which.
float BendOf(std::uint64_t seed, const HiddenWidths &widths) {
  RandomStream stream = RandomStream::ForPurpose(SeedOf(seed, widths, 0), kBendPurpose);
  return stream.Below(2) == 0 ? 1.0f : std::numeric_limits<float>::infinity();
}

// Every stride-th row of [rows, width].
template <typename Number>
std::vector<Number> EveryNth(const std::vector<Number> &rows, std::int32_t width,
                             std::size_t stride) {
  if (stride == 1) return rows;
  const auto numbers = static_cast<std::size_t>(width);
  std::vector<Number> some;
  for (std::size_t at = 0; at + numbers <= rows.size(); at += stride * numbers) {
    some.insert(some.end(), rows.begin() + static_cast<std::ptrdiff_t>(at),
                rows.begin() + static_cast<std::ptrdiff_t>(at + numbers));
  }
  return some;
}

void CheckMemory(const Dataset &data, const std::vector<ScoredCandidate> &list,
                 const SelectionOptions &options) {
  if (options.memory_limit_bytes == 0) return;
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (const ScoredCandidate &candidate : list) {
    smallest = std::min(smallest, Trainer::Bytes(data, candidate.widths));
  }
  if (data.rows.bytes() + smallest <= options.memory_limit_bytes) return;
  throw Error(
      ErrorKind::kLimit, "memory limit is too small to train a candidate",
      fmt::format("The data set and the smallest candidate need {} MB; "
                  "trails.memory_limit is {} MB.",
                  ((data.rows.bytes() + smallest) >> 20) + 1, options.memory_limit_bytes >> 20),
      "Raise trails.memory_limit, leave out columns with many distinct values, or set "
      "\"max_ids\" in options.");
}

void CheckCohortMemory(const std::vector<ScoredCandidate> &list, const CohortPlaces &together) {
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (const ScoredCandidate &candidate : list) {
    smallest = std::min(smallest, together.cohort->Bytes(candidate.widths));
  }
  if (smallest <= together.bytes) return;
  throw Error(
      ErrorKind::kOutOfMemory, "out of memory on the card",
      fmt::format("The smallest candidate needs {} MB; {} MB are left for candidates.",
                  (smallest >> 20) + 1, together.bytes >> 20),
      "Set \"device\" to \"cpu\" in options, or leave out columns with many distinct values.");
}

}  // namespace

RefinementPhase::RefinementPhase(const Dataset &data, const kernels::FieldPlan &plan,
                                 const std::vector<ScoredCandidate> &list, Strategy *strategy,
                                 Strategy *rehearsal, bool with_floor,
                                 const SelectionOptions &options, const RunControl &control,
                                 CohortPlaces together)
    : data_(data),
      plan_(plan),
      list_(list),
      strategy_(strategy),
      rehearsal_(rehearsal),
      options_(options),
      control_(control),
      together_(together),
      valid_labels_(LabelsOf(data, data.split.valid)),
      pass_steps_(StepsOfAPass(data)),
      epoch_steps_(EpochSteps(data)),
      floor_wanted_(with_floor),
      built_in_cost_(ShapeOf(data, plan)),
      cost_(built_in_cost_) {
  CheckMemory(data, list, options);
  if (together_.cohort != nullptr) CheckCohortMemory(list, together_);
}

std::int32_t RefinementPhase::Enter(const Proposal &proposal) {
  const auto number = static_cast<std::int32_t>(contenders_.size());
  std::uint64_t draw = 0;
  if (proposal.origin >= 0) {
    for (const Contender &other : contenders_) draw += other.widths == proposal.widths;
  }
  Contender contender;
  contender.number = number;
  contender.widths = proposal.widths;
  contender.dropout = proposal.dropout;
  contender.origin = proposal.origin;
  auto run = std::make_unique<ContenderRun>();
  const Pace pace = PaceOf(data_.target.task);
  run->options = {.widths = proposal.widths,
                  .encoding = options_.encoding,
                  .dropout = proposal.dropout,
                  .learning_rate = pace.learning_rate,
                  .weight_decay = pace.weight_decay,
                  .bend = BendOf(options_.seed, proposal.widths),
                  .seed = SeedOf(options_.seed, proposal.widths, draw)};
  run->bytes = BytesOf(proposal.widths);
  entered_bytes_ += run->bytes;
  CandidateResult row;
  row.architecture = ArchitectureName(proposal.widths);
  row.params =
      CountParameters(proposal.widths, plan_.fields * kEmbeddingWidth, data_.target.outputs());
  row.dropout = proposal.dropout;
  row.seed = run->options.seed;
  contenders_.push_back(std::move(contender));
  runs_.push_back(std::move(run));
  result_.candidates.push_back(std::move(row));
  return number;
}

void RefinementPhase::Drop(std::int32_t contender) {
  if (At(contender).busy) {
    throw Error(ErrorKind::kInternal,
                fmt::format("contender {} is dropped in training", contender));
  }
  if (At(contender).dropped) return;
  At(contender).dropped = true;
  ContenderRun &run = RunOf(contender);
  entered_bytes_ -= run.bytes;
  run.trainer.reset();
  if (run.member >= 0) together_.cohort->Drop(run.member);
  run.member = -1;
}

double RefinementPhase::SecondsLeft() const {
  if (options_.plan_is_fixed()) return std::numeric_limits<double>::infinity();
  return std::max(0.0, std::chrono::duration<double>(Until() - Clock::now()).count());
}

double RefinementPhase::StepSeconds(const HiddenWidths &widths) const {
  return (options_.plan_is_fixed() ? built_in_cost_ : cost_).TrainingStepSeconds(widths);
}

bool RefinementPhase::Fits(const HiddenWidths &widths) const {
  if (together_.cohort != nullptr) return entered_bytes_ + BytesOf(widths) <= together_.bytes;
  if (options_.memory_limit_bytes == 0) return true;
  const std::int64_t used = data_.rows.bytes() + entered_bytes_ + BytesOf(widths);
  return used <= options_.memory_limit_bytes;
}

std::int64_t RefinementPhase::BytesOf(const HiddenWidths &widths) const {
  return together_.cohort != nullptr ? together_.cohort->Bytes(widths)
                                     : Trainer::Bytes(data_, widths);
}

std::int64_t RefinementPhase::StepsOf(const ContenderRun &run) const {
  if (run.member >= 0) return together_.cohort->Steps(run.member);
  return run.trainer ? run.trainer->steps() : 0;
}

double RefinementPhase::MeanMerit(std::span<const std::int32_t> contenders) const {
  std::vector<const Finalist *> members;
  for (const Finalist &finalist : result_.finalists) {
    const bool wanted =
        std::find(contenders.begin(), contenders.end(), finalist.candidate) != contenders.end();
    if (wanted) members.push_back(&finalist);
  }
  if (members.empty() || members.size() < contenders.size()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto outputs = static_cast<std::size_t>(data_.target.outputs());
  const std::size_t stride =
      (valid_labels_.size() * outputs + kMeanPredictions - 1) / kMeanPredictions;
  const std::vector<double> sample = EveryNth(valid_labels_, 1, stride);
  std::vector<float> sum;
  for (const Finalist *member : members) {
    AddPredictions(EveryNth(member->predictions, data_.target.outputs(), stride), &sum);
  }
  const auto count = static_cast<float>(members.size());
  const double valid =
      Judge(data_.metric, Scaled(sum, 1.0f / count), data_.target.outputs(), sample);
  return HigherIsBetter(data_.metric) ? valid : -valid;
}

double RefinementPhase::LookSeconds(const HiddenWidths &widths) const {
  return cost_.PredictionSeconds(widths, std::ssize(valid_labels_));
}

double RefinementPhase::LookSecondsOf(std::int32_t contender) const {
  const ContenderRun &run = RunOf(contender);
  if (run.look_seconds > 0) return run.look_seconds;
  return kFirstLookSeconds + LookSeconds(run.options.widths);
}

// What keeping its first snapshot adds to the end: Until knows only those that are kept already.
double RefinementPhase::KeepingSeconds(std::int32_t contender) const {
  const bool kept = std::any_of(result_.finalists.begin(), result_.finalists.end(),
                                [&](const Finalist &f) { return f.candidate == contender; });
  if (kept) return 0;
  const std::int64_t numbers = result_.candidates[static_cast<std::size_t>(contender)].params +
                               std::int64_t{plan_.table_rows} * kEmbeddingWidth;
  const double test_share = static_cast<double>(data_.split.test.size()) /
                            static_cast<double>(std::max<std::size_t>(valid_labels_.size(), 1));
  return static_cast<double>(numbers) * sizeof(float) / kStoreBytesPerSecond +
         kReserveMargin * test_share * LookSecondsOf(contender) / options_.threads;
}

Clock::time_point RefinementPhase::Until() const {
  // What comes after: the members' test predictions, spread over the threads, and the artefact.
  double row_seconds = 0;
  double longest = 0;
  std::int64_t bytes = 0;
  for (const Finalist &finalist : result_.finalists) {
    row_seconds += finalist.seconds_per_row;
    longest = std::max(longest, finalist.seconds_per_row);
    bytes += NetworkBytes(finalist.network);
  }
  if (const SnapshotList &snapshots = result_.snapshots; snapshots.seen() > 0) {
    bytes += snapshots.NextCount() * NetworkBytes(snapshots.kept().back().network);
  }
  const double judging = static_cast<double>(data_.split.test.size()) *
                         std::max(row_seconds / options_.threads, longest);
  const std::chrono::duration<double> reserve(kFixedReserve + kReserveMargin * judging +
                                              static_cast<double>(bytes) / kStoreBytesPerSecond);
  return control_.deadline - std::chrono::duration_cast<Clock::duration>(reserve);
}

RefinementResult RefinementPhase::Report() {
  if (control_.finish != nullptr && control_.finish->load()) result_.stopped_early = true;
  result_.first_rung = strategy_->first_candidates();
  result_.first_epochs = strategy_->first_steps() / static_cast<double>(epoch_steps_);
  result_.calibration = cost_.Describe();
  result_.planned_judging =
      JudgingSeconds(data_, list_, options_, together_.cohort != nullptr ? built_in_cost_ : cost_);
  result_.steps = Steps();
  return std::move(result_);
}

std::vector<PlanStep> RefinementPhase::Steps() const {
  std::vector<PlanStep> steps;
  const auto add = [&](std::string name, double seconds) {
    PlanStep step;
    step.name = std::move(name);
    step.seconds = seconds;
    steps.push_back(std::move(step));
  };
  add("calibration", calibration_seconds_ / options_.threads);
  if (floor_seconds_ > 0) add("floor", floor_seconds_ / options_.threads);
  for (const auto &[key, tally] : tallies_) {
    add(StepName(key.first, key.second), tally.thread_seconds / threads());
    steps.back().models = std::ssize(tally.steps);
    double passes = 0;
    for (const auto &[contender, behind] : tally.steps) passes += Passes(behind);
    steps.back().epochs = passes / static_cast<double>(tally.steps.size());
  }
  // A step that was planned and did not come stands where it would have come.
  auto place = steps.begin();
  for (const PlanStep &planned : forecast_.steps) {
    const auto same = std::find_if(steps.begin(), steps.end(),
                                   [&](const PlanStep &s) { return s.name == planned.name; });
    if (same != steps.end()) {
      same->planned_seconds = planned.planned_seconds;
      place = same + 1;
    } else {
      place = steps.insert(place == steps.begin() ? steps.end() : place, planned);
      place->models = 0;
      place->epochs = 0;
      ++place;
    }
  }
  return steps;
}

}  // namespace trails
