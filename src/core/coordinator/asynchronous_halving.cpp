#include "core/coordinator/asynchronous_halving.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/coordinator/first_rung.h"
#include "core/coordinator/reseeding.h"

namespace trails {

namespace {

constexpr std::int64_t kLongest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostFirstEpochs = 4;
constexpr double kFirstRungShare = 1.0 / 60;  // of the time left, all threads added up
constexpr std::int64_t kAveragedProposals = 8;

// Both >= 1.
std::int64_t Multiply(std::int64_t a, std::int64_t b) noexcept {
  return a > kLongest / b ? kLongest : a * b;
}

const Contender &At(const ContenderField &field, std::int32_t number) {
  return field.contenders()[static_cast<std::size_t>(number)];
}

class AsynchronousHalving final : public Strategy {
 public:
  AsynchronousHalving(const SelectionOptions &options, Proposer *proposer, bool promotes)
      : most_candidates_(options.k.value_or(kLongest)),
        u_(options.u),
        max_epochs_(options.max_epochs),
        eta_(options.eta),
        promotes_(promotes),
        proposer_(proposer),
        reseeds_proposals_(proposer->learns() && !options.k) {}

  std::optional<Assignment> Next(ContenderField *field) override;
  std::int64_t first_candidates() const override { return entered_; }
  double first_steps() const override { return static_cast<double>(first_steps_); }

 private:
  // A contender on its way through a rung.
  struct Runner {
    Proposal proposal;
    std::int32_t contender;
    std::int32_t rung;
    std::int64_t start;  // mini-batches at the rung's beginning
    std::int64_t until;  // and at its end
  };
  // One that has ended a rung and did not diverge.
  struct Ended {
    Runner runner;
    double merit;
    bool waits;  // neither promoted nor dropped
  };
  struct Rung {
    std::vector<Ended> ranked;  // best first; between equals the first to end
    std::int64_t ended = 0;     // with those that diverged
  };

  void Start(const ContenderField &field);
  void Settle(ContenderField *field);
  void EndRung(ContenderField *field, const Runner &runner);
  std::optional<Assignment> Continue(const ContenderField &field);
  Ended *NextToPromote(const ContenderField &field);
  Ended *NextFinalist(const ContenderField &field);
  void Promote(Ended *ended);
  bool HasStopped(const ContenderField &field, const Contender &contender) const;
  bool Enter(ContenderField *field);
  std::optional<Proposal> TakeProposal(const ContenderField &field, bool *memory_is_short);
  bool HasTimeFor(const ContenderField &field, const HiddenWidths &widths) const;
  bool DropWorst(ContenderField *field);
  bool MayEnter() const { return entered_ < most_candidates_ && !exhausted_; }

  const std::int64_t most_candidates_;
  const std::optional<std::int64_t> u_, max_epochs_;
  const std::int32_t eta_;
  const bool promotes_;
  Proposer *const proposer_;
  const bool reseeds_proposals_;

  std::int64_t first_steps_ = 0;  // 0: not started
  std::int64_t cap_steps_ = kLongest;
  std::optional<Reseeding> reseeding_;
  std::vector<Proposal> proposals_;  // not entered yet, the next one first
  std::vector<Runner> runners_;
  std::vector<Rung> rungs_;
  std::int64_t entered_ = 0;
  std::int64_t ended_ = 0;        // rungs, of all contenders
  std::int64_t refused_at_ = -1;  // ended_ when memory was short
  bool exhausted_ = false;        // the proposer has no more
};

std::optional<Assignment> AsynchronousHalving::Next(ContenderField *field) {
  if (first_steps_ == 0) Start(*field);
  Settle(field);
  if (std::optional<Assignment> work = Continue(*field)) return work;
  const bool timed = std::isfinite(field->SecondsLeft());
  if (Ended *const ended = NextToPromote(*field)) {
    Promote(ended);
  } else if (!Enter(field) && timed) {
    if (Ended *const finalist = NextFinalist(*field)) Promote(finalist);
  }
  if (std::optional<Assignment> work = Continue(*field)) return work;
  if (!timed) return std::nullopt;
  return reseeding_->Next(field, first_steps_);
}

void AsynchronousHalving::Start(const ContenderField &field) {
  const std::int64_t epoch = field.epoch_steps();
  if (max_epochs_) cap_steps_ = Multiply(*max_epochs_, epoch);
  reseeding_.emplace(reseeds_proposals_ ? proposer_ : nullptr, cap_steps_);
  if (u_ || !promotes_) {
    first_steps_ = std::min(Multiply(u_.value_or(kMostFirstEpochs), epoch), cap_steps_);
    return;
  }
  const std::int64_t wanted = std::min(kAveragedProposals, most_candidates_);
  double step_seconds = 0;
  while (std::ssize(proposals_) < wanted) {
    std::optional<Proposal> proposal =
        proposer_->Propose([&](const HiddenWidths &widths) { return field.Fits(widths); },
                           [&](const HiddenWidths &widths) { return field.StepSeconds(widths); });
    if (!proposal) break;
    step_seconds += field.StepSeconds(proposal->widths) +
                    field.LookSeconds(proposal->widths) / static_cast<double>(epoch);
    proposals_.push_back(std::move(*proposal));
  }
  const auto count = static_cast<double>(std::max<std::size_t>(proposals_.size(), 1));
  const double seconds = kFirstRungShare * field.SecondsLeft() * field.threads();
  const double steps = std::min(seconds / std::max(step_seconds / count, 1e-9),
                                static_cast<double>(kMostFirstEpochs * epoch));
  first_steps_ = std::min(std::max<std::int64_t>(1, std::llround(steps)), cap_steps_);
}

void AsynchronousHalving::Settle(ContenderField *field) {
  std::erase_if(runners_, [&](const Runner &runner) {
    const Contender &contender = At(*field, runner.contender);
    if (contender.busy) return false;
    const bool ended = contender.diverged || contender.steps >= runner.until;
    if (!ended && !HasStopped(*field, contender)) return false;
    EndRung(field, runner);
    return true;
  });
}

void AsynchronousHalving::EndRung(ContenderField *field, const Runner &runner) {
  const Contender &contender = At(*field, runner.contender);
  const double merit = contender.diverged ? std::nan("") : contender.merit;
  ++ended_;
  if (runner.rung == 0) proposer_->Tell(runner.proposal, merit);
  const auto index = static_cast<std::size_t>(runner.rung);
  if (rungs_.size() <= index) rungs_.resize(index + 1);
  Rung &rung = rungs_[index];
  ++rung.ended;
  const bool may_go_on = promotes_ && runner.until < cap_steps_ && !std::isnan(merit);
  if (!may_go_on) {
    if (!contender.dropped) field->Drop(contender.number);
    return;
  }
  const auto place =
      std::upper_bound(rung.ranked.begin(), rung.ranked.end(), merit,
                       [](double value, const Ended &other) { return value > other.merit; });
  rung.ranked.insert(place, {.runner = runner, .merit = merit, .waits = true});
}

std::optional<Assignment> AsynchronousHalving::Continue(const ContenderField &field) {
  const bool timed = std::isfinite(field.SecondsLeft());
  // Without a deadline nobody else uses the other threads beside the last contender.
  const bool alone =
      !timed && runners_.size() == 1 && !MayEnter() && NextToPromote(field) == nullptr;
  const std::int32_t threads = alone ? field.threads() : 1;
  std::optional<Assignment> next;
  for (const Runner &runner : runners_) {
    const Contender &contender = At(field, runner.contender);
    // The highest rung first: it is the nearest to an answer.
    if (contender.busy || (next && runner.rung <= next->rung)) continue;
    std::int64_t end = ChunkEnd(field, contender.steps, runner.start, runner.until);
    if (timed) {
      const std::optional<std::int64_t> cut = CutToTime(field, contender, end, threads);
      if (!cut) continue;
      end = *cut;
    }
    next = Assignment{.contender = runner.contender,
                      .until = end,
                      .stage = Stage::kRung,
                      .rung = runner.rung,
                      .threads = threads};
  }
  return next;
}

AsynchronousHalving::Ended *AsynchronousHalving::NextToPromote(const ContenderField &field) {
  for (auto rung = rungs_.rbegin(); rung != rungs_.rend(); ++rung) {
    const auto best = static_cast<std::ptrdiff_t>(rung->ended / eta_);
    const auto end = rung->ranked.begin() + std::min(best, std::ssize(rung->ranked));
    const auto next = std::find_if(rung->ranked.begin(), end, [&](const Ended &ended) {
      return ended.waits && !HasStopped(field, At(field, ended.runner.contender));
    });
    if (next != end) return &*next;
  }
  return nullptr;
}

// Of the best that are alive the one that has trained least among those that wait. Null: all of
// them train or have stopped, or the time is too short for a look at one.
AsynchronousHalving::Ended *AsynchronousHalving::NextFinalist(const ContenderField &field) {
  std::vector<const Contender *> best;
  for (const Contender &contender : field.contenders()) {
    const bool is_candidate = contender.origin < 0 && !contender.diverged && !contender.dropped;
    if (is_candidate && !std::isnan(contender.merit)) best.push_back(&contender);
  }
  std::sort(best.begin(), best.end(),
            [](const Contender *a, const Contender *b) { return RanksBefore(*a, *b); });
  best.resize(std::min(best.size(), FewestSurvivors(field.threads())));
  Ended *next = nullptr;
  for (Rung &rung : rungs_) {
    for (Ended &ended : rung.ranked) {
      const Contender &contender = At(field, ended.runner.contender);
      const bool is_best = std::find(best.begin(), best.end(), &contender) != best.end();
      if (!ended.waits || !is_best || HasStopped(field, contender)) continue;
      if (!CutToTime(field, contender, contender.steps + 1)) continue;
      if (next == nullptr || contender.steps < At(field, next->runner.contender).steps) {
        next = &ended;
      }
    }
  }
  return next;
}

bool AsynchronousHalving::HasStopped(const ContenderField &field,
                                     const Contender &contender) const {
  return promotes_ && std::isfinite(field.SecondsLeft()) &&
         trails::HasStopped(contender, Patience(field, first_steps_));
}

void AsynchronousHalving::Promote(Ended *ended) {
  ended->waits = false;
  Runner runner = ended->runner;
  runner.start = runner.until;
  runner.until = std::min(Multiply(runner.until, eta_), cap_steps_);
  ++runner.rung;
  runners_.push_back(std::move(runner));
}

bool AsynchronousHalving::Enter(ContenderField *field) {
  if (!MayEnter() || refused_at_ == ended_) return false;
  std::optional<Proposal> proposal;
  for (;;) {
    bool memory_is_short = false;
    proposal = TakeProposal(*field, &memory_is_short);
    if (proposal) break;
    if (memory_is_short && DropWorst(field)) continue;
    if (memory_is_short) refused_at_ = ended_;
    return false;
  }
  const std::int32_t contender = field->Enter(*proposal);
  ++entered_;
  runners_.push_back({std::move(*proposal), contender, 0, 0, first_steps_});
  return true;
}

bool AsynchronousHalving::HasTimeFor(const ContenderField &field,
                                     const HiddenWidths &widths) const {
  const double seconds = static_cast<double>(first_steps_) * field.StepSeconds(widths);
  return seconds + field.LookSeconds(widths) <= field.SecondsLeft();
}

std::optional<Proposal> AsynchronousHalving::TakeProposal(const ContenderField &field,
                                                          bool *memory_is_short) {
  bool time_is_short = false;
  const auto suits = [&](const HiddenWidths &widths) {
    if (!HasTimeFor(field, widths)) {
      time_is_short = true;
      return false;
    }
    if (field.Fits(widths)) return true;
    *memory_is_short = true;
    return false;
  };
  for (auto next = proposals_.begin(); next != proposals_.end(); ++next) {
    if (!suits(next->widths)) continue;
    Proposal proposal = std::move(*next);
    proposals_.erase(next);
    return proposal;
  }
  std::optional<Proposal> proposal = proposer_->Propose(
      suits, [&](const HiddenWidths &widths) { return field.StepSeconds(widths); });
  if (!proposal && !time_is_short && !*memory_is_short) exhausted_ = true;
  return proposal;
}

bool AsynchronousHalving::DropWorst(ContenderField *field) {
  for (Rung &rung : rungs_) {
    const auto worst = std::find_if(rung.ranked.rbegin(), rung.ranked.rend(),
                                    [](const Ended &ended) { return ended.waits; });
    if (worst == rung.ranked.rend()) continue;
    worst->waits = false;
    field->Drop(worst->runner.contender);
    return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Strategy> MakeAsynchronousHalving(const SelectionOptions &options,
                                                  Proposer *proposer, bool promotes) {
  return std::make_unique<AsynchronousHalving>(options, proposer, promotes);
}

}  // namespace trails
