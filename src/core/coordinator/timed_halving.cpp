#include "core/coordinator/timed_halving.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/coordinator/cost_model.h"
#include "core/coordinator/first_rung.h"
#include "core/coordinator/reseeding.h"

namespace trails {

namespace {

constexpr std::int64_t kLonger = 2;  // a rung, than the one before
constexpr double kLateShare = 0.5;   // of the time left, for members of a first rung that is late
constexpr double kLeastSharedSeconds = 2e-4;  // of a mini-batch, for each thread that shares it
// Chunks do not end together, and what they take is an estimate: a rung that seems this much too
// long is cut again.
constexpr double kTolerance = 1.005;

class TimedHalving final : public Strategy {
 public:
  TimedHalving(const SelectionOptions &options, Proposer *proposer) noexcept
      : options_(options), proposer_(proposer), first_(options_, proposer) {}

  std::optional<Assignment> Next(ContenderField *field) override;
  std::int64_t first_candidates() const override { return std::ssize(first_.members()); }
  double first_steps() const override { return static_cast<double>(first_.steps()); }

 private:
  // What a thread was given last for a contender.
  struct Chunk {
    double seconds = 0;       // that it takes
    double seconds_left = 0;  // of the phase when it began
    std::int64_t until = 0;
    std::int32_t threads = 0;
  };
  enum class State { kStart, kFirstRung, kRung, kSeeds };

  void Begin(ContenderField *field);
  std::optional<Assignment> NextOfFirstRung(ContenderField *field);
  std::optional<Assignment> NextOfRung(ContenderField *field);
  // A chunk of a contender of the rung, where `runnable` of it wait for a thread.
  std::optional<Assignment> Give(ContenderField *field, std::int32_t number, std::int64_t start,
                                 std::int64_t runnable);
  void Record(const ContenderField &field, const Assignment &work);
  std::int32_t FreeThreads(const ContenderField &field) const;
  bool HasEnded(const ContenderField &field, const Contender &contender) const;
  bool IsDone(const ContenderField &field, const std::vector<std::int32_t> &members) const;
  std::vector<std::int32_t> Survivors(const ContenderField &field) const;
  void PlanRung(ContenderField *field);
  bool MoreMembersPay(const ContenderField &field, double by_longer) const;
  void CutRung(const ContenderField &field);
  double SecondsNeeded(const ContenderField &field, std::int64_t end) const;
  double MemberSeconds(const ContenderField &field, std::size_t member, std::int64_t end) const;
  double ChunkSecondsLeft(const ContenderField &field, const Contender &contender) const;
  std::int64_t Reached(const ContenderField &field, std::int32_t number) const;

  const SelectionOptions options_;
  Proposer *proposer_;
  FirstRung first_;
  std::optional<Reseeding> reseeding_;
  State state_ = State::kStart;
  std::int64_t max_steps_ = 0;
  std::int32_t rung_ = 0;
  std::int64_t end_ = 0;               // mini-batches of each member at the end of the rung
  std::vector<std::int32_t> members_;  // of the rung, after the first
  std::vector<std::int64_t> starts_;   // [member], mini-batches when the rung began
  double mean_ = std::numeric_limits<double>::quiet_NaN();  // their mean's merit then
  std::vector<Chunk> chunks_;                               // [contender]
};

const Contender &At(const ContenderField &field, std::int32_t number) {
  return field.contenders()[static_cast<std::size_t>(number)];
}

void TimedHalving::Begin(ContenderField *field) {
  max_steps_ = std::numeric_limits<std::int64_t>::max() / 4;
  if (options_.max_epochs) max_steps_ = *options_.max_epochs * field->epoch_steps();
  // k says how many candidates are trained: after them there are new seeds only.
  reseeding_.emplace(options_.k ? nullptr : proposer_, max_steps_);
  first_.Plan(*field, max_steps_);
  end_ = first_.steps();
  state_ = State::kFirstRung;
}

std::optional<Assignment> TimedHalving::Next(ContenderField *field) {
  if (state_ == State::kStart) Begin(field);
  if (FreeThreads(*field) <= 0) return std::nullopt;
  if (state_ == State::kFirstRung) {
    if (std::optional<Assignment> next = NextOfFirstRung(field)) return next;
    if (IsDone(*field, first_.members())) PlanRung(field);
  }
  while (state_ == State::kRung) {
    if (std::optional<Assignment> next = NextOfRung(field)) return next;
    if (!IsDone(*field, members_)) break;
    PlanRung(field);
  }
  if (!std::isfinite(field->SecondsLeft())) return std::nullopt;  // new seeds would never end
  const std::optional<Assignment> next = reseeding_->Next(field, first_.steps());
  if (next) Record(*field, *next);
  return next;
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
  return Give(field, *next, 0, runnable);
}

std::optional<Assignment> TimedHalving::NextOfRung(ContenderField *field) {
  CutRung(*field);
  // The one with the longest way to go, so that all end together.
  std::size_t next = members_.size();
  double longest = -1;
  std::int64_t runnable = 0;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &contender = At(*field, members_[m]);
    if (contender.busy || HasEnded(*field, contender)) continue;
    ++runnable;
    const double seconds = MemberSeconds(*field, m, end_);
    if (seconds > longest) {
      next = m;
      longest = seconds;
    }
  }
  if (next == members_.size()) return std::nullopt;
  return Give(field, members_[next], starts_[next], runnable);
}

std::optional<Assignment> TimedHalving::Give(ContenderField *field, std::int32_t number,
                                             std::int64_t start, std::int64_t runnable) {
  const Contender &contender = At(*field, number);
  Assignment work{.contender = number, .stage = Stage::kRung, .rung = rung_};
  const std::int64_t free = FreeThreads(*field);
  if (runnable < free && !reseeding_->IsWorthwhile(*field, first_.steps())) {
    const double pays = field->StepSeconds(contender.widths) / kLeastSharedSeconds;
    work.threads =
        static_cast<std::int32_t>(std::clamp(pays, 1.0, static_cast<double>(free / runnable)));
  }
  const std::int64_t chunk = ChunkEnd(*field, contender.steps, start, end_);
  const std::optional<std::int64_t> until = CutToTime(*field, contender, chunk, work.threads);
  if (!until) return std::nullopt;
  work.until = *until;
  Record(*field, work);
  return work;
}

void TimedHalving::Record(const ContenderField &field, const Assignment &work) {
  const auto index = static_cast<std::size_t>(work.contender);
  if (chunks_.size() <= index) chunks_.resize(index + 1);
  const Contender &contender = At(field, work.contender);
  const auto steps = static_cast<double>(work.until - contender.steps);
  chunks_[index] = {
      .seconds = steps * field.StepSeconds(contender.widths) / SpeedOfThreads(work.threads) +
                 field.LookSeconds(contender.widths),
      .seconds_left = field.SecondsLeft(),
      .until = work.until,
      .threads = work.threads};
}

std::int32_t TimedHalving::FreeThreads(const ContenderField &field) const {
  std::int32_t free = field.threads();
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (field.contenders()[i].busy) free -= chunks_[i].threads;
  }
  return free;
}

bool TimedHalving::HasEnded(const ContenderField &field, const Contender &contender) const {
  if (contender.diverged || contender.dropped || contender.steps >= end_) return true;
  if (HasStopped(contender, Patience(field, first_.steps()))) return true;
  if (state_ != State::kFirstRung || contender.looks.empty() || !first_.IsLate(field)) return false;
  const double seconds =
      static_cast<double>(end_ - contender.steps) * field.StepSeconds(contender.widths);
  return seconds > kLateShare * field.SecondsLeft();
}

bool TimedHalving::IsDone(const ContenderField &field,
                          const std::vector<std::int32_t> &members) const {
  return std::all_of(members.begin(), members.end(), [&](std::int32_t member) {
    const Contender &contender = At(field, member);
    return !contender.busy && HasEnded(field, contender);
  });
}

std::vector<std::int32_t> TimedHalving::Survivors(const ContenderField &field) const {
  const std::vector<std::int32_t> &members = rung_ == 0 ? first_.members() : members_;
  std::vector<std::int32_t> alive = members;
  // What was proposed meanwhile and is as good goes on with them.
  const std::vector<std::int32_t> proposed = reseeding_->proposed(field);
  alive.insert(alive.end(), proposed.begin(), proposed.end());
  std::erase_if(alive, [&](std::int32_t number) {
    const Contender &contender = At(field, number);
    return contender.diverged || contender.dropped || std::isnan(contender.merit) ||
           contender.steps >= max_steps_ || HasStopped(contender, Patience(field, first_.steps()));
  });
  std::sort(alive.begin(), alive.end(), [&](std::int32_t a, std::int32_t b) {
    return RanksBefore(At(field, a), At(field, b));
  });
  const auto kept = static_cast<std::size_t>(rung_ == 0 ? options_.eta : 2);
  const std::size_t count =
      std::max((members.size() + kept - 1) / kept, FewestSurvivors(field.threads()));
  alive.resize(std::min(alive.size(), count));
  return alive;
}

void TimedHalving::PlanRung(ContenderField *field) {
  const std::vector<std::int32_t> before = rung_ == 0 ? first_.members() : members_;
  members_ = Survivors(*field);
  const double mean_before = std::exchange(mean_, field->MeanMerit(members_));
  const bool same_members = rung_ > 0 && members_.size() == before.size();
  for (const std::int32_t number : before) {
    const bool survives = std::find(members_.begin(), members_.end(), number) != members_.end();
    if (!survives && !At(*field, number).dropped) field->Drop(number);
  }
  ++rung_;
  state_ = State::kSeeds;
  std::int64_t longest = 0;
  starts_.clear();
  for (const std::int32_t number : members_) {
    reseeding_->Release(number);
    longest = std::max(longest, Reached(*field, number));
    starts_.push_back(Reached(*field, number));
  }
  end_ = std::min(kLonger * longest, max_steps_);
  CutRung(*field);
  if (same_members && MoreMembersPay(*field, mean_ - mean_before)) return;
  if (end_ > longest) state_ = State::kRung;
}

// Doubling the training has bought the mean of the members `by_longer`, doubling their number what
// their mean has above that of half of them: the error of a mean falls as one over its members. The
// one costs as much as the other, and each buys about half as much the next time.
bool TimedHalving::MoreMembersPay(const ContenderField &field, double by_longer) const {
  if (members_.size() < 2) return false;
  // The best, the third, ... and the second, the fourth, ...: neither half is the better one.
  std::array<std::vector<std::int32_t>, 2> halves;
  for (std::size_t m = 0; m < members_.size(); ++m) halves[m % 2].push_back(members_[m]);
  const double of_half = (field.MeanMerit(halves[0]) + field.MeanMerit(halves[1])) / 2;
  return mean_ - of_half > by_longer;  // false where a mean is not known
}

std::int64_t TimedHalving::Reached(const ContenderField &field, std::int32_t number) const {
  const Contender &contender = At(field, number);
  return contender.busy ? chunks_[static_cast<std::size_t>(number)].until : contender.steps;
}

double TimedHalving::ChunkSecondsLeft(const ContenderField &field,
                                      const Contender &contender) const {
  if (!contender.busy) return 0;
  const Chunk &chunk = chunks_[static_cast<std::size_t>(contender.number)];
  return std::max(0.0, chunk.seconds - (chunk.seconds_left - field.SecondsLeft()));
}

double TimedHalving::MemberSeconds(const ContenderField &field, std::size_t member,
                                   std::int64_t end) const {
  const Contender &contender = At(field, members_[member]);
  const std::int64_t way = end - Reached(field, contender.number);
  const double now = ChunkSecondsLeft(field, contender);
  if (way <= 0) return now;
  const std::int64_t chunk = ChunkEnd(field, 0, 0, end - starts_[member]);
  const auto looks = static_cast<double>((way + chunk - 1) / chunk);
  return now + static_cast<double>(way) * field.StepSeconds(contender.widths) +
         looks * field.LookSeconds(contender.widths);
}

double TimedHalving::SecondsNeeded(const ContenderField &field, std::int64_t end) const {
  double all = 0;
  for (const Contender &contender : field.contenders()) {
    if (!contender.busy) continue;
    const bool member =
        std::find(members_.begin(), members_.end(), contender.number) != members_.end();
    if (!member) all += ChunkSecondsLeft(field, contender);
  }
  double longest = 0;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const Contender &contender = At(field, members_[m]);
    if (!contender.busy && state_ == State::kRung && HasEnded(field, contender)) continue;
    const double seconds = MemberSeconds(field, m, end);
    all += seconds;
    longest = std::max(longest, seconds);
  }
  return std::max(all / field.threads(), longest);
}

void TimedHalving::CutRung(const ContenderField &field) {
  const double left = field.SecondsLeft();
  if (!std::isfinite(left)) return;
  if (SecondsNeeded(field, end_) <= left * (state_ == State::kRung ? kTolerance : 1.0)) return;
  // No member is asked for less than another one has.
  std::int64_t least = 0;
  for (const std::int32_t number : members_) least = std::max(least, Reached(field, number));
  std::int64_t most = end_;
  while (least < most) {
    const std::int64_t middle = least + (most - least + 1) / 2;
    if (SecondsNeeded(field, middle) <= left) {
      least = middle;
    } else {
      most = middle - 1;
    }
  }
  end_ = least;
}

}  // namespace

std::unique_ptr<Strategy> MakeTimedHalving(const SelectionOptions &options, Proposer *proposer) {
  return std::make_unique<TimedHalving>(options, proposer);
}

}  // namespace trails
