// Against the clock, what follows a first rung, or a schedule that is through: rungs of the best,
// each twice as long as the one before, and new seeds beside and after them.
//
// The best of those before train on from where they are, then the best half of these, as long as
// they get better, and as long as doubling their training buys the mean of them more than doubling
// their number would; a contender without a new best for a third of its life stops. What was
// proposed beside a rung and is as good as its best joins the next one. What would not end in time
// is cut for all alike, so that the members of the final mean are trained equally long. A thread
// that finds nothing to do in the rung, and all of them once nobody gets better, go on with
// Reseeding; only when that has no use for them, threads share mini-batches. Source:
// docs/architecture.md, "Refinement phase".
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "core/coordinator/field.h"
#include "core/coordinator/proposer.h"
#include "core/coordinator/reseeding.h"

namespace trails {

class LaterRungs {
 public:
  // proposer, max_steps: as Reseeding's. first_steps: mini-batches of the first rung, below which
  // nobody is judged.
  LaterRungs(Proposer *proposer, std::int64_t max_steps, std::int64_t first_steps) noexcept
      : reseeding_(proposer, max_steps), max_steps_(max_steps), first_steps_(first_steps) {}

  // Rung `rung`, counted from 0, has ended with these members, none of whom is busy: the best one
  // in `share` of them go on (at least FewestSurvivors), the others are dropped. Call it once.
  void Begin(ContenderField *field, const std::vector<std::int32_t> &members, std::int32_t share,
             std::int32_t rung);

  // The next chunk of a rung, else of a new seed; before Begin of a new seed. Nothing: as
  // Reseeding::Next, or without a deadline, when seeds would never end.
  std::optional<Assignment> Next(ContenderField *field);

  // A chunk of a contender that trains from `start` to `end` in rung `rung`, where `runnable` of
  // that rung wait for a thread. Nothing when the time left is too short for a mini-batch.
  std::optional<Assignment> Give(const ContenderField &field, std::int32_t number,
                                 std::int64_t start, std::int64_t end, std::int64_t runnable,
                                 std::int32_t rung);
  // What others than this give must be said here, for their threads and time to count.
  void Record(const ContenderField &field, const Assignment &work);
  std::int32_t FreeThreads(const ContenderField &field) const;

 private:
  // What a thread was given last for a contender.
  struct Chunk {
    double seconds = 0;       // that it takes
    double seconds_left = 0;  // of the phase when it began
    std::int64_t until = 0;
    std::int32_t threads = 0;
  };

  void PlanRung(ContenderField *field, const std::vector<std::int32_t> &before);
  std::vector<std::int32_t> Survivors(const ContenderField &field,
                                      const std::vector<std::int32_t> &before) const;
  std::optional<Assignment> NextOfRung(const ContenderField &field);
  bool HasEnded(const ContenderField &field, const Contender &contender) const;
  bool IsDone(const ContenderField &field) const;
  bool MoreMembersPay(const ContenderField &field, double by_longer) const;
  void CutRung(const ContenderField &field);
  double SecondsNeeded(const ContenderField &field, std::int64_t end) const;
  double MemberSeconds(const ContenderField &field, std::size_t member, std::int64_t end) const;
  double ChunkSecondsLeft(const ContenderField &field, const Contender &contender) const;
  std::int64_t Reached(const ContenderField &field, std::int32_t number) const;

  Reseeding reseeding_;
  const std::int64_t max_steps_;
  const std::int64_t first_steps_;
  bool in_rung_ = false;               // else seeds alone
  std::int32_t rung_ = 0;              // the present one, or the last
  std::int32_t share_ = 1;             // one in so many goes on
  bool are_later_ = false;             // members_ have ended a rung of this
  std::int64_t end_ = 0;               // mini-batches of each member at the end of the rung
  std::vector<std::int32_t> members_;  // of the rung
  std::vector<std::int64_t> starts_;   // [member], mini-batches when the rung began
  double mean_ = std::numeric_limits<double>::quiet_NaN();  // their mean's merit then
  std::vector<Chunk> chunks_;                               // [contender]
};

}  // namespace trails
