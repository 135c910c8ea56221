// Turns the values of one column into the codes that its scheme stores, and back.
//
// A quantiser is fitted once for a column of an intermediate, to statistics of all its rows, and
// not block by block: so that a row rerun alone comes through it as the row that was read does.
//
// May touch: src/core/intermediates, src/kernels, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/column_statistics.h"
#include "core/intermediates/scheme.h"
#include "kernels/codes.h"

namespace trails {

class Quantiser {
 public:
  // Fits the quantiser of a column, whose values are then the ones to encode.
  //
  // kF32: the bits as they are.
  //
  // kF16, kPool: halves, rounded to nearest even, of value * 2^-e; e >= 0 is the least with which
  // the column's largest magnitude does not overflow.
  //
  // kQ8: exact 0, NaN and both infinities have codes of their own; 252 levels spread evenly from
  // the least to the largest finite value take the rest. Errors are at most half a step, and the
  // rounding of the level to a float.
  //
  // kKbit: exact 0 has a code of its own when the column has zeros, and so have NaN, -inf and +inf
  // when it has values that are not finite (of 2 bits one code serves for those three, and gives
  // NaN). The other codes are bins with equal counts of the rest of the sample, read back as the
  // mean of the sample's values in the bin. A value that is too frequent for that fills a bin
  // alone; where the sample has no more distinct values than there are codes, each does, and is
  // exact. Bins meet half way between two values. A sample without such values is replaced by the
  // column's least value and largest rows.
  //
  // kThreshold: cut at the sample's quantile: the least value v of the sample with at least
  // quantile * (number of values, NaN left out) values <= v; the column's largest value where there
  // are none. 1 above it, else (NaN too) 0.
  //
  // `sample`: the column's values of SampledRows. Throws Error(kInternal) for kStats. Cost: kbit
  // some 0.5 ms (it sorts the sample), threshold 60 us, the others 2 us.
  Quantiser(const Scheme &scheme, const ColumnStatistics &statistics,
            std::span<const float> sample);

  SchemeKind kind() const noexcept { return kind_; }
  // Bits of one code.
  std::int32_t bits() const noexcept;
  // Bytes of `count` codes: codes below 8 bits are packed, the first one lowest, and padded to a
  // byte.
  std::int64_t BytesFor(std::int64_t count) const noexcept;

  // Writes the codes of `values`; codes [BytesFor(values.size())].
  // Cost: f32, f16, q8 and threshold below 1 ns a value; kbit some 2 (3 bits) to 4 ns (8 bits).
  void Encode(std::span<const float> values, std::byte *codes) const;
  // Writes the values of values.size() codes. Any code is defined: those that Encode never writes
  // give NaN. Cost: some 0.1 to 0.3 ns a value, 0.6 to 0.8 ns of packed codes.
  void Decode(const std::byte *codes, std::span<float> values) const;
  // What Decode gives for the codes of Encode, in place. Cost: that of both, less the packing.
  void RoundTrip(std::span<float> values) const;

  // As bytes, for the store:
  //   kind u8 | bits u8 | what was fitted | CRC-32C of all before u32
  // Read throws Error(kCorruptData) for anything but what Write wrote for a quantiser of that kind
  // and so many bits, and takes what it read off `bytes`. Cost: 1 us; at most 2.1 kB (kbit of 8
  // bits).
  void Write(std::string *to) const;
  static Quantiser Read(const Scheme &scheme, std::string_view *bytes);

 private:
  class Reader;

  // Throws Error(kInternal) for kStats.
  explicit Quantiser(const Scheme &scheme);

  void FitBins(const ColumnStatistics &statistics, std::span<const float> sample);
  void GiveOwnCodes(bool zero, bool not_finite);
  void SpreadLevels();  // from least_ to largest_
  double step() const noexcept;
  std::int32_t code_count() const noexcept { return 1 << bits_; }
  void WriteFit(std::string *to) const;
  void ReadFit(Reader *from);
  void CheckFit() const;  // throws Error(kCorruptData)
  // codes [block.size()], not packed; of at most 256 values, 8 bits and below.
  void FindCodes(std::span<const float> block, std::uint8_t *codes) const noexcept;
  // positions [values.size()]: of levels or bins, before own codes take the place of some.
  void FindPositions(std::span<const float> values, std::int32_t *positions) const noexcept;

  SchemeKind kind_;
  std::int32_t bits_;
  std::int32_t exponent_ = 0;  // kF16, kPool
  float least_ = 0;            // kQ8: the first level
  float largest_ = 0;          // kQ8: the last one
  float cut_ = 0;              // kThreshold
  kernels::OwnCodes own_;      // kQ8, kKbit
  std::int32_t bins_ = 0;      // kKbit
  // kKbit: [2^bits - 1], of the bins but the last, ascending, then infinities; a value equal to a
  // bound is below it.
  std::vector<float> upper_bounds_;
  std::vector<float> levels_;  // kQ8, kKbit, kThreshold: [2^bits], NaN where no code is written
};

}  // namespace trails
