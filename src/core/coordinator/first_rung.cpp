#include "core/coordinator/first_rung.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/coordinator/reseeding.h"

namespace trails {

namespace {

constexpr std::size_t kMembers = 24;  // where the time allows
constexpr std::size_t kFewestMembers = 8;
constexpr std::int32_t kFewestSurvivors = 4;
constexpr std::int32_t kMostFinalists = 8;  // as many as the final mean may have
constexpr double kShare = 1.0 / 3;          // of the time
constexpr double kLate = 1.25;              // of its share
constexpr double kMostEpochs = 4;
constexpr double kFewestEpochs = 0.5;       // rather fewer candidates than shorter ones
constexpr double kDearestEpoch = 1.0 / 25;  // of the time of all threads
constexpr double kLongestEpoch = 1.0 / 6;   // of the time: many threads do not help one candidate

std::size_t CeilDivide(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

}  // namespace

std::size_t FewestSurvivors(std::int32_t threads) noexcept {
  return static_cast<std::size_t>(std::clamp(threads, kFewestSurvivors, kMostFinalists));
}

bool FirstRung::IsLate(const ContenderField &field) const noexcept {
  if (!std::isfinite(seconds_) || (options_.k && options_.u)) return false;
  return seconds_ - field.SecondsLeft() > kLate * kShare * seconds_;
}

double FirstRung::MemberSeconds(const ContenderField &field, const HiddenWidths &widths,
                                double steps) const {
  const double looks = std::max(1.0, steps / static_cast<double>(field.epoch_steps()));
  return steps * field.StepSeconds(widths) + looks * field.LookSeconds(widths);
}

bool FirstRung::IsSuited(const ContenderField &field, const HiddenWidths &widths) {
  const auto epoch = static_cast<double>(field.epoch_steps());
  if (epoch * field.StepSeconds(widths) > dearest_epoch_) return false;
  const auto steps = static_cast<double>(steps_);
  if (steps_ > 0 && MemberSeconds(field, widths, steps) > field.SecondsLeft()) return false;
  const bool fits = field.Fits(widths);
  memory_is_short_ = memory_is_short_ || !fits;
  return fits;
}

void FirstRung::Gather(const ContenderField &field, std::size_t count) {
  while (waiting_.size() < count) {
    std::optional<Proposal> proposal =
        proposer_->Propose([&](const HiddenWidths &widths) { return IsSuited(field, widths); },
                           [&](const HiddenWidths &widths) { return field.StepSeconds(widths); });
    if (!proposal) return;
    waiting_.push_back(std::move(*proposal));
  }
}

void FirstRung::LetTheCheapestIn(const ContenderField &field, std::size_t count) {
  std::vector<std::pair<double, HiddenWidths>> dear;
  proposer_->Propose(
      [&](const HiddenWidths &widths) {
        if (field.Fits(widths)) dear.emplace_back(field.StepSeconds(widths), widths);
        return false;
      },
      [](const HiddenWidths &) { return 1.0; });
  std::sort(dear.begin(), dear.end());
  dear.erase(std::unique(dear.begin(), dear.end()), dear.end());
  if (dear.empty()) return;
  const std::size_t last = std::min(count - waiting_.size(), dear.size()) - 1;
  dearest_epoch_ = static_cast<double>(field.epoch_steps()) * dear[last].first;
}

void FirstRung::PlanLength(const ContenderField &field, std::size_t fewest, std::size_t most) {
  double step = 0;
  double look = 0;
  double longest_epoch = 0;
  const auto epoch = static_cast<double>(field.epoch_steps());
  for (const Proposal &proposal : waiting_) {
    const double one_step = field.StepSeconds(proposal.widths);
    const double one_look = field.LookSeconds(proposal.widths);
    step += one_step / static_cast<double>(waiting_.size());
    look += one_look / static_cast<double>(waiting_.size());
    longest_epoch = std::max(longest_epoch, epoch * one_step + one_look);
  }
  const double share = kShare * seconds_;
  const double capacity = share * field.threads();
  const double planned = options_.u ? static_cast<double>(*options_.u) : kFewestEpochs;
  const double each = planned * epoch * step + std::max(1.0, planned) * look;
  wanted_ = options_.k
                ? most
                : static_cast<std::size_t>(std::clamp(capacity / each, static_cast<double>(fewest),
                                                      static_cast<double>(most)));
  double steps = planned * epoch;
  if (!options_.u) {
    const double seconds = capacity / static_cast<double>(wanted_);
    const double epochs = std::min(seconds / (epoch * step + look), share / longest_epoch);
    // A part of an epoch has a whole look at its end.
    steps = epochs >= 1 ? epochs * epoch : (seconds - look) / step;
    steps = std::min(steps, kMostEpochs * epoch);
  }
  steps_ = std::min(max_steps_, std::max<std::int64_t>(1, std::llround(steps)));
}

void FirstRung::Plan(const ContenderField &field, std::int64_t max_steps) {
  max_steps_ = max_steps;
  seconds_ = field.SecondsLeft();
  const auto threads = static_cast<std::size_t>(field.threads());
  const std::size_t most =
      options_.k ? static_cast<std::size_t>(*options_.k) : CeilDivide(kMembers, threads) * threads;
  const std::size_t fewest = std::min(most, kFewestMembers);
  dearest_epoch_ = options_.k ? std::numeric_limits<double>::infinity()
                              : seconds_ * std::min(kDearestEpoch * field.threads(), kLongestEpoch);
  Gather(field, fewest);
  if (waiting_.size() < fewest && !options_.k) {
    LetTheCheapestIn(field, fewest);
    Gather(field, fewest);
  }
  if (waiting_.empty()) return;
  PlanLength(field, fewest, most);
  if (waiting_.size() < fewest) wanted_ = waiting_.size();  // there are no others
  if (!options_.stop_at) return;
  // The cheapest model that is good enough: the quickest to train come first.
  Gather(field, wanted_);
  std::stable_sort(waiting_.begin(), waiting_.end(), [&](const Proposal &a, const Proposal &b) {
    return field.StepSeconds(a.widths) < field.StepSeconds(b.widths);
  });
}

std::optional<std::size_t> FirstRung::NextWaiting(const ContenderField &field) {
  memory_is_short_ = false;
  if (waiting_.empty()) Gather(field, 1);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (field.Fits(waiting_[i].widths)) return i;
    memory_is_short_ = true;
  }
  return std::nullopt;
}

std::optional<std::int32_t> FirstRung::Enter(ContenderField *field) {
  if (IsFull(*field)) return std::nullopt;
  std::optional<std::size_t> next = NextWaiting(*field);
  while (!next && memory_is_short_ && FreeTheWorst(field)) next = NextWaiting(*field);
  if (!next) {
    refused_at_ = told_;
    return std::nullopt;
  }
  const std::int32_t number = field->Enter(waiting_[*next]);
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(*next));
  members_.push_back(number);
  has_ended_.push_back(false);
  return number;
}

void FirstRung::Settle(ContenderField *field, const std::function<bool(const Contender &)> &ended) {
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &member = field->contenders()[static_cast<std::size_t>(members_[m])];
    if (has_ended_[m] || member.busy || !(member.diverged || ended(member))) continue;
    has_ended_[m] = true;
    ++told_;
    const double merit = member.diverged ? std::numeric_limits<double>::quiet_NaN() : member.merit;
    proposer_->Tell({.widths = member.widths, .dropout = member.dropout, .origin = -1}, merit);
    if (member.diverged && !member.dropped) field->Drop(member.number);
  }
}

bool FirstRung::FreeTheWorst(ContenderField *field) {
  std::vector<const Contender *> ended;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &member = field->contenders()[static_cast<std::size_t>(members_[m])];
    if (has_ended_[m] && !member.dropped) ended.push_back(&member);
  }
  if (ended.size() <= FewestSurvivors(field->threads())) return false;
  const auto worst =
      std::max_element(ended.begin(), ended.end(),
                       [](const Contender *a, const Contender *b) { return RanksBefore(*a, *b); });
  field->Drop((*worst)->number);
  return true;
}

}  // namespace trails
