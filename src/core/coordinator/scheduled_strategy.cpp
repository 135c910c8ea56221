#include "core/coordinator/scheduled_strategy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/coordinator/cost_model.h"
#include "core/coordinator/first_rung.h"
#include "core/coordinator/later_rungs.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kLongest = std::numeric_limits<std::int64_t>::max();
constexpr double kForever = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMostCandidates = 24;
constexpr std::int64_t kFewestCandidates = 8;
constexpr double kScheduleShare = 0.9;  // of the time left

// Both >= 1.
std::int64_t Multiply(std::int64_t a, std::int64_t b) noexcept {
  return a > kLongest / b ? kLongest : a * b;
}

const Contender &At(const ContenderField &field, std::int32_t contender) {
  return field.contenders()[static_cast<std::size_t>(contender)];
}

// What the schedule and the proposer are told: one that diverged in its last chunk has a merit from
// before, which is not its score.
double ScoreOf(const Contender &contender) noexcept {
  return contender.diverged ? std::nan("") : contender.merit;
}

class ScheduledStrategy final : public Strategy {
 public:
  ScheduledStrategy(const SelectionOptions &options, Proposer *proposer, bool timed)
      : kind_(options.refinement),
        k_(options.k),
        u_(options.u),
        eta_(options.eta),
        max_epochs_(options.max_epochs),
        timed_(timed),
        proposer_(proposer) {}

  std::optional<Assignment> Next(ContenderField *field) override {
    if (phase_ == Phase::kStart) Start(field);
    if (later_ && later_->FreeThreads(*field) <= 0) return std::nullopt;
    while (phase_ != Phase::kEnded) {
      if (const std::optional<Assignment> work = NextOfRound(*field)) {
        if (later_) later_->Record(*field, *work);
        return work;
      }
      if (RoundIsDone(*field)) {
        EndRound(field);
      } else if (later_ && !RoundIsBusy(*field)) {
        BeginFinal(field);  // the time is too short for the rest of the round
      } else {
        break;
      }
    }
    if (!later_) return std::nullopt;
    // Between the rounds of sr a new seed would delay the next one.
    if (kind_ == Refinement::kReject && phase_ != Phase::kEnded) return GoAhead(*field);
    if (phase_ == Phase::kEnded || phase_ == Phase::kFirstRound) return later_->Next(field);
    return std::nullopt;
  }

  std::int64_t first_candidates() const override { return std::ssize(members_); }
  double first_steps() const override { return static_cast<double>(first_steps_); }

 private:
  enum class Phase {
    kStart,
    kFirstHalf,   // of the first round: the other half is proposed from its results
    kFirstRound,  // all of it, or its second half
    kLaterRound,
    kFinal,
    kEnded
  };
  struct Member {
    Proposal proposal;
    std::int32_t contender;
  };

  void Start(ContenderField *field);
  void EnterFirst(ContenderField *field);
  void Enter(ContenderField *field, std::int64_t least, std::int64_t most, double seconds);
  bool EnterOne(ContenderField *field, double dearest_epoch);
  void PlanFirstSteps(const ContenderField &field);
  void BeginRound(const ContenderField &field, Phase phase, std::vector<std::int32_t> contenders,
                  std::int64_t until);
  std::optional<Assignment> NextOfRound(const ContenderField &field);
  const Contender *NextContender(const ContenderField &field);
  std::optional<Assignment> GoAhead(const ContenderField &field);
  bool RoundIsDone(const ContenderField &field) const;
  bool RoundIsBusy(const ContenderField &field) const;
  void EndRound(ContenderField *field);
  void TellProposer(const ContenderField &field);
  void StartSchedule(ContenderField *field);
  void BeginLaterRound(ContenderField *field);
  void BeginFinal(ContenderField *field);
  void DropAllBut(ContenderField *field, const std::vector<std::int32_t> &kept) const;
  std::vector<std::int32_t> Finalists(const ContenderField &field) const;
  std::vector<std::int32_t> EnteredSince(std::size_t first) const;

  bool IsDone(const Contender &contender) const {
    return contender.diverged || contender.steps >= until_;
  }

  const Refinement kind_;
  const std::optional<std::int64_t> k_, u_;
  const std::int32_t eta_;
  const std::optional<std::int64_t> max_epochs_;
  const bool timed_;
  Proposer *const proposer_;

  Phase phase_ = Phase::kStart;
  std::int64_t unit_ = 1;  // mini-batches in a unit of the schedule's lengths
  std::int64_t cap_steps_ = kLongest;
  std::int64_t first_steps_ = 0;
  std::vector<Member> members_;  // by the schedule's numbers
  std::unique_ptr<Schedule> schedule_;
  std::optional<LaterRungs> later_;  // of a timed schedule, once it has started

  // One of the round that was not seen to be done; its cost, which is looked up once a round.
  struct Open {
    std::int32_t contender;
    double step_seconds;
  };
  std::vector<std::int32_t> round_;  // contenders
  std::vector<Open> open_;
  std::int64_t start_ = 0;  // mini-batches that each of them had at its beginning
  std::int64_t until_ = 0;  // and has at its end
  std::int32_t rung_ = -1;
  std::int32_t threads_ = 1;
  std::int32_t longest_ = -1;  // that was next because of its long way
};

void ScheduledStrategy::Start(ContenderField *field) {
  unit_ = timed_ ? 1 : field->epoch_steps();
  if (max_epochs_) cap_steps_ = Multiply(*max_epochs_, field->epoch_steps());
  EnterFirst(field);
  PlanFirstSteps(*field);
  // k says how many candidates are trained: after them there are new seeds only.
  if (timed_) later_.emplace(k_ ? nullptr : proposer_, cap_steps_, first_steps_);
  rung_ = 0;
  const Phase phase = proposer_->learns() ? Phase::kFirstHalf : Phase::kFirstRound;
  BeginRound(*field, phase, EnteredSince(0), first_steps_);
}

void ScheduledStrategy::EnterFirst(ContenderField *field) {
  const std::int64_t parts = proposer_->learns() ? 2 : 1;
  if (k_) {
    const std::int64_t wanted = (*k_ + parts - 1) / parts;
    Enter(field, wanted, wanted, kForever);
  } else {
    Enter(field, kFewestCandidates / parts, kMostCandidates / parts,
          field->SecondsLeft() * field->threads() / static_cast<double>(parts));
  }
}

// Enters candidates until an epoch of each takes so many seconds, all threads added up.
void ScheduledStrategy::Enter(ContenderField *field, std::int64_t least, std::int64_t most,
                              double seconds) {
  const std::size_t first = members_.size();
  const double dearest_epoch = seconds / static_cast<double>(least);
  double taken = 0;
  for (std::int64_t count = 0; count < most; ++count) {
    const auto next = static_cast<double>(count + 1);
    if (count >= least && taken / static_cast<double>(count) * next > seconds) break;
    if (!EnterOne(field, dearest_epoch)) break;
    const HiddenWidths &widths = At(*field, members_.back().contender).widths;
    taken += field->StepSeconds(widths) * static_cast<double>(field->epoch_steps());
  }
  // Where hardly any finishes an epoch in time, the others train a part of one.
  while (std::ssize(members_) < static_cast<std::ptrdiff_t>(first) + least) {
    if (!EnterOne(field, kForever)) break;
  }
}

bool ScheduledStrategy::EnterOne(ContenderField *field, double dearest_epoch) {
  const auto epoch_steps = static_cast<double>(field->epoch_steps());
  // A fixed plan must not depend on what a mini-batch is measured to take.
  const bool timed = std::isfinite(field->SecondsLeft());
  std::optional<Proposal> proposal = proposer_->Propose(
      [&](const HiddenWidths &widths) {
        return field->Fits(widths) && field->StepSeconds(widths) * epoch_steps <= dearest_epoch;
      },
      [&](const HiddenWidths &widths) { return timed ? field->StepSeconds(widths) : 1.0; });
  if (!proposal) return false;
  const std::int32_t contender = field->Enter(*proposal);
  members_.push_back({std::move(*proposal), contender});
  return true;
}

void ScheduledStrategy::PlanFirstSteps(const ContenderField &field) {
  if (u_) {
    first_steps_ = std::min(Multiply(*u_, field.epoch_steps()), cap_steps_);
    return;
  }
  double step_seconds = 0;
  double look_seconds = 0;
  const auto count = static_cast<double>(std::max<std::size_t>(members_.size(), 1));
  for (const Member &member : members_) {
    step_seconds += field.StepSeconds(member.proposal.widths) / count;
    look_seconds += field.LookSeconds(member.proposal.widths) / count;
  }
  const std::int64_t entered = std::max<std::int64_t>(std::ssize(members_), 1);
  const std::int64_t k = proposer_->learns() ? k_.value_or(2 * entered) : entered;
  first_steps_ = LongestFirstRound(kind_, {.k = k, .u = 1, .eta = eta_, .cap = cap_steps_},
                                   field.threads(), kScheduleShare * field.SecondsLeft(),
                                   step_seconds, look_seconds, field.epoch_steps());
}

void ScheduledStrategy::BeginRound(const ContenderField &field, Phase phase,
                                   std::vector<std::int32_t> contenders, std::int64_t until) {
  phase_ = phase;
  round_ = std::move(contenders);
  start_ = until;
  for (const std::int32_t number : round_) start_ = std::min(start_, At(field, number).steps);
  until_ = until;
  longest_ = -1;
  open_.clear();
  for (const std::int32_t number : round_) {
    open_.push_back({number, field.StepSeconds(At(field, number).widths)});
  }
  // Fixed here, for the whole round, so that a fixed plan shares the same mini-batches each time.
  const auto count = static_cast<std::int32_t>(std::max<std::size_t>(round_.size(), 1));
  threads_ = std::max(1, field.threads() / count);
}

std::optional<Assignment> ScheduledStrategy::NextOfRound(const ContenderField &field) {
  std::erase_if(open_, [&](const Open &open) {
    const Contender &contender = At(field, open.contender);
    return !contender.busy && IsDone(contender);
  });
  const Contender *const next = NextContender(field);
  if (next == nullptr) return std::nullopt;
  std::int64_t end = ChunkEnd(field, next->steps, start_, until_);
  if (timed_) {
    const std::optional<std::int64_t> cut = CutToTime(field, *next, end, threads_);
    if (!cut) return std::nullopt;
    end = *cut;
  }
  return Assignment{.contender = next->number,
                    .until = end,
                    .stage = phase_ == Phase::kFinal ? Stage::kFinal : Stage::kRung,
                    .rung = rung_,
                    .threads = threads_};
}

const Contender *ScheduledStrategy::NextContender(const ContenderField &field) {
  // With the longest way first all end together. Not in a fixed plan, where only one thread may
  // spend on the dearest what the others' share is.
  const bool by_way =
      timed_ || (field.threads() > 1 && (longest_ < 0 || !At(field, longest_).busy));
  const Contender *next = nullptr;
  double next_seconds = 0;  // of its way, or of a mini-batch
  for (const Open &open : open_) {
    const Contender &contender = At(field, open.contender);
    if (contender.busy) continue;
    if (timed_ && !CutToTime(field, contender, until_, threads_)) continue;
    const auto way = static_cast<double>(until_ - contender.steps);
    const double seconds = by_way ? open.step_seconds * way : open.step_seconds;
    const bool before = next == nullptr ||
                        (by_way ? seconds > next_seconds
                                : contender.steps < next->steps ||
                                      (contender.steps == next->steps && seconds < next_seconds));
    if (!before) continue;
    next = &contender;
    next_seconds = seconds;
  }
  if (by_way && next != nullptr) longest_ = next->number;
  return next;
}

// A thread that would wait for the end of a round of sr, which drops one, begins the next one with
// the best of those who have ended the round, as long as there is a worse one among these.
std::optional<Assignment> ScheduledStrategy::GoAhead(const ContenderField &field) {
  const std::int64_t left = std::ssize(round_) - 1;
  const bool is_awaited = phase_ == Phase::kFirstRound && proposer_->learns();
  if (left < 2 || phase_ == Phase::kFirstHalf || is_awaited) return std::nullopt;
  const std::int64_t all = Multiply(std::ssize(members_), std::max<std::int64_t>(first_steps_, 1));
  const std::int64_t until = std::min(all / left, cap_steps_);
  std::vector<const Contender *> ended;
  for (const std::int32_t number : round_) {
    const Contender &contender = At(field, number);
    if (IsDone(contender)) ended.push_back(&contender);
  }
  std::sort(ended.begin(), ended.end(), [](const Contender *a, const Contender *b) {
    return a->diverged != b->diverged ? b->diverged : RanksBefore(*a, *b);
  });
  for (std::size_t i = 0; i + 1 < ended.size(); ++i) {
    const Contender &contender = *ended[i];
    if (contender.busy || contender.diverged || contender.steps >= until) continue;
    const std::int64_t chunk = ChunkEnd(field, contender.steps, until_, until);
    const std::optional<std::int64_t> end = CutToTime(field, contender, chunk);
    if (!end) continue;
    const Assignment work{
        .contender = contender.number, .until = *end, .stage = Stage::kRung, .rung = rung_ + 1};
    later_->Record(field, work);
    return work;
  }
  return std::nullopt;
}

bool ScheduledStrategy::RoundIsDone(const ContenderField &field) const {
  return std::all_of(open_.begin(), open_.end(), [&](const Open &open) {
    const Contender &contender = At(field, open.contender);
    return !contender.busy && IsDone(contender);
  });
}

bool ScheduledStrategy::RoundIsBusy(const ContenderField &field) const {
  return std::any_of(round_.begin(), round_.end(),
                     [&](std::int32_t number) { return At(field, number).busy; });
}

void ScheduledStrategy::EndRound(ContenderField *field) {
  switch (phase_) {
    case Phase::kFirstHalf: {
      TellProposer(*field);
      const std::size_t first = members_.size();
      const std::int64_t rest = k_.value_or(2 * std::ssize(members_)) - std::ssize(members_);
      if (rest > 0) Enter(field, rest, rest, kForever);
      BeginRound(*field, Phase::kFirstRound, EnteredSince(first), first_steps_);
      return;
    }
    case Phase::kFirstRound:
      TellProposer(*field);
      StartSchedule(field);
      return;
    case Phase::kLaterRound: {
      std::vector<double> scores;
      for (const std::int32_t number : round_) scores.push_back(ScoreOf(At(*field, number)));
      schedule_->Tell(scores);
      BeginLaterRound(field);
      return;
    }
    case Phase::kStart:
    case Phase::kFinal:
    case Phase::kEnded: phase_ = Phase::kEnded; return;
  }
}

void ScheduledStrategy::TellProposer(const ContenderField &field) {
  // In the order of their numbers, whoever was done first. The round is the last members.
  for (std::size_t m = members_.size() - round_.size(); m < members_.size(); ++m) {
    proposer_->Tell(members_[m].proposal, ScoreOf(At(field, members_[m].contender)));
  }
}

void ScheduledStrategy::StartSchedule(ContenderField *field) {
  if (members_.empty()) {
    phase_ = Phase::kEnded;
    return;
  }
  // In units: cap and first round are whole numbers of them.
  ScheduleShape shape{.k = std::ssize(members_),
                      .u = std::max<std::int64_t>(first_steps_ / unit_, 1),
                      .eta = eta_,
                      .cap = {}};
  if (max_epochs_) shape.cap = cap_steps_ / unit_;
  schedule_ = MakeSchedule(kind_, shape);
  // A single candidate of sh and sr has no round in the schedule, and needs none beyond this one.
  if (schedule_->Next()) {
    std::vector<double> scores;
    for (const Member &member : members_) scores.push_back(ScoreOf(At(*field, member.contender)));
    schedule_->Tell(scores);
  }
  BeginLaterRound(field);
}

void ScheduledStrategy::BeginLaterRound(ContenderField *field) {
  const std::optional<Round> round = schedule_->Next();
  if (!round) {
    BeginFinal(field);
    return;
  }
  std::vector<std::int32_t> contenders;
  for (const std::int32_t candidate : round->candidates) {
    contenders.push_back(members_[static_cast<std::size_t>(candidate)].contender);
  }
  std::vector<std::int32_t> kept = contenders;
  if (later_) {
    const std::vector<std::int32_t> finalists = Finalists(*field);
    kept.insert(kept.end(), finalists.begin(), finalists.end());
  }
  DropAllBut(field, kept);
  ++rung_;
  BeginRound(*field, Phase::kLaterRound, std::move(contenders), Multiply(round->length, unit_));
}

void ScheduledStrategy::BeginFinal(ContenderField *field) {
  phase_ = Phase::kEnded;
  if (later_ && std::isfinite(field->SecondsLeft())) {
    const std::vector<std::int32_t> finalists = Finalists(*field);
    DropAllBut(field, finalists);
    later_->Begin(field, finalists, /*share=*/1, rung_);
    return;
  }
  std::vector<std::int32_t> winner;
  if (!timed_ && !schedule_->left().empty()) {
    const auto candidate = static_cast<std::size_t>(schedule_->left().front());
    const Contender &best = At(*field, members_[candidate].contender);
    const std::int64_t until = std::min(Multiply(best.steps, eta_), cap_steps_);
    if (!best.diverged && until > best.steps) {
      winner = {best.number};
      ++rung_;
      BeginRound(*field, Phase::kFinal, winner, until);
    }
  }
  DropAllBut(field, winner);
}

void ScheduledStrategy::DropAllBut(ContenderField *field,
                                   const std::vector<std::int32_t> &kept) const {
  std::vector<bool> keeps(field->contenders().size());
  for (const std::int32_t number : kept) keeps[static_cast<std::size_t>(number)] = true;
  for (const Member &member : members_) {
    const Contender &contender = At(*field, member.contender);
    if (!keeps[static_cast<std::size_t>(contender.number)] && !contender.dropped) {
      field->Drop(contender.number);
    }
  }
}

// Those who go on after a timed schedule, so far: the best members, best first.
std::vector<std::int32_t> ScheduledStrategy::Finalists(const ContenderField &field) const {
  std::vector<const Contender *> alive;
  for (const Member &member : members_) {
    const Contender &contender = At(field, member.contender);
    if (!contender.diverged && !contender.dropped) alive.push_back(&contender);
  }
  std::sort(alive.begin(), alive.end(),
            [](const Contender *a, const Contender *b) { return RanksBefore(*a, *b); });
  alive.resize(std::min(alive.size(), FewestSurvivors(field.threads())));
  std::vector<std::int32_t> numbers;
  for (const Contender *contender : alive) numbers.push_back(contender->number);
  return numbers;
}

std::vector<std::int32_t> ScheduledStrategy::EnteredSince(std::size_t first) const {
  std::vector<std::int32_t> contenders;
  for (std::size_t m = first; m < members_.size(); ++m) {
    contenders.push_back(members_[m].contender);
  }
  return contenders;
}

}  // namespace

std::unique_ptr<Strategy> MakeScheduledStrategy(const SelectionOptions &options,
                                                Proposer *proposer) {
  return std::make_unique<ScheduledStrategy>(options, proposer, false);
}

std::unique_ptr<Strategy> MakeTimedSchedule(const SelectionOptions &options, Proposer *proposer) {
  return std::make_unique<ScheduledStrategy>(options, proposer, true);
}

std::int64_t LongestFirstRound(Refinement kind, ScheduleShape shape, std::int32_t threads,
                               double seconds, double step_seconds, double look_seconds,
                               std::int64_t look_steps) {
  if (!std::isfinite(seconds)) {
    throw Error(ErrorKind::kInternal, "a schedule without a deadline needs its first round");
  }
  const auto takes = [&](std::int64_t u) {
    shape.u = u;
    double wall = 0;
    double before = 0;
    for (const RoundSize &round : RoundSizes(kind, shape)) {
      const double steps = static_cast<double>(round.length) - before;
      before = static_cast<double>(round.length);
      const double looks = std::ceil(steps / std::max(static_cast<double>(look_steps), steps / 8));
      const double each = steps * step_seconds + looks * look_seconds;
      const auto count = static_cast<std::int32_t>(
          std::min<std::int64_t>(round.candidates, std::numeric_limits<std::int32_t>::max()));
      wall += count >= threads ? each * count / threads : each / SpeedOfThreads(threads / count);
    }
    return wall;
  };
  const double most = seconds * threads / std::max(step_seconds, 1e-9) + 1;
  std::int64_t beyond =
      std::min(shape.cap.value_or(kLongest), static_cast<std::int64_t>(std::min(most, 1e15)));
  // At the cap there is one round, below it more: the time does not always grow with the length.
  if (takes(beyond) <= seconds) return beyond;
  std::int64_t longest = 1;
  while (beyond - longest > 1) {
    const std::int64_t middle = longest + (beyond - longest) / 2;
    (takes(middle) <= seconds ? longest : beyond) = middle;
  }
  return longest;
}

}  // namespace trails
