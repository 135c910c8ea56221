// What free threads do beside and after the rungs: new seeds of the best four candidates, which the
// final mean wants, in turn with new proposals of a proposer that learns.
//
// A new seed trains a quarter longer than its origin needed for its best. A new proposal trains as
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
  // proposer must outlive it; max_steps: the cap of a contender, in mini-batches.
  Reseeding(Proposer *proposer, std::int64_t max_steps) noexcept
      : proposer_(proposer), max_steps_(max_steps) {}

  // The next chunk, or nothing: no contender has a merit yet, memory holds no more, or the time
  // left is too short for a single look. `shortest`: mini-batches below which no one is judged.
  std::optional<Assignment> Next(ContenderField *field, std::int64_t shortest);

 private:
  struct Entry {
    std::int32_t contender;
    std::int64_t until;  // mini-batches
    bool proposed;       // not a new seed
  };
  std::optional<Entry> Begin(ContenderField *field, std::int64_t shortest);

  Proposer *proposer_;
  std::int64_t max_steps_;
  std::vector<Entry> entries_;
  std::int64_t begun_ = 0;
};

// Mini-batches until the next look: an epoch, or an eighth of the way where that is longer.
std::int64_t ChunkEnd(const ContenderField &field, std::int64_t steps, std::int64_t start,
                      std::int64_t end) noexcept;

// Whether a contender has gone a third of its life, and `least` mini-batches, without a new best.
bool HasStopped(const Contender &contender, std::int64_t least) noexcept;

}  // namespace trails
