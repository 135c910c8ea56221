// The schedules of the papers: which candidates are trained next and how long, from what they
// scored so far. Pure: no clock, no network.
//
// Lengths are in units that the caller chooses (epochs of a fixed plan, mini-batches of a timed
// one) and count from a candidate's beginning: the engine resumes, so that a round of `length` 9
// after one of 3 costs 6.
//
//   sh       successive halving: K candidates for min(U, cap); the best one in eta of them (at
//            least one) eta times as long; until one is left. Those that reach the cap are the
//            last round. No round for K = 1.
//   sr       successive reject: a round with m left trains floor(K U / m), at most the cap, and
//            drops the worst; rounds that would not train longer than the one before are skipped,
//            their worst dropped by the scores at hand. Ends at the cap or with one left. No round
//            for K = 1.
//   uniform  one round: all of them for min(U, cap).
//
// On equal scores the candidate that comes first in the round is better: the one that was better in
// the round before, at first the one with the smaller number. NaN (diverged) is worse than any
// score, and is never kept. Source: Jamieson, Talwalkar 2016; Audibert et al. 2010; as in Xing et
// al. 2024.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "trails/options.h"

namespace trails {

struct Round {
  std::vector<std::int32_t> candidates;  // 0 .. k - 1, the better first, the first round in order
  std::int64_t length = 0;               // that each of them has behind it at its end
};

struct ScheduleShape {
  std::int64_t k = 1;
  std::int64_t u = 1;
  std::int32_t eta = 3;
  std::optional<std::int64_t> cap;  // the longest length; else none
};

class Schedule {
 public:
  virtual ~Schedule() = default;

  // The next round, or nothing at the end. After the first one call Tell before the next.
  virtual std::optional<Round> Next() = 0;
  // The scores of the last round's candidates in its order, higher is better, NaN for none.
  virtual void Tell(const std::vector<double> &scores) = 0;
  // Those left, best first: what the last round left of its candidates. Everything before the
  // first. Uniform, and a round at the cap, drop nobody but who diverged. Empty when all did.
  virtual const std::vector<std::int32_t> &left() const = 0;
};

// kind is kHalving, kReject or kUniform, else throws Error(kInternal). k, u, cap >= 1, eta >= 2;
// lengths saturate at INT64_MAX.
std::unique_ptr<Schedule> MakeSchedule(Refinement kind, const ScheduleShape &shape);

struct RoundSize {
  std::int64_t candidates = 0;
  std::int64_t length = 0;
};

// The rounds of such a schedule when nobody diverges, without carrying it out. Throws as
// MakeSchedule. Cost: some ns a round or candidate.
std::vector<RoundSize> RoundSizes(Refinement kind, const ScheduleShape &shape);

}  // namespace trails
