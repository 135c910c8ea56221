// The first rung of a timed plan: how many candidates, how long, and which; they enter one by one.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/coordinator/field.h"
#include "core/coordinator/proposer.h"
#include "trails/options.h"

namespace trails {

// Those that a rung keeps at least: as many as there are threads, within four and eight.
std::size_t FewestSurvivors(std::int32_t threads) noexcept;

// Takes a third of the time for 24 candidates (rounded up to a whole number for each thread), at
// most four epochs each; for fewer, at least eight, where they would get less than half an epoch.
// A candidate whose epoch takes a 25th of the time of all threads, or a sixth of one thread's,
// stays out; where fewer than eight are cheaper, the eight cheapest train a part of an epoch.
// options.k and u fix the one or the other, and options.k lets dear candidates in.
class FirstRung {
 public:
  // options and proposer must outlive it.
  FirstRung(const SelectionOptions &options, Proposer *proposer) noexcept
      : options_(options), proposer_(proposer) {}

  // Call it once, before the rest. max_steps: the cap of a contender. Nothing is entered where
  // memory or the proposer has no candidate.
  void Plan(const ContenderField &field, std::int64_t max_steps);

  // The next candidate enters: its number. Nothing: the rung is full, its time is over (a quarter
  // more than its share), the proposer has no other one, or memory holds none. When
  // memory is short, the worst that ended makes room, but for as many as a rung keeps at least.
  std::optional<std::int32_t> Enter(ContenderField *field);

  // Tells the proposer of members that ended and were not told, and frees those that diverged.
  // `ended`: whether a member trains no more in this rung.
  void Settle(ContenderField *field, const std::function<bool(const Contender &)> &ended);

  // Whether no other candidate enters, as far as is known.
  bool IsFull(const ContenderField &field) const noexcept {
    return members_.size() >= wanted_ || refused_at_ == told_ || IsLate(field);
  }
  const std::vector<std::int32_t> &members() const noexcept { return members_; }
  std::int64_t steps() const noexcept { return steps_; }
  // Whether its share of the time is spent and a quarter more.
  bool IsLate(const ContenderField &field) const noexcept;

 private:
  void Gather(const ContenderField &field, std::size_t count);
  std::optional<std::size_t> NextWaiting(const ContenderField &field);
  bool FreeTheWorst(ContenderField *field);
  void LetTheCheapestIn(const ContenderField &field, std::size_t count);
  void PlanLength(const ContenderField &field, std::size_t fewest, std::size_t most);
  double MemberSeconds(const ContenderField &field, const HiddenWidths &widths, double steps) const;
  bool IsSuited(const ContenderField &field, const HiddenWidths &widths);

  const SelectionOptions &options_;
  Proposer *proposer_;
  std::int64_t max_steps_ = 0;
  double seconds_ = 0;        // left when it began
  double dearest_epoch_ = 0;  // seconds
  std::size_t wanted_ = 0;    // members
  std::int64_t steps_ = 0;    // of each
  std::vector<Proposal> waiting_;
  std::vector<std::int32_t> members_;
  std::vector<bool> has_ended_;   // [member]
  bool memory_is_short_ = false;  // for a candidate that would enter else
  std::int64_t told_ = 0;         // members
  std::int64_t refused_at_ = -1;  // told_ when nothing could enter
};

}  // namespace trails
