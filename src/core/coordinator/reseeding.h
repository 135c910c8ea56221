// What free threads do beside and after the rungs: new seeds of the best four candidates, which the
// final mean wants, in turn with new proposals of a proposer that learns.
//
// A new seed trains a quarter longer than its origin needed for its best; after every twelve, which
// a mean may have as members, than its origin or any of its seeds needed. A new proposal trains as
// long as the median of the best four needed, and is dropped early when it is worse than the median
// of what others had after as many mini-batches. Both stop after a third of their life without a
// new best.
//
// May touch: src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/coordinator/field.h"
#include "core/coordinator/proposer.h"

namespace trails {

class Reseeding {
 public:
  // proposer: null for new seeds alone, and must outlive it; max_steps: the cap of a contender, in
  // mini-batches.
  Reseeding(Proposer *proposer, std::int64_t max_steps) noexcept
      : proposer_(proposer), max_steps_(max_steps) {}

  // The next chunk, or nothing: no contender has a merit yet, memory holds no more, or the time
  // left is too short for a first look. `shortest`: mini-batches below which no one is judged.
  std::optional<Assignment> Next(ContenderField *field, std::int64_t shortest);

  // Whether one that was begun waits for a thread, or a new seed would get at least half of its
  // training in the time left.
  bool IsWorthwhile(const ContenderField &field, std::int64_t shortest) const;

  // New proposals that were judged and are in training, or have ended among the best four: a rung
  // may want them.
  std::vector<std::int32_t> proposed(const ContenderField &field) const;
  // Goes on without this contender, which then belongs to the caller.
  void Release(std::int32_t contender);

 private:
  struct Entry {
    std::int32_t contender;
    std::int64_t until;  // mini-batches
    bool proposed;       // not a new seed
    bool told;           // to the proposer
  };
  struct Plan {
    Proposal proposal;
    std::int64_t until;
  };
  void Settle(ContenderField *field, std::int64_t shortest, bool keep_promising);
  bool IsPromising(const ContenderField &field, const Entry &entry, std::int64_t shortest) const;
  bool HasEnded(const ContenderField &field, const Entry &entry, std::int64_t shortest) const;
  std::optional<Plan> PlanSeed(const ContenderField &field, std::int64_t shortest,
                               double share) const;
  std::optional<Plan> PlanProposal(const ContenderField &field, std::int64_t shortest);
  std::int64_t LongestUse(const ContenderField &field, const Contender &origin) const;
  bool Begin(ContenderField *field, std::int64_t shortest);
  void Tell(const Contender &contender, Entry *entry);
  std::int64_t LookSteps(const ContenderField &field, std::int64_t shortest) const noexcept;

  Proposer *proposer_;
  std::int64_t max_steps_;
  std::vector<Entry> entries_;
  std::int64_t seeds_ = 0;             // begun
  std::int32_t generation_start_ = 0;  // contenders before the seeds of this twelve
  bool proposal_is_next_ = true;       // new seeds and new proposals take turns
  std::int64_t refused_at_ = -1;       // contenders dropped when there was nothing to propose
};

// Mini-batches until the next look: an epoch, or an eighth of the way where that is longer; an
// eighth of more than eight epochs is cut to a quarter of those behind. What would be left for less
// than half a chunk is added to it.
std::int64_t ChunkEnd(const ContenderField &field, std::int64_t steps, std::int64_t start,
                      std::int64_t end) noexcept;

// The chunk that ends at `until`, cut to what the time left allows with its look at the end;
// nothing when that is not one mini-batch.
std::optional<std::int64_t> CutToTime(const ContenderField &field, const Contender &contender,
                                      std::int64_t until, std::int32_t threads = 1) noexcept;

// The order of merit: NaN last, of equals the earlier contender first.
bool RanksBefore(const Contender &a, const Contender &b) noexcept;

// Whether a contender has gone a third of its life, and `least` mini-batches, without a new best.
bool HasStopped(const Contender &contender, std::int64_t least) noexcept;

// The `least` of HasStopped when the first rung is `first_steps` long: half of it, and two epochs.
std::int64_t Patience(const ContenderField &field, std::int64_t first_steps) noexcept;

}  // namespace trails
