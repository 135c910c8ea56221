// Statistics as bytes: there and back, and every way to be corrupt.
#include "core/intermediates/statistics_bytes.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "core/intermediates/chunk.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kRows = 300;

std::vector<float> ColumnOf(std::int32_t column) {
  std::vector<float> values(kRows);
  for (std::int64_t row = 0; row < kRows; ++row) {
    values[row] = row % 3 == 0 ? 0.0F : static_cast<float>((row * 37 + column * 11) % 101) - 40.0F;
  }
  if (column == 1) values[7] = std::numeric_limits<float>::quiet_NaN();
  return values;
}

GroupStatistics GroupOf(const Scheme &scheme, std::int32_t columns) {
  GroupStatistics group;
  group.name = {77, 5, 256};
  group.cost = {kRows, 12'345.5};
  for (std::int32_t i = 0; i < columns; ++i) {
    const std::vector<float> values = ColumnOf(i);
    ColumnStatistics statistics;
    statistics.Add(0, values);
    if (scheme.kind != SchemeKind::kStats)
      group.quantisers.emplace_back(scheme, statistics, values);
    group.columns.push_back(std::move(statistics));
  }
  return group;
}

void ExpectEqual(const ColumnStatistics &a, const ColumnStatistics &b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.zeros, b.zeros);
  EXPECT_EQ(a.not_finite, b.not_finite);
  EXPECT_EQ(a.nans, b.nans);
  EXPECT_EQ(a.least, b.least);
  EXPECT_EQ(a.largest, b.largest);
  EXPECT_EQ(a.sum, b.sum);
  EXPECT_EQ(a.squares, b.squares);
  EXPECT_EQ(a.top, b.top);
}

// What the quantiser makes of some values, as bits, so that NaN compares.
std::vector<std::uint32_t> BitsThrough(const Quantiser &quantiser) {
  std::vector<float> values = ColumnOf(1);
  quantiser.RoundTrip(values);
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

TEST(StatisticsBytes, ComeBackAsTheyWereWithEveryScheme) {
  for (const char *const text : {"f32", "f16", "q8", "kbit(4)", "threshold(0.9)", "stats"}) {
    SCOPED_TRACE(text);
    const Scheme scheme = ParseScheme(text);
    const GroupStatistics group = GroupOf(scheme, 3);
    const std::string bytes = WriteStatistics(scheme, group);
    const GroupStatistics back = ReadStatisticsBytes(scheme, 3, bytes);
    EXPECT_EQ(back.name, group.name);
    EXPECT_EQ(back.cost, group.cost);
    EXPECT_EQ(PeekCost(std::string_view(bytes).substr(0, kStatisticsHeaderBytes)), group.cost);
    ASSERT_EQ(back.columns.size(), 3U);
    ASSERT_EQ(back.quantisers.size(), group.quantisers.size());
    for (std::size_t i = 0; i < 3; ++i) ExpectEqual(back.columns[i], group.columns[i]);
    for (std::size_t i = 0; i < back.quantisers.size(); ++i) {
      EXPECT_EQ(BitsThrough(back.quantisers[i]), BitsThrough(group.quantisers[i]));
    }
    EXPECT_EQ(WriteStatistics(scheme, back), bytes);
  }
}

TEST(StatisticsBytes, EveryChangedByteIsSeen) {
  const Scheme scheme = ParseScheme("q8");
  const std::string bytes = WriteStatistics(scheme, GroupOf(scheme, 2));
  for (std::size_t i = 0; i < bytes.size(); i += 13) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    EXPECT_THROW(ReadStatisticsBytes(scheme, 2, changed), Error) << "byte " << i;
  }
}

// Sealed anew, so that it is the version that is refused and not the checksum.
TEST(StatisticsBytes, VersionsThatNobodyWroteAreRefused) {
  const Scheme scheme = ParseScheme("f16");
  const std::string sound = WriteStatistics(scheme, GroupOf(scheme, 1));
  constexpr std::size_t kVersionAt = 4;
  ASSERT_EQ(sound.substr(kVersionAt, 2), std::string("\1\0", 2));
  for (const char version : {'\0', '\2'}) {
    std::string bytes = sound.substr(0, sound.size() - sizeof(std::uint32_t));
    bytes[kVersionAt] = version;
    const std::uint32_t checksum = Crc32c(bytes);
    bytes.append(reinterpret_cast<const char *>(&checksum), sizeof(checksum));
    EXPECT_THROW(ReadStatisticsBytes(scheme, 1, bytes), Error);
    EXPECT_THROW(PeekCost(std::string_view(bytes).substr(0, kStatisticsHeaderBytes)), Error);
  }
}

TEST(StatisticsBytes, AColumnOfOtherRowsThanTheGroupIsRefused) {
  const Scheme scheme = ParseScheme("f16");
  GroupStatistics group = GroupOf(scheme, 2);
  group.cost.rows = kRows + 1;
  const std::string bytes = WriteStatistics(scheme, group);
  EXPECT_THROW(ReadStatisticsBytes(scheme, 2, bytes), Error);
}

TEST(StatisticsBytes, EveryLengthButTheirOwnIsRefused) {
  const Scheme scheme = ParseScheme("f16");
  const std::string bytes = WriteStatistics(scheme, GroupOf(scheme, 2));
  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    EXPECT_THROW(ReadStatisticsBytes(scheme, 2, bytes.substr(0, length)), Error) << length;
  }
  EXPECT_THROW(ReadStatisticsBytes(scheme, 2, bytes + '\0'), Error);
  EXPECT_THROW(PeekCost(bytes.substr(0, kStatisticsHeaderBytes - 1)), Error);
}

TEST(StatisticsBytes, AnotherNumberOfColumnsIsRefused) {
  const Scheme scheme = ParseScheme("f16");
  const std::string bytes = WriteStatistics(scheme, GroupOf(scheme, 2));
  EXPECT_THROW(ReadStatisticsBytes(scheme, 3, bytes), Error);
  GroupStatistics lacking = GroupOf(scheme, 2);
  lacking.quantisers.pop_back();
  EXPECT_THROW(WriteStatistics(scheme, lacking), Error);
}

}  // namespace
}  // namespace trails
