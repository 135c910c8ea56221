// Quantisers: the error of every scheme on every kind of column.
#include "core/intermediates/quantiser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "quantised_columns.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kLargestFloat = std::numeric_limits<float>::max();

std::vector<std::byte> Encoded(const Quantiser &quantiser, std::span<const float> values) {
  const std::int64_t bytes = quantiser.BytesFor(std::ssize(values));
  std::vector<std::byte> codes(static_cast<std::size_t>(bytes) + 1, std::byte{0x5A});
  quantiser.Encode(values, codes.data());
  EXPECT_EQ(codes.back(), std::byte{0x5A}) << "written outside";
  codes.pop_back();
  return codes;
}

std::vector<float> Decoded(const Quantiser &quantiser, const std::vector<std::byte> &codes,
                           std::size_t count) {
  std::vector<float> values(count);
  quantiser.Decode(codes.data(), values);
  return values;
}

std::vector<float> RoundTripped(const Quantiser &quantiser, std::vector<float> values) {
  quantiser.RoundTrip(values);
  return values;
}

// To the last bit, NaN included.
bool Same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// One code of a scheme of 8 bits and below.
int CodeAt(const Quantiser &quantiser, const std::vector<std::byte> &codes, std::size_t i) {
  int code = 0;
  for (std::int32_t bit = 0; bit < quantiser.bits(); ++bit) {
    const std::size_t at =
        i * static_cast<std::size_t>(quantiser.bits()) + static_cast<std::size_t>(bit);
    code |= static_cast<int>(codes[at / 8] >> (at % 8) & std::byte{1}) << bit;
  }
  return code;
}

TEST(Quantiser, BytesOfCodes) {
  const auto bytes = [](const char *text, std::int64_t count) {
    return Fitted(ParseScheme(text), {1, 2, 3}).BytesFor(count);
  };
  EXPECT_EQ(bytes("f32", 1000), 4000);
  EXPECT_EQ(bytes("f16", 1000), 2000);
  EXPECT_EQ(bytes("pool", 1), 2);
  EXPECT_EQ(bytes("q8", 1000), 1000);
  EXPECT_EQ(bytes("kbit(3)", 1000), 375);
  EXPECT_EQ(bytes("kbit(3)", 1001), 376);
  EXPECT_EQ(bytes("threshold", 1000), 125);
  EXPECT_EQ(bytes("threshold", 0), 0);
}

TEST(Quantiser, StatsHasNone) {
  for (const bool read : {false, true}) {
    try {
      std::string_view bytes;
      if (read) {
        Quantiser::Read(ParseScheme("stats"), &bytes);
      } else {
        Quantiser(ParseScheme("stats"), {}, {});
      }
      ADD_FAILURE();
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    }
  }
}

// Whatever the scheme: Decode of Encode is RoundTrip, a value is the same alone, in a block and
// anywhere in it, and what has come through once comes through again.
TEST(Quantiser, AValueMeansTheSameAnywhere) {
  for (const auto &[name, values] : QuantisedColumns()) {
    for (const char *text : kQuantisedSchemes) {
      SCOPED_TRACE(name + " as " + text);
      const Quantiser quantiser = Fitted(ParseScheme(text), values);
      const std::vector<float> read = Decoded(quantiser, Encoded(quantiser, values), values.size());
      EXPECT_TRUE(Same(read, RoundTripped(quantiser, values)));
      for (std::size_t first = 0; first < values.size(); first += 97) {
        const std::size_t count = std::min(values.size() - first, first % 35);
        const std::vector<float> part(values.begin() + static_cast<std::ptrdiff_t>(first),
                                      values.begin() + static_cast<std::ptrdiff_t>(first + count));
        ASSERT_TRUE(Same(RoundTripped(quantiser, part), std::span(read).subspan(first, count)));
        ASSERT_TRUE(
            Same(RoundTripped(quantiser, {values[first]}), std::span(read).subspan(first, 1)));
      }
      if (text != std::string("threshold(0.9)")) {
        EXPECT_TRUE(Same(RoundTripped(quantiser, read), read));
      }
    }
  }
}

TEST(Quantiser, ZeroNanAndInfinitiesAreExact) {
  for (const auto &[name, values] : QuantisedColumns()) {
    for (const char *text : {"f32", "f16", "pool", "q8", "kbit(8)", "kbit(3)", "kbit(2)"}) {
      SCOPED_TRACE(name + " as " + text);
      const std::vector<float> read = RoundTripped(Fitted(ParseScheme(text), values), values);
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] == 0 || (std::isinf(values[i]) && text != std::string("kbit(2)"))) {
          ASSERT_EQ(read[i], values[i]);
        } else if (!std::isfinite(values[i])) {
          ASSERT_TRUE(std::isnan(read[i]));
        } else {
          ASSERT_TRUE(std::isfinite(read[i])) << values[i];
        }
      }
    }
  }
}

TEST(Quantiser, F32IsExact) {
  for (const auto &[name, values] : QuantisedColumns()) {
    EXPECT_TRUE(Same(RoundTripped(Fitted(ParseScheme("f32"), values), values), values)) << name;
  }
}

TEST(Quantiser, F16IsRoundedToElevenBits) {
  for (const auto &[name, values] : QuantisedColumns()) {
    SCOPED_TRACE(name);
    double largest = 0;
    for (const float value : values) {
      if (std::isfinite(value)) largest = std::max(largest, std::fabs(static_cast<double>(value)));
    }
    double scale = 1;
    while (largest / scale >= 65'520) scale *= 2;
    const std::vector<float> read = RoundTripped(Fitted(ParseScheme("f16"), values), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      const auto value = static_cast<double>(values[i]);
      ASSERT_LE(std::fabs(static_cast<double>(read[i]) - value),
                std::max(std::fabs(value) * 0x1p-11, scale * 0x1p-25));
    }
  }
}

TEST(Quantiser, F16KeepsTheLargestFloat) {
  const std::vector<float> values = {kLargestFloat, -kLargestFloat, 1e38f, 0};
  const std::vector<float> read = RoundTripped(Fitted(ParseScheme("f16"), values), values);
  EXPECT_EQ(read[0], kLargestFloat);
  EXPECT_EQ(read[1], -kLargestFloat);
  EXPECT_NEAR(read[2] / 1e38f, 1, 0x1p-11);
  // A column that is within a half's range is not scaled.
  EXPECT_EQ(RoundTripped(Fitted(ParseScheme("f16"), {65'504, 0x1p-24f}), {65'504, 0x1p-24f}),
            (std::vector<float>{65'504, 0x1p-24f}));
  EXPECT_EQ(RoundTripped(Fitted(ParseScheme("f16"), {65'520}), {65'520}),
            (std::vector<float>{65'536}));
}

TEST(Quantiser, Q8IsWithinHalfAStep) {
  for (const auto &[name, values] : QuantisedColumns()) {
    SCOPED_TRACE(name);
    const ColumnStatistics statistics = StatisticsOf(values);
    const double step =
        (static_cast<double>(statistics.largest) - static_cast<double>(statistics.least)) / 251;
    const std::vector<float> read = RoundTripped(Fitted(ParseScheme("q8"), values), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      const auto value = static_cast<double>(values[i]);
      const double rounding = std::max(std::fabs(value) + step, 0x1p-126) * 0x1p-24;
      ASSERT_LE(std::fabs(static_cast<double>(read[i]) - value), step / 2 * (1 + 1e-12) + rounding);
    }
  }
}

TEST(Quantiser, Q8CodesByHand) {
  std::vector<float> values = {-1, 250, 0, 1, 3.4f};
  const Quantiser quantiser = Fitted(ParseScheme("q8"), values);
  const std::vector<std::byte> codes = Encoded(quantiser, values);
  const std::vector<int> expected = {4, 255, 0, 6, 8};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(static_cast<int>(codes[i]), expected[i]);
  }
  EXPECT_EQ(RoundTripped(quantiser, values), (std::vector<float>{-1, 250, 0, 1, 3}));
}

// Levels and bins ascend with the values, and so do their codes.
TEST(Quantiser, CodesAreMonotone) {
  for (const auto &[name, values] : QuantisedColumns()) {
    for (const char *text : {"q8", "kbit(8)", "kbit(5)", "kbit(2)", "threshold(0.9)"}) {
      SCOPED_TRACE(name + " as " + text);
      const Quantiser quantiser = Fitted(ParseScheme(text), values);
      std::vector<float> sorted = values;
      std::erase_if(sorted, [](float value) { return value == 0 || !std::isfinite(value); });
      std::sort(sorted.begin(), sorted.end());
      const std::vector<std::byte> codes = Encoded(quantiser, sorted);
      const std::vector<float> read = RoundTripped(quantiser, sorted);
      for (std::size_t i = 1; i < sorted.size(); ++i) {
        ASSERT_LE(CodeAt(quantiser, codes, i - 1), CodeAt(quantiser, codes, i));
        ASSERT_LE(read[i - 1], read[i]);
      }
    }
  }
}

// What is read for a value lies among the column's values with the same code.
TEST(Quantiser, KbitReadsAValueOfTheBin) {
  for (const auto &[name, values] : QuantisedColumns()) {
    for (const char *text : {"kbit(8)", "kbit(4)", "kbit(2)"}) {
      SCOPED_TRACE(name + " as " + text);
      const Quantiser quantiser = Fitted(ParseScheme(text), values);
      const std::vector<std::byte> codes = Encoded(quantiser, values);
      const std::vector<float> read = RoundTripped(quantiser, values);
      std::map<int, std::pair<float, float>> bounds;
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) continue;
        auto &[least, largest] =
            bounds.try_emplace(CodeAt(quantiser, codes, i), values[i], values[i]).first->second;
        least = std::min(least, values[i]);
        largest = std::max(largest, values[i]);
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) continue;
        const auto &[least, largest] = bounds.at(CodeAt(quantiser, codes, i));
        ASSERT_GE(read[i], least);
        ASSERT_LE(read[i], largest);
      }
    }
  }
}

TEST(Quantiser, KbitBinsHaveEqualCounts) {
  for (const std::int32_t bits : {2, 4, 8}) {
    const Scheme scheme{.kind = SchemeKind::kKbit, .bits = bits};
    const std::vector<float> values = QuantisedColumns().at("normal");
    const Quantiser quantiser = Fitted(scheme, values);
    const std::vector<std::byte> codes = Encoded(quantiser, values);
    std::vector<std::size_t> counts(std::size_t{1} << bits);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ++counts[static_cast<std::size_t>(CodeAt(quantiser, codes, i))];
    }
    for (const std::size_t count : counts) {
      EXPECT_GE(count + 1, values.size() / counts.size());
      EXPECT_LE(count, values.size() / counts.size() + 2);
    }
  }
}

TEST(Quantiser, KbitByHand) {
  // Bins {1, 2}, {4}, {8, 12} beside the code of zero: the frequent 4 fills one.
  const std::vector<float> values = {0, 4, 1, 4, 12, 0, 4, 2, 8};
  const Quantiser quantiser = Fitted(ParseScheme("kbit(2)"), values);
  EXPECT_EQ(RoundTripped(quantiser, values),
            (std::vector<float>{0, 4, 1.5f, 4, 10, 0, 4, 1.5f, 10}));
  // Bins meet half way, and the middle is the lower one's.
  EXPECT_EQ(RoundTripped(quantiser, {3, 3.01f, 6, 6.01f, -7, 70}),
            (std::vector<float>{1.5f, 4, 4, 10, 1.5f, 10}));
  const std::vector<std::byte> codes = Encoded(quantiser, std::vector<float>{0, 1, 4, 8, 0});
  EXPECT_EQ(codes, (std::vector<std::byte>{std::byte{0b11'10'01'00}, std::byte{0}}));
}

TEST(Quantiser, KbitOfFewValuesIsExact) {
  std::vector<float> values;
  for (int i = 0; i < 5000; ++i) values.push_back(static_cast<float>(i * i % 89) / 7 - 3);
  EXPECT_EQ(RoundTripped(Fitted(ParseScheme("kbit(8)"), values), values), values);
}

// Values that no sampled row has: the column's largest rows and its least value stand in.
TEST(Quantiser, KbitOfASampleOfZeros) {
  std::vector<float> values(20'000, 0.0f);
  const std::vector<std::int64_t> sampled = SampledRows(std::ssize(values));
  for (std::size_t i = 0, row = 1; i < 3; ++row) {
    if (std::binary_search(sampled.begin(), sampled.end(), static_cast<std::int64_t>(row)))
      continue;
    values[row] = std::array{5.0f, -2.0f, 1.5f}[i++];
  }
  const Quantiser quantiser = Fitted(ParseScheme("kbit(4)"), values);
  EXPECT_EQ(RoundTripped(quantiser, values), values);
}

TEST(Quantiser, ThresholdByHand) {
  // 0.6 of ten values: six of them are at most 5, the cut.
  const std::vector<float> values = {9, 1, 5, 2, 7, 3, 4, 5, 8, 6};
  const Quantiser quantiser = Fitted(ParseScheme("threshold(0.6)"), values);
  EXPECT_EQ(RoundTripped(quantiser, {5, 5.01f, 6, -1, kNan, kInfinity, -kInfinity, 0}),
            (std::vector<float>{0, 1, 1, 0, 0, 1, 0, 0}));
  EXPECT_EQ(Encoded(quantiser, values),
            (std::vector<std::byte>{std::byte{0b00010001}, std::byte{0b11}}));
  // 0.07 * 100 is a little above 7, and must not be taken for 8.
  std::vector<float> hundred;
  for (int i = 1; i <= 100; ++i) hundred.push_back(static_cast<float>(i));
  const std::vector<float> above =
      RoundTripped(Fitted(ParseScheme("threshold(0.07)"), hundred), hundred);
  EXPECT_EQ(std::count(above.begin(), above.end(), 1.0f), 93);
}

TEST(Quantiser, ThresholdIsTheSampleQuantile) {
  for (const auto &[name, values] : QuantisedColumns()) {
    SCOPED_TRACE(name);
    std::vector<float> numbers;
    for (const std::int64_t row : SampledRows(std::ssize(values))) {
      const float value = values[static_cast<std::size_t>(row)];
      if (!std::isnan(value)) numbers.push_back(value);
    }
    std::sort(numbers.begin(), numbers.end());
    float cut = StatisticsOf(values).largest;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      cut = numbers[i];
      if (static_cast<double>(i + 1) >= 0.9 * static_cast<double>(numbers.size())) break;
    }
    const std::vector<float> read =
        RoundTripped(Fitted(ParseScheme("threshold(0.9)"), values), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(read[i], values[i] > cut ? 1.0f : 0.0f) << values[i];
    }
  }
}

// Codes that Encode does not write are defined all the same.
TEST(Quantiser, CodesThatAreNotWrittenAreNan) {
  for (const char *text : {"q8", "kbit(8)"}) {
    const Quantiser quantiser = Fitted(ParseScheme(text), std::vector<float>(10, 2.5f));
    std::vector<std::byte> codes;
    for (int code = 0; code < 256; ++code) codes.push_back(static_cast<std::byte>(code));
    const std::vector<float> values = Decoded(quantiser, codes, codes.size());
    const auto written = static_cast<std::size_t>(Encoded(quantiser, std::vector<float>{2.5f})[0]);
    EXPECT_EQ(values[written], 2.5f);
    for (std::size_t code = written + 1; code < values.size(); ++code) {
      EXPECT_TRUE(std::isnan(values[code])) << text << ' ' << code;
    }
  }
}

}  // namespace
}  // namespace trails
