// The stored form of quantisers: round trips, and every way to be corrupt that we could think of.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/intermediates/chunk.h"
#include "core/intermediates/quantiser.h"
#include "quantised_columns.h"
#include "trails/error.h"

namespace trails {
namespace {

std::string Written(const Quantiser &quantiser) {
  std::string bytes;
  quantiser.Write(&bytes);
  return bytes;
}

// Written with the checksum of what is before it.
std::string Signed(std::string bytes) {
  const std::uint32_t checksum =
      Crc32c(std::string_view(bytes).substr(0, bytes.size() - sizeof(std::uint32_t)));
  std::memcpy(bytes.data() + bytes.size() - sizeof(checksum), &checksum, sizeof(checksum));
  return bytes;
}

// True if it is refused, as corrupt and nothing else. In memory of its own, so that a look past the
// end is seen by the address sanitizer.
bool IsRefused(const Scheme &scheme, const std::string &bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  std::string_view left(copy.data(), copy.size());
  try {
    Quantiser::Read(scheme, &left);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptData) << error.what();
    EXPECT_EQ(left.size(), bytes.size()) << "taken though it was refused";
    return true;
  }
  return false;
}

TEST(StoredQuantiser, RoundTripGivesTheSameCodesAndValues) {
  for (const auto &[name, values] : QuantisedColumns()) {
    for (const char *text : kQuantisedSchemes) {
      SCOPED_TRACE(name + " as " + text);
      const Quantiser before = Fitted(ParseScheme(text), values);
      std::string bytes = "before";
      before.Write(&bytes);
      std::string_view left = std::string_view(bytes).substr(6);
      const Quantiser after = Quantiser::Read(ParseScheme(text), &left);
      EXPECT_TRUE(left.empty());
      EXPECT_EQ(Written(after), bytes.substr(6));
      std::vector<std::byte> expected(
          static_cast<std::size_t>(before.BytesFor(std::ssize(values))));
      std::vector<std::byte> actual(expected.size());
      before.Encode(values, expected.data());
      after.Encode(values, actual.data());
      EXPECT_EQ(actual, expected);
      std::vector<float> expected_values = values;
      std::vector<float> actual_values = values;
      before.RoundTrip(expected_values);
      after.RoundTrip(actual_values);
      EXPECT_EQ(
          std::memcmp(actual_values.data(), expected_values.data(), values.size() * sizeof(float)),
          0);
    }
  }
}

TEST(StoredQuantiser, ManyStandOneAfterTheOther) {
  std::string bytes;
  for (const char *text : kQuantisedSchemes) Fitted(ParseScheme(text), {0, 1, 2}).Write(&bytes);
  std::string_view left = bytes;
  for (const char *text : kQuantisedSchemes) Quantiser::Read(ParseScheme(text), &left);
  EXPECT_TRUE(left.empty());
}

TEST(StoredQuantiser, OfAnotherSchemeIsCorrupt) {
  const std::vector<float> values = QuantisedColumns().at("rectified");
  for (const char *written : kQuantisedSchemes) {
    for (const char *read : kQuantisedSchemes) {
      EXPECT_EQ(IsRefused(ParseScheme(read), Written(Fitted(ParseScheme(written), values))),
                std::strcmp(written, read) != 0)
          << written << " read as " << read;
    }
  }
}

TEST(StoredQuantiser, TruncatedOrChangedIsCorrupt) {
  const std::vector<float> values = QuantisedColumns().at("sick and rectified");
  for (const char *text : kQuantisedSchemes) {
    const Scheme scheme = ParseScheme(text);
    const std::string bytes = Written(Fitted(scheme, values));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      ASSERT_TRUE(IsRefused(scheme, bytes.substr(0, length))) << text << ' ' << length;
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const char mask : {'\x01', '\x80', '\xFF'}) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ mask);
        ASSERT_TRUE(IsRefused(scheme, changed)) << text << ' ' << at;
      }
    }
  }
}

// Whoever signs anything gets a clean error, or a quantiser that is sound.
TEST(StoredQuantiser, SignedNonsenseIsRefusedOrHarmless) {
  const std::map<std::string, std::vector<float>> columns = QuantisedColumns();
  RandomStream random(9);
  std::vector<float> probe = columns.at("sick");
  std::vector<std::byte> codes(probe.size() * sizeof(float));
  int refused = 0;
  int sound = 0;
  for (const char *text : kQuantisedSchemes) {
    const Scheme scheme = ParseScheme(text);
    for (const char *name : {"sick and rectified", "normal", "constant"}) {
      const std::string bytes = Written(Fitted(scheme, columns.at(name)));
      for (int round = 0; round < 1000; ++round) {
        std::string changed = bytes;
        for (std::int64_t changes = 1 + random.Below(3); changes > 0; --changes) {
          const auto at = static_cast<std::size_t>(random.Below(std::ssize(bytes)));
          changed[at] = static_cast<char>(random.Below(256));
        }
        if (random.Uniform() < 0.1)
          changed.resize(4 + static_cast<std::size_t>(random.Below(std::ssize(bytes))));
        changed = Signed(changed);
        if (IsRefused(scheme, changed)) {
          ++refused;
          continue;
        }
        ++sound;
        std::string_view left = changed;
        const Quantiser quantiser = Quantiser::Read(scheme, &left);
        const std::span<const float> some = std::span(probe).first(50);
        quantiser.Encode(some, codes.data());
        std::vector<float> values(50);
        quantiser.Decode(codes.data(), values);
        for (std::byte &code : codes) code = static_cast<std::byte>(random.Next());
        quantiser.Decode(codes.data(), values);
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(sound, 1000);
}

// Each defect that the checksum does not catch, since it was there when it was made.
TEST(StoredQuantiser, DefectsAreNamed) {
  const auto detail = [](const char *text, const std::vector<float> &values, std::size_t at,
                         auto number) {
    const Scheme scheme = ParseScheme(text);
    std::string bytes = Written(Fitted(scheme, values));
    std::memcpy(bytes.data() + at, &number, sizeof(number));
    bytes = Signed(bytes);
    std::string_view left = bytes;
    try {
      Quantiser::Read(scheme, &left);
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorruptData);
      EXPECT_STREQ(error.what(), "stored quantiser is corrupt");
      return error.detail();
    }
    return std::string("none");
  };
  EXPECT_EQ(detail("f16", {1}, 2, std::uint8_t{113}), "none");
  EXPECT_EQ(detail("f16", {1}, 2, std::uint8_t{114}), "114 is no exponent of a scale.");
  EXPECT_EQ(detail("q8", {1, 2}, 2, 3.0f), "Its levels have no bounds.");
  EXPECT_EQ(detail("q8", {1, 2}, 6, kInfinity), "Its levels have no bounds.");
  EXPECT_EQ(detail("threshold", {1, 2}, 2, kInfinity), "none");
  EXPECT_EQ(detail("threshold", {1, 2}, 2, kNan), "It has no cut.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 2, std::uint8_t{2}), "Its codes are of no known kind.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 4, std::uint16_t{5}), "5 bins have no codes of 2 bits.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 4, std::uint16_t{4}), "It ends in the middle of a value.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 6, 3.0f), "Its bins are not in order.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 6, kNan), "Its bins are not in order.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 10, kInfinity), "Its bins are not in order.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 14, 2.0f), "Its bins are not in order.");
  EXPECT_EQ(detail("kbit(2)", {1, 3}, 14, kInfinity), "Its bins are not in order.");
}

}  // namespace
}  // namespace trails
