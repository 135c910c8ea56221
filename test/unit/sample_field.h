// A field of contenders that train by counting their mini-batches, a proposer with a list, and a
// clock that carries out a strategy over them: for tests of strategies.
//
// May touch: src/core/coordinator, GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "core/coordinator/field.h"
#include "core/coordinator/proposer.h"
#include "core/coordinator/strategy.h"

namespace trails {

// What a contender's look shows after so many mini-batches; NaN: it diverged.
using MeritAfter = std::function<double(const Contender &, std::int64_t steps)>;

// All candidates take step_seconds a mini-batch and always fit, unless a test says otherwise.
class SampleField final : public ContenderField {
 public:
  SampleField(std::int32_t threads, std::int64_t epoch_steps, MeritAfter merit_after)
      : threads_(threads), epoch_steps_(epoch_steps), merit_after_(std::move(merit_after)) {}

  const std::vector<Contender> &contenders() const override { return contenders_; }

  std::int32_t Enter(const Proposal &proposal) override {
    EXPECT_TRUE(Fits(proposal.widths)) << "entered beyond the memory";
    Contender contender;
    contender.number = static_cast<std::int32_t>(contenders_.size());
    contender.widths = proposal.widths;
    contender.dropout = proposal.dropout;
    contender.origin = proposal.origin;
    contenders_.push_back(contender);
    return contender.number;
  }

  void Drop(std::int32_t number) override {
    Contender &contender = At(number);
    EXPECT_FALSE(contender.busy) << "dropped in training";
    contender.dropped = true;
  }

  double SecondsLeft() const override { return seconds_left; }
  double StepSeconds(const HiddenWidths &widths) const override { return step_seconds(widths); }
  bool Fits(const HiddenWidths &widths) const override { return fits(*this, widths); }
  double MeanMerit(std::span<const std::int32_t> contenders) const override {
    return mean_merit(*this, contenders);
  }
  std::int32_t threads() const override { return threads_; }
  std::int64_t epoch_steps() const override { return epoch_steps_; }

  // A thread starts on it; what no strategy may ask for is a failure.
  void Begin(const Assignment &work) {
    Contender &contender = At(work.contender);
    EXPECT_FALSE(contender.busy);
    EXPECT_FALSE(contender.diverged);
    EXPECT_FALSE(contender.dropped);
    EXPECT_GT(work.until, contender.steps) << "does not move forward";
    EXPECT_GE(work.threads, 1);
    EXPECT_LE(work.threads, threads_);
    EXPECT_GE(work.rung, 0);
    contender.busy = true;
  }

  void End(const Assignment &work) {
    Contender &contender = At(work.contender);
    contender.busy = false;
    contender.steps = work.until;
    const double merit = merit_after_(contender, work.until);
    if (std::isnan(merit)) {
      contender.diverged = true;
      return;
    }
    contender.looks.push_back({work.until, merit});
    if (!(merit <= contender.merit)) {
      contender.merit = merit;
      contender.best_steps = work.until;
    }
  }

  std::int32_t alive() const {
    std::int32_t count = 0;
    for (const Contender &contender : contenders_) count += contender.dropped ? 0 : 1;
    return count;
  }

  double seconds_left = std::numeric_limits<double>::infinity();
  std::function<double(const HiddenWidths &)> step_seconds = [](const HiddenWidths &) {
    return 0.001;
  };
  std::function<bool(const SampleField &, const HiddenWidths &)> fits =
      [](const SampleField &, const HiddenWidths &) { return true; };
  std::function<double(const SampleField &, std::span<const std::int32_t>)> mean_merit =
      [](const SampleField &, std::span<const std::int32_t>) {
        return std::numeric_limits<double>::quiet_NaN();
      };

 private:
  Contender &At(std::int32_t number) { return contenders_.at(static_cast<std::size_t>(number)); }

  std::int32_t threads_;
  std::int64_t epoch_steps_;
  MeritAfter merit_after_;
  std::vector<Contender> contenders_;
};

// Candidates of the widths {8}, {16}, {24}, ... in this order.
class SampleProposer final : public Proposer {
 public:
  explicit SampleProposer(std::int32_t count, bool learns = false) : learns_(learns) {
    for (std::int32_t i = 1; i <= count; ++i) list_.push_back({8 * i});
  }

  std::optional<Proposal> Propose(const Suits &suits, const Price &) override {
    told_at_proposal.push_back(told.size());
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (!suits(list_[i])) continue;
      const Proposal proposal{.widths = list_[i], .dropout = 0.2f, .origin = -1};
      list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(i));
      return proposal;
    }
    return std::nullopt;
  }

  void Tell(const Proposal &proposal, double merit) override { told.emplace_back(proposal, merit); }
  bool learns() const override { return learns_; }

  std::vector<std::pair<Proposal, double>> told;
  std::vector<std::size_t> told_at_proposal;  // how many were told at each call of Propose

 private:
  std::vector<HiddenWidths> list_;
  bool learns_;
};

// An assignment as it was carried out, in the order of the beginnings.
struct Carried {
  Assignment work;
  std::int64_t from = 0;  // mini-batches
  double begin = 0;       // seconds since the start
  double end = 0;         // infinity: the time was up before
};

// Gives every free thread what the strategy asks for, until it has ended or field->seconds_left are
// over. Equal ends are taken in the order of the beginnings. Fails after `most` assignments.
inline std::vector<Carried> CarryOut(Strategy *strategy, SampleField *field,
                                     std::size_t most = 100'000) {
  std::vector<Carried> all;
  std::vector<std::size_t> running;  // into `all`
  const double deadline = field->seconds_left;
  double now = 0;
  while (all.size() < most) {
    while (static_cast<std::int32_t>(running.size()) < field->threads()) {
      const std::optional<Assignment> work = strategy->Next(field);
      if (!work) break;
      const Contender &contender =
          field->contenders().at(static_cast<std::size_t>(work->contender));
      const double seconds = static_cast<double>(work->until - contender.steps) *
                             field->StepSeconds(contender.widths) / work->threads;
      all.push_back({*work, contender.steps, now, now + seconds});
      field->Begin(*work);
      running.push_back(all.size() - 1);
    }
    if (running.empty()) return all;
    std::size_t first = 0;
    for (std::size_t i = 1; i < running.size(); ++i) {
      if (all[running[i]].end < all[running[first]].end) first = i;
    }
    const std::size_t ended = running[first];
    if (all[ended].end > deadline) {
      for (const std::size_t left : running) {
        all[left].end = std::numeric_limits<double>::infinity();
      }
      field->seconds_left = 0;
      return all;
    }
    now = all[ended].end;
    field->seconds_left = deadline - now;
    field->End(all[ended].work);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(first));
  }
  ADD_FAILURE() << "the strategy does not end";
  return all;
}

}  // namespace trails
