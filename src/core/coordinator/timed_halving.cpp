#include "core/coordinator/timed_halving.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "core/coordinator/first_rung.h"
#include "core/coordinator/later_rungs.h"

namespace trails {

namespace {

constexpr double kLateShare = 0.5;  // of the time left, for members of a first rung that is late

class TimedHalving final : public Strategy {
 public:
  TimedHalving(const SelectionOptions &options, Proposer *proposer) noexcept
      : options_(options), proposer_(proposer), first_(options_, proposer) {}

  std::optional<Assignment> Next(ContenderField *field) override;
  std::int64_t first_candidates() const override { return std::ssize(first_.members()); }
  double first_steps() const override { return static_cast<double>(first_.steps()); }

 private:
  void Begin(ContenderField *field);
  std::optional<Assignment> NextOfFirstRung(ContenderField *field);
  bool HasEnded(const ContenderField &field, const Contender &contender) const;
  bool IsDone(const ContenderField &field) const;

  const SelectionOptions options_;
  Proposer *proposer_;
  FirstRung first_;
  std::optional<LaterRungs> later_;  // once it has begun
  bool in_first_rung_ = true;
};

const Contender &At(const ContenderField &field, std::int32_t number) {
  return field.contenders()[static_cast<std::size_t>(number)];
}

void TimedHalving::Begin(ContenderField *field) {
  std::int64_t max_steps = std::numeric_limits<std::int64_t>::max() / 4;
  if (options_.max_epochs) max_steps = *options_.max_epochs * field->epoch_steps();
  first_.Plan(*field, max_steps);
  // k says how many candidates are trained: after them there are new seeds only.
  later_.emplace(options_.k ? nullptr : proposer_, max_steps, first_.steps());
}

std::optional<Assignment> TimedHalving::Next(ContenderField *field) {
  if (!later_) Begin(field);
  if (later_->FreeThreads(*field) <= 0) return std::nullopt;
  if (in_first_rung_) {
    if (std::optional<Assignment> next = NextOfFirstRung(field)) return next;
    if (IsDone(*field)) {
      in_first_rung_ = false;
      later_->Begin(field, first_.members(), options_.eta, /*rung=*/0);
    }
  }
  return later_->Next(field);
}

std::optional<Assignment> TimedHalving::NextOfFirstRung(ContenderField *field) {
  first_.Settle(field, [&](const Contender &c) { return HasEnded(*field, c); });
  std::optional<std::int32_t> next;
  std::int64_t runnable = 0;
  for (const std::int32_t member : first_.members()) {
    const Contender &contender = At(*field, member);
    if (contender.busy || HasEnded(*field, contender)) continue;
    if (!next) next = member;
    ++runnable;
  }
  if (!next) {
    next = first_.Enter(field);
    ++runnable;
  }
  if (!next) return std::nullopt;
  if (!first_.IsFull(*field)) runnable = field->threads();
  return later_->Give(*field, *next, 0, first_.steps(), runnable, /*rung=*/0);
}

bool TimedHalving::HasEnded(const ContenderField &field, const Contender &contender) const {
  const std::int64_t end = first_.steps();
  if (contender.diverged || contender.dropped || contender.steps >= end) return true;
  if (HasStopped(contender, Patience(field, end))) return true;
  if (contender.looks.empty() || !first_.IsLate(field)) return false;
  const double seconds =
      static_cast<double>(end - contender.steps) * field.StepSeconds(contender.widths);
  return seconds > kLateShare * field.SecondsLeft();
}

bool TimedHalving::IsDone(const ContenderField &field) const {
  return std::all_of(first_.members().begin(), first_.members().end(), [&](std::int32_t member) {
    const Contender &contender = At(field, member);
    return !contender.busy && HasEnded(field, contender);
  });
}

}  // namespace

std::unique_ptr<Strategy> MakeTimedHalving(const SelectionOptions &options, Proposer *proposer) {
  return std::make_unique<TimedHalving>(options, proposer);
}

}  // namespace trails
