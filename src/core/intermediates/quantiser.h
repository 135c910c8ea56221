// Turns the values of one column into the codes that its scheme stores, and back.
//
// A quantiser is fitted once for a column of an intermediate, to statistics of all its rows, and
// not block by block: so that a row rerun alone comes through it as the row that was read does.
//
// May touch: src/core/intermediates, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/intermediates/column_statistics.h"
#include "core/intermediates/scheme.h"

namespace trails {

class Quantiser {
 public:
  // Fits the quantiser of a column.
  //   kF32        stores the bits
  //   kF16, kPool round to nearest even, of value * 2^-e; e >= 0 is the least with which the
  //   column's
  //               largest magnitude does not overflow
  //   kQ8         exact 0, NaN and both infinities have codes of their own, 252 levels spread
  //               evenly from the least to the largest finite value take the rest; error at most
  //               half a step
  //   kKbit       exact 0 has a code of its own when the sample has zeros, and so have NaN, -inf
  //   and
  //               +inf when the column has values that are not finite; the other codes are bins
  //               with equal counts of the rest of the sample, read back as the mean of the
  //               sample's values in the bin. Fewer bins where the sample has fewer distinct
  //               values.
  //   kThreshold  cut at the sample's quantile: the least value v of the sample with at least
  //               quantile * (number of values) values <= v; 1 above it, else (NaN too) 0
  // `sample`: the column's values of SampledRows. Not for kStats.
  // Throws Error(kInternal) for kStats.
  Quantiser(const Scheme &scheme, const ColumnStatistics &statistics,
            std::span<const float> sample);

  // Bits of one code.
  std::int32_t bits() const noexcept;
  // Bytes of `count` codes: codes below 8 bits are packed, the first one lowest, and padded to a
  // byte.
  std::int64_t BytesFor(std::int64_t count) const noexcept;

  // Writes the codes of `values`; codes [BytesFor(values.size())].
  // Cost: f32, f16, q8 below 1 ns a value; kbit some 5 ns.
  void Encode(std::span<const float> values, std::byte *codes) const;
  // Writes the values of values.size() codes. Any code is defined: those that Encode never writes
  // give NaN. Cost: some 0.1 to 0.5 ns a value.
  void Decode(const std::byte *codes, std::span<float> values) const;
  // What Decode gives for the codes of Encode, in place.
  void RoundTrip(std::span<float> values) const;

  // As bytes, for the store. Read throws Error(kCorruptData) for anything but what Write wrote for
  // a quantiser of that scheme, and takes what it read off `bytes`.
  void Write(std::string *to) const;
  static Quantiser Read(const Scheme &scheme, std::string_view *bytes);

 private:
  explicit Quantiser(const Scheme &scheme) : kind_(scheme.kind), bits_(BitsOf(scheme)) {}

  void FitLevels(const ColumnStatistics &statistics);
  void FitBins(const ColumnStatistics &statistics, std::span<const float> sample);
  std::uint8_t CodeOf(float value) const noexcept;  // kQ8, kKbit, kThreshold

  SchemeKind kind_;
  std::int32_t bits_;
  std::int32_t exponent_ = 0;        // kF16, kPool
  float first_level_ = 0;            // kQ8
  float step_ = 0;                   // kQ8; 0 where all finite values are equal
  float cut_ = 0;                    // kThreshold
  std::vector<float> upper_bounds_;  // kKbit: of the bins but the last, ascending; a value equal to
                                     // a bound is below it
  std::int32_t zero_code_ = -1;  // kQ8, kKbit; -1: none
  std::int32_t nan_code_ = -1;   // those of the infinities are the two after it
  std::vector<float> levels_;    // kQ8, kKbit: [2^bits], NaN where no code is written
};

}  // namespace trails
