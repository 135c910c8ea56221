#include "core/intermediates/quantiser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "core/intermediates/chunk.h"
#include "core/intermediates/equal_bins.h"
#include "kernels/half_float.h"
#include "trails/error.h"

namespace trails {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");
static_assert(std::numeric_limits<float>::is_iec559);

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargestFloat = std::numeric_limits<float>::max();

constexpr std::int32_t kLevels = 252;  // of kQ8: what 0, NaN and the infinities leave of 256
// With it even the largest float is a half; as one it may round to 2^15, which is 2^128 again.
constexpr std::int32_t kMostExponent = 113;
// Values that are encoded at a time: their positions stay in the first cache, and packed codes end
// with a whole byte.
constexpr std::size_t kBlock = 256;

std::int32_t ExponentFor(float magnitude) {
  std::int32_t exponent = 0;
  while (std::ldexp(static_cast<double>(magnitude), -exponent) >=
         static_cast<double>(kernels::kHalfOverflow)) {
    ++exponent;
  }
  return exponent;
}

float CutOf(const Scheme &scheme, const ColumnStatistics &statistics,
            std::span<const float> sample) {
  std::vector<float> values(sample.begin(), sample.end());
  std::erase_if(values, [](float value) { return std::isnan(value); });
  if (values.empty()) return statistics.largest;
  const auto count = static_cast<double>(values.size());
  // Less than a row off: 0.07 * 100 is above 7.
  const auto rank = static_cast<std::int64_t>(std::ceil(scheme.quantile * count - 1e-9));
  const auto at = values.begin() + (std::clamp<std::int64_t>(rank, 1, std::ssize(values)) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Halves as large as that read as infinity, though none stands for it.
void KeepFinite(const std::byte *halves, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isinf(values[i])) continue;
    std::uint16_t half;
    std::memcpy(&half, halves + sizeof(half) * i, sizeof(half));
    constexpr std::uint16_t kInfiniteHalf = 0x7C00;
    if ((half & 0x7FFF) != kInfiniteHalf) values[i] = std::copysign(kLargestFloat, values[i]);
  }
}

[[noreturn]] void ThrowCorrupt(std::string detail) {
  throw Error(ErrorKind::kCorruptData, "stored quantiser is corrupt", std::move(detail));
}

template <typename T>
void Append(T value, std::string *to) {
  static_assert(std::is_arithmetic_v<T>);
  to->append(reinterpret_cast<const char *>(&value), sizeof(value));
}

}  // namespace

// Never looks past its bytes.
class Quantiser::Reader {
 public:
  explicit Reader(std::string_view bytes) : all_(bytes), left_(bytes) {}

  template <typename T>
  T Number() {
    static_assert(std::is_arithmetic_v<T>);
    if (left_.size() < sizeof(T)) ThrowCorrupt("It ends in the middle of a value.");
    T value;
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view read() const noexcept { return all_.substr(0, all_.size() - left_.size()); }
  std::string_view left() const noexcept { return left_; }

 private:
  std::string_view all_;
  std::string_view left_;
};

Quantiser::Quantiser(const Scheme &scheme) : kind_(scheme.kind), bits_(BitsOf(scheme)) {
  if (kind_ == SchemeKind::kStats) {
    throw Error(ErrorKind::kInternal, "scheme stats has no quantiser");
  }
  if (bits_ <= 8) levels_.assign(static_cast<std::size_t>(code_count()), kNan);
  if (kind_ == SchemeKind::kQ8) GiveOwnCodes(true, true);
  if (kind_ == SchemeKind::kKbit) {
    upper_bounds_.assign(static_cast<std::size_t>(code_count() - 1), kInfinity);
  }
  if (kind_ == SchemeKind::kThreshold) levels_ = {0, 1};
}

Quantiser::Quantiser(const Scheme &scheme, const ColumnStatistics &statistics,
                     std::span<const float> sample)
    : Quantiser(scheme) {
  switch (kind_) {
    case SchemeKind::kF16:
    case SchemeKind::kPool:
      exponent_ = ExponentFor(std::max(std::fabs(statistics.least), std::fabs(statistics.largest)));
      break;
    case SchemeKind::kQ8:
      least_ = statistics.least;
      largest_ = statistics.largest;
      SpreadLevels();
      break;
    case SchemeKind::kKbit: FitBins(statistics, sample); break;
    case SchemeKind::kThreshold: cut_ = CutOf(scheme, statistics, sample); break;
    case SchemeKind::kF32:
    case SchemeKind::kStats: break;
  }
}

void Quantiser::GiveOwnCodes(bool zero, bool not_finite) {
  if (zero) own_.zero = own_.first++;
  if (not_finite) {
    own_.nan = own_.first++;
    // Else no code might be left for a bin.
    const bool apart = bits_ > 2;
    own_.minus_infinity = apart ? own_.first++ : own_.nan;
    own_.plus_infinity = apart ? own_.first++ : own_.nan;
  }
  if (own_.minus_infinity != own_.nan) {
    levels_[static_cast<std::size_t>(own_.minus_infinity)] = -kInfinity;
    levels_[static_cast<std::size_t>(own_.plus_infinity)] = kInfinity;
  }
  if (zero) levels_[static_cast<std::size_t>(own_.zero)] = 0;
}

double Quantiser::step() const noexcept {
  return (static_cast<double>(largest_) - static_cast<double>(least_)) / (kLevels - 1);
}

void Quantiser::SpreadLevels() {
  const std::int32_t levels = least_ < largest_ ? kLevels : 1;
  for (std::int32_t level = 0; level < levels; ++level) {
    levels_[static_cast<std::size_t>(own_.first + level)] =
        static_cast<float>(static_cast<double>(least_) + level * step());
  }
}

void Quantiser::FitBins(const ColumnStatistics &statistics, std::span<const float> sample) {
  GiveOwnCodes(statistics.zeros > 0, statistics.not_finite > 0);
  const auto has_own_code = [](float value) { return value == 0 || !std::isfinite(value); };
  std::vector<float> values(sample.begin(), sample.end());
  std::erase_if(values, has_own_code);
  if (values.empty()) {
    values.push_back(statistics.least);
    for (const RowValue &row : statistics.top) values.push_back(row.value);
    std::erase_if(values, has_own_code);
  }
  std::sort(values.begin(), values.end());
  for (const Bin &bin : EqualBins(values, static_cast<std::size_t>(code_count() - own_.first))) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(bin.first);
    const auto end = values.begin() + static_cast<std::ptrdiff_t>(bin.end);
    levels_[static_cast<std::size_t>(own_.first + bins_)] = static_cast<float>(
        std::accumulate(first, end, 0.0) / static_cast<double>(bin.end - bin.first));
    if (bin.end < values.size()) {
      // Of neighbouring floats the middle may be the upper one.
      const float middle = std::midpoint(*(end - 1), *end);
      upper_bounds_[static_cast<std::size_t>(bins_)] = middle < *end ? middle : *(end - 1);
    }
    ++bins_;
  }
}

std::int32_t Quantiser::bits() const noexcept {
  return bits_;
}

std::int64_t Quantiser::BytesFor(std::int64_t count) const noexcept {
  return (count * bits_ + 7) / 8;
}

void Quantiser::FindPositions(std::span<const float> values,
                              std::int32_t *positions) const noexcept {
  if (kind_ == SchemeKind::kQ8) {
    const double per_unit = least_ < largest_ ? 1 / step() : 0;
    kernels::PositionsOfLevels(values, {static_cast<double>(least_), per_unit, kLevels - 1},
                               positions);
  } else if (kind_ == SchemeKind::kKbit) {
    kernels::PositionsOfBins(values, upper_bounds_.data(), bits_, positions);
  } else {
    kernels::PositionsOfCut(values, cut_, positions);
  }
}

void Quantiser::FindCodes(std::span<const float> block, std::uint8_t *codes) const noexcept {
  std::int32_t positions[kBlock];
  FindPositions(block, positions);
  kernels::CodesOfPositions(block, positions, own_, codes);
}

void Quantiser::Encode(std::span<const float> values, std::byte *codes) const {
  if (values.empty()) return;
  if (kind_ == SchemeKind::kF32) {
    std::memcpy(codes, values.data(), values.size_bytes());
    return;
  }
  if (bits_ == 16) {
    kernels::HalvesFromFloats(values.data(), std::ssize(values), std::ldexp(1.0f, -exponent_),
                              codes);
    return;
  }
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const auto block = values.subspan(first, std::min(kBlock, values.size() - first));
    std::uint8_t bytes[kBlock];
    FindCodes(block, bytes);
    if (bits_ == 8) {
      std::memcpy(codes + first, bytes, block.size());
    } else {
      kernels::PackCodes({bytes, block.size()}, bits_, codes + kernels::PackedBytes(first, bits_));
    }
  }
}

void Quantiser::Decode(const std::byte *codes, std::span<float> values) const {
  if (values.empty()) return;
  if (kind_ == SchemeKind::kF32) {
    std::memcpy(values.data(), codes, values.size_bytes());
    return;
  }
  if (bits_ == 16) {
    kernels::FloatsFromHalves(codes, std::ssize(values), std::ldexp(1.0f, exponent_),
                              values.data());
    if (exponent_ == kMostExponent) KeepFinite(codes, values);
    return;
  }
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const auto block = values.subspan(first, std::min(kBlock, values.size() - first));
    std::uint8_t bytes[kBlock];
    if (bits_ == 8) {
      std::memcpy(bytes, codes + first, block.size());
    } else {
      kernels::UnpackCodes(codes + kernels::PackedBytes(first, bits_), bits_,
                           {bytes, block.size()});
    }
    kernels::LookUp(bytes, levels_.data(), block);
  }
}

void Quantiser::RoundTrip(std::span<float> values) const {
  if (kind_ == SchemeKind::kF32) return;
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const auto block = values.subspan(first, std::min(kBlock, values.size() - first));
    if (bits_ == 16) {
      std::byte halves[kBlock * sizeof(std::uint16_t)];
      Encode(block, halves);
      Decode(halves, block);
    } else {
      std::uint8_t codes[kBlock];
      FindCodes(block, codes);
      kernels::LookUp(codes, levels_.data(), block);
    }
  }
}

void Quantiser::WriteFit(std::string *to) const {
  switch (kind_) {
    case SchemeKind::kF16:
    case SchemeKind::kPool: Append(static_cast<std::uint8_t>(exponent_), to); break;
    case SchemeKind::kQ8:
      Append(least_, to);
      Append(largest_, to);
      break;
    case SchemeKind::kKbit:
      Append(static_cast<std::uint8_t>(own_.zero >= 0), to);
      Append(static_cast<std::uint8_t>(own_.nan >= 0), to);
      Append(static_cast<std::uint16_t>(bins_), to);
      for (std::int32_t bin = 0; bin < bins_; ++bin) {
        if (bin + 1 < bins_) Append(upper_bounds_[static_cast<std::size_t>(bin)], to);
        Append(levels_[static_cast<std::size_t>(own_.first + bin)], to);
      }
      break;
    case SchemeKind::kThreshold: Append(cut_, to); break;
    case SchemeKind::kF32:
    case SchemeKind::kStats: break;
  }
}

void Quantiser::ReadFit(Reader *from) {
  switch (kind_) {
    case SchemeKind::kF16:
    case SchemeKind::kPool: exponent_ = from->Number<std::uint8_t>(); break;
    case SchemeKind::kQ8:
      least_ = from->Number<float>();
      largest_ = from->Number<float>();
      break;
    case SchemeKind::kKbit: {
      const auto zero = from->Number<std::uint8_t>();
      const auto not_finite = from->Number<std::uint8_t>();
      bins_ = from->Number<std::uint16_t>();
      if (zero > 1 || not_finite > 1) ThrowCorrupt("Its codes are of no known kind.");
      GiveOwnCodes(zero == 1, not_finite == 1);
      if (own_.first + bins_ > code_count()) {
        ThrowCorrupt(fmt::format("{} bins have no codes of {} bits.", bins_, bits_));
      }
      for (std::int32_t bin = 0; bin < bins_; ++bin) {
        if (bin + 1 < bins_) {
          upper_bounds_[static_cast<std::size_t>(bin)] = from->Number<float>();
        }
        levels_[static_cast<std::size_t>(own_.first + bin)] = from->Number<float>();
      }
      break;
    }
    case SchemeKind::kThreshold: cut_ = from->Number<float>(); break;
    case SchemeKind::kF32:
    case SchemeKind::kStats: break;
  }
}

void Quantiser::CheckFit() const {
  if (exponent_ > kMostExponent) {
    ThrowCorrupt(fmt::format("{} is no exponent of a scale.", exponent_));
  }
  if (!std::isfinite(least_) || !std::isfinite(largest_) || least_ > largest_) {
    ThrowCorrupt("Its levels have no bounds.");
  }
  if (std::isnan(cut_)) ThrowCorrupt("It has no cut.");
  float lower = -kInfinity;
  for (std::int32_t bin = 0; bin < bins_; ++bin) {
    const float level = levels_[static_cast<std::size_t>(own_.first + bin)];
    const float upper =
        bin + 1 < bins_ ? upper_bounds_[static_cast<std::size_t>(bin)] : kLargestFloat;
    // Written so that NaN fails.
    if (!(lower < level && level <= upper && upper < kInfinity)) {
      ThrowCorrupt("Its bins are not in order.");
    }
    lower = upper;
  }
}

void Quantiser::Write(std::string *to) const {
  const std::size_t start = to->size();
  Append(static_cast<std::uint8_t>(kind_), to);
  Append(static_cast<std::uint8_t>(bits_), to);
  WriteFit(to);
  Append(Crc32c(std::string_view(*to).substr(start)), to);
}

Quantiser Quantiser::Read(const Scheme &scheme, std::string_view *bytes) {
  Quantiser quantiser(scheme);
  Reader from(*bytes);
  const auto kind = from.Number<std::uint8_t>();
  const auto bits = from.Number<std::uint8_t>();
  if (kind != static_cast<std::uint8_t>(quantiser.kind_) || bits != quantiser.bits_) {
    ThrowCorrupt(fmt::format("It is not one of scheme {}.", SchemeText(scheme)));
  }
  quantiser.ReadFit(&from);
  const std::uint32_t checksum = Crc32c(from.read());
  if (from.Number<std::uint32_t>() != checksum) ThrowCorrupt("Its checksum is wrong.");
  quantiser.CheckFit();
  if (quantiser.kind_ == SchemeKind::kQ8) quantiser.SpreadLevels();
  *bytes = from.left();
  return quantiser;
}

}  // namespace trails
