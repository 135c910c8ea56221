// The networks that a training keeps on its way: which of its looks, when there is no time to store
// all of them.
//
// May touch: src/core/model. Never Torch or PostgreSQL.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "core/model/model.h"

namespace trails {

inline constexpr double kStoreBytesPerSecond = 100e6;  // artefact to table, checksum and copy too

// A contender's network after one of its looks. SelectionOptions::snapshot_every
struct NetworkSnapshot {
  double epoch = 0;
  double train_loss = 0;
  double valid = 0;
  Network network;
};

// How many networks of so many bytes a training may store: as many as a quarter of its budget has
// time for; 1 at least.
inline std::int64_t MostSnapshots(double budget_seconds, std::int64_t bytes) noexcept {
  constexpr double kNoBound = 1e9;
  constexpr double kShare = 0.25;
  const double most = kShare * budget_seconds * kStoreBytesPerSecond /
                      static_cast<double>(std::max<std::int64_t>(bytes, 1));
  return static_cast<std::int64_t>(std::clamp(most, 1.0, kNoBound));
}

// Holds `most` looks at most: all of them while they fit, then every second, every fourth and so
// on, so that they are spread evenly over the training however long it gets; and the newest one in
// any case.
class SnapshotList {
 public:
  explicit SnapshotList(std::int64_t most = std::numeric_limits<std::int64_t>::max()) noexcept
      : most_(std::max<std::int64_t>(most, 1)) {}

  // The next look of the training.
  void Add(NetworkSnapshot snapshot) {
    if (seen_ % stride_ != 0) kept_.pop_back();
    ++seen_;
    kept_.push_back(std::move(snapshot));
    while (std::ssize(kept_) > most_) Thin();
  }

  // Of the looks so far, each so manieth is kept: 1 for all, then a power of two.
  std::int64_t stride() const noexcept { return stride_; }
  std::int64_t seen() const noexcept { return seen_; }
  const std::vector<NetworkSnapshot> &kept() const noexcept { return kept_; }
  // How many there will be after one more look.
  std::int64_t NextCount() const noexcept { return std::min(std::ssize(kept_) + 1, most_); }

  std::vector<NetworkSnapshot> Take() noexcept { return std::move(kept_); }

 private:
  // Doubles the stride.
  void Thin() {
    std::vector<NetworkSnapshot> fewer;
    for (std::int64_t i = 0; i < std::ssize(kept_); ++i) {
      const std::int64_t look = i + 1 < std::ssize(kept_) ? (i + 1) * stride_ : seen_;
      if (look % (2 * stride_) != 0 && look != seen_) continue;
      fewer.push_back(std::move(kept_[static_cast<std::size_t>(i)]));
    }
    kept_ = std::move(fewer);
    stride_ *= 2;
  }

  std::int64_t most_;
  std::int64_t stride_ = 1;
  std::int64_t seen_ = 0;
  std::vector<NetworkSnapshot> kept_;  // looks stride_, 2 stride_, ... and the newest
};

}  // namespace trails
