// The order in which one candidate sees the training rows.
//
// May touch: src/core.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"

namespace trails {

// 2^round(log2(train_rows / 80)) within 128 .. 2048, and never more than there are rows
// (docs/architecture.md, "Training recipe").
inline std::int64_t BatchRows(std::int64_t train_rows) {
  const double exponent =
      std::round(std::log2(std::max(1.0, static_cast<double>(train_rows) / 80)));
  const auto wanted = static_cast<std::int64_t>(std::exp2(exponent));
  return std::min(std::clamp<std::int64_t>(wanted, 128, 2048), train_rows);
}

// A new random order for each epoch; the rest that does not fill a batch waits for the next one.
class BatchOrder {
 public:
  BatchOrder(std::span<const std::int32_t> rows, std::int64_t batch, std::uint64_t seed)
      : rows_(rows.begin(), rows.end()), batch_(batch), random_(seed) {}

  // Row numbers of the next mini-batch, [batch()]; valid until the next call.
  const std::int32_t *Next() {
    if (position_ == 0) random_.Shuffle(rows_.data(), static_cast<std::int64_t>(rows_.size()));
    const std::int32_t *const first = rows_.data() + position_ * batch_;
    position_ = (position_ + 1) % steps_per_epoch();
    return first;
  }
  std::int64_t batch() const noexcept { return batch_; }
  std::int64_t steps_per_epoch() const noexcept {
    return static_cast<std::int64_t>(rows_.size()) / batch_;
  }

 private:
  std::vector<std::int32_t> rows_;
  std::int64_t batch_;
  std::int64_t position_ = 0;  // batches taken of this epoch
  RandomStream random_;
};

}  // namespace trails
