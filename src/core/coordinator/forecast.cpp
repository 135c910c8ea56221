#include "core/coordinator/forecast.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/coordinator/cost_model.h"

namespace trails {

namespace {

constexpr double kGain = 1e-3;      // of merit by training: less than what lies between candidates
constexpr double kRounding = 1e-9;  // a chunk that is cut to the time left ends in time
// Chunks of new seeds alone, for each thread, after which the rest of the time is taken to go on
// like them.
constexpr std::int64_t kSeedsForAThread = 24;

// What a step takes and who is in it.
struct Tally {
  double thread_seconds = 0;
  std::map<std::int32_t, std::int64_t> steps;  // of each contender at its end
  std::int64_t more_models = 0;                // that are not in `steps`
};

// Contenders that take time and get better, each up to a merit of its own.
class ForetoldField final : public ContenderField {
 public:
  explicit ForetoldField(const ForecastInput &input) : input_(input) {}

  const std::vector<Contender> &contenders() const override { return contenders_; }
  std::int32_t Enter(const Proposal &proposal) override {
    Contender contender;
    contender.number = static_cast<std::int32_t>(contenders_.size());
    contender.widths = proposal.widths;
    contender.dropout = proposal.dropout;
    contender.origin = proposal.origin;
    const double cost = input_.step_seconds(contender.widths) / input_.typical_step_seconds;
    contenders_.push_back(std::move(contender));
    talents_.push_back(-std::fabs(std::log(cost)));
    return contenders_.back().number;
  }
  void Drop(std::int32_t contender) override { At(contender).dropped = true; }
  double SecondsLeft() const override { return input_.seconds - now; }
  double StepSeconds(const HiddenWidths &widths) const override {
    return input_.step_seconds(widths);
  }
  double LookSeconds(const HiddenWidths &widths) const override {
    return input_.look_seconds(widths);
  }
  bool Fits(const HiddenWidths &) const override { return true; }
  std::int32_t threads() const override { return input_.threads; }
  std::int64_t epoch_steps() const override { return input_.epoch_steps; }

  Contender &At(std::int32_t number) { return contenders_[static_cast<std::size_t>(number)]; }
  void Look(Contender *contender, std::int64_t steps) {
    const double best_steps = input_.best_passes / input_.epochs_of_a_step;
    const double behind = std::min(static_cast<double>(steps), best_steps);
    const double trained = behind / (behind + static_cast<double>(input_.epoch_steps));
    const double merit = talents_[static_cast<std::size_t>(contender->number)] + kGain * trained;
    contender->steps = steps;
    contender->looks.push_back({steps, merit});
    if (merit <= contender->merit) return;
    contender->merit = merit;
    contender->best_steps = steps;
  }

  double now = 0;

 private:
  const ForecastInput &input_;
  std::vector<Contender> contenders_;
  std::vector<double> talents_;
};

class Simulation {
 public:
  Simulation(const ForecastInput &input, Strategy *strategy)
      : input_(input), strategy_(strategy), field_(input), free_(input.threads) {}

  void Run() {
    while (field_.now < input_.seconds && !OnlySeedsAreLeft()) {
      while (free_ > 0 && Begin()) {
      }
      if (!EndNext()) return;
    }
    if (field_.now < input_.seconds) {
      Extrapolate();
    } else {
      while (EndNext()) {  // what the deadline cuts off took time as well
      }
    }
  }

  Forecast Result() const {
    Forecast forecast;
    for (const auto &[key, tally] : tallies_) {
      PlanStep step;
      step.name = StepName(key.first, key.second);
      for (const auto &[contender, steps] : tally.steps) {
        step.epochs += static_cast<double>(steps) * input_.epochs_of_a_step;
      }
      step.epochs /= static_cast<double>(tally.steps.size());
      step.models = std::ssize(tally.steps) + tally.more_models;
      step.planned_seconds = tally.thread_seconds / input_.threads;
      forecast.steps.push_back(std::move(step));
    }
    forecast.k = strategy_->first_candidates();
    forecast.u = strategy_->first_steps() / static_cast<double>(input_.epoch_steps);
    return forecast;
  }

 private:
  struct Running {
    double end;
    Assignment work;
    double begin;
    bool operator<(const Running &other) const {
      return end != other.end ? end < other.end : work.contender < other.work.contender;
    }
  };

  using Key = std::pair<Stage, std::int32_t>;
  static Key KeyOf(const Assignment &work) {
    return {work.stage, work.stage == Stage::kRung ? work.rung : 0};
  }

  bool Begin() {
    input_.check();
    const std::optional<Assignment> work = strategy_->Next(&field_);
    if (!work) return false;
    Contender &contender = field_.At(work->contender);
    const double seconds = static_cast<double>(work->until - contender.steps) *
                               input_.step_seconds(contender.widths) /
                               SpeedOfThreads(work->threads) +
                           input_.look_seconds(contender.widths);
    contender.busy = true;
    free_ -= work->threads;
    running_.insert({field_.now + seconds, *work, field_.now});
    only_seeds_ = work->stage == Stage::kSeeds ? only_seeds_ + 1 : 0;
    return true;
  }

  // The next chunk to end, where the time allows.
  bool EndNext() {
    if (running_.empty()) return false;
    const Running next = *running_.begin();
    running_.erase(running_.begin());
    Contender &contender = field_.At(next.work.contender);
    Tally &tally = tallies_[KeyOf(next.work)];
    field_.now = std::min(next.end, input_.seconds);
    tally.thread_seconds += (field_.now - next.begin) * next.work.threads;
    contender.busy = false;
    free_ += next.work.threads;
    if (next.end > input_.seconds * (1 + kRounding)) {
      tally.steps.try_emplace(contender.number, contender.steps);
      return true;
    }
    field_.Look(&contender, next.work.until);
    tally.steps[contender.number] = contender.steps;
    return true;
  }

  bool OnlySeedsAreLeft() const {
    if (only_seeds_ < kSeedsForAThread * input_.threads) return false;
    return std::isfinite(input_.seconds) &&
           std::all_of(running_.begin(), running_.end(),
                       [](const Running &running) { return running.work.stage == Stage::kSeeds; });
  }

  // New seeds go on to the end of the time at the rate at which they came.
  void Extrapolate() {
    const double wall = input_.seconds - field_.now;
    if (running_.empty() || wall <= 0) return;
    Tally &seeds = tallies_[KeyOf(running_.begin()->work)];
    const double known = seeds.thread_seconds;
    for (const Running &running : running_) seeds.thread_seconds += field_.now - running.begin;
    seeds.thread_seconds += wall * input_.threads;
    seeds.more_models = static_cast<std::int64_t>(static_cast<double>(seeds.steps.size()) *
                                                  (seeds.thread_seconds / known - 1));
  }

  const ForecastInput &input_;
  Strategy *strategy_;
  ForetoldField field_;
  std::int32_t free_;
  std::int64_t only_seeds_ = 0;  // chunks, since one of a rung
  std::set<Running> running_;
  std::map<Key, Tally> tallies_;
};

}  // namespace

Forecast ForecastRefinement(const ForecastInput &input, Strategy *strategy) {
  Simulation simulation(input, strategy);
  simulation.Run();
  return simulation.Result();
}

}  // namespace trails
