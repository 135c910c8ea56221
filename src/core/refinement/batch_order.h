// The order in which one candidate sees the training rows.
//
// May touch: src/core.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
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
//
// No row number is stored but those of one mini-batch: an order is a bijection of 0 .. 2^bits - 1,
// walked from 0 on, of which those below the number of rows count. Its rounds are an odd
// multiplication, an addition and a shifted exclusive-or, each a bijection, with random constants
// for each epoch: the finalisers of hash functions. Cost: some 4 ns a row, of any table.
class BatchOrder {
 public:
  // rows (not empty) must outlive the object; 0 < batch <= rows.size().
  BatchOrder(std::span<const std::int32_t> rows, std::int64_t batch, std::uint64_t seed)
      : rows_(rows), batch_rows_(static_cast<std::size_t>(batch)), random_(seed) {
    const auto bits = std::max(static_cast<int>(std::bit_width(rows.size() - 1)), kFewestBits);
    mask_ = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1);
    shift_ = (bits + 1) / 2;
  }

  // Row numbers of the next mini-batch, [batch()]; valid until the next call.
  const std::int32_t *Next() {
    if (position_ == 0) {
      visited_ = 0;
      for (Round &round : rounds_) {
        round = {static_cast<std::uint32_t>(random_.Next()) | 1U,
                 static_cast<std::uint32_t>(random_.Next())};
      }
    }
    position_ = (position_ + 1) % steps_per_epoch();
    const auto rows = static_cast<std::uint32_t>(rows_.size());
    for (std::size_t found = 0; found < batch_rows_.size();) {
      // Without a branch: whether a value counts is as good as random.
      const std::uint32_t value = ValueAt(visited_++);
      batch_rows_[found] = static_cast<std::int32_t>(value);
      found += value < rows ? 1 : 0;
    }
    for (std::int32_t &row : batch_rows_) row = rows_[static_cast<std::size_t>(row)];
    return batch_rows_.data();
  }
  std::int64_t batch() const noexcept { return std::ssize(batch_rows_); }
  std::int64_t steps_per_epoch() const noexcept { return std::ssize(rows_) / batch(); }

 private:
  static constexpr int kFewestBits = 7;  // fewer are not mixed well
  struct Round {
    std::uint32_t factor, summand;
  };

  std::uint32_t ValueAt(std::uint32_t place) const noexcept {
    for (const Round &round : rounds_) {
      place = (place * round.factor + round.summand) & mask_;
      place ^= place >> shift_;
    }
    return place;
  }

  std::span<const std::int32_t> rows_;
  std::vector<std::int32_t> batch_rows_;
  std::int64_t position_ = 0;  // batches taken of this epoch
  std::uint32_t visited_ = 0;  // places of the bijection, of this epoch
  std::uint32_t mask_ = 0;
  int shift_ = 0;
  std::array<Round, 5> rounds_{};
  RandomStream random_;
};

}  // namespace trails
