// Schemes: their words, the shapes they store, and pooling against a slow computation.
#include "core/intermediates/scheme.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Scheme, TextsAreRead) {
  EXPECT_EQ(ParseScheme("f32"), (Scheme{.kind = SchemeKind::kF32}));
  EXPECT_EQ(ParseScheme("f16"), Scheme{});
  EXPECT_EQ(ParseScheme(" q8 "), (Scheme{.kind = SchemeKind::kQ8}));
  EXPECT_EQ(ParseScheme("stats"), (Scheme{.kind = SchemeKind::kStats}));
  EXPECT_EQ(ParseScheme("kbit"), (Scheme{.kind = SchemeKind::kKbit, .bits = 8}));
  EXPECT_EQ(ParseScheme("kbit(4)"), (Scheme{.kind = SchemeKind::kKbit, .bits = 4}));
  EXPECT_EQ(ParseScheme("threshold"), (Scheme{.kind = SchemeKind::kThreshold, .quantile = 0.995}));
  EXPECT_EQ(ParseScheme("threshold (0.99)"),
            (Scheme{.kind = SchemeKind::kThreshold, .quantile = 0.99}));
  EXPECT_EQ(ParseScheme("pool"), (Scheme{.kind = SchemeKind::kPool, .pool = 2}));
  EXPECT_EQ(ParseScheme("pool( 4 )"), (Scheme{.kind = SchemeKind::kPool, .pool = 4}));
  EXPECT_EQ(ParseScheme("pool(4,max)"),
            (Scheme{.kind = SchemeKind::kPool, .pool = 4, .pooling = Pooling::kLargest}));
  EXPECT_EQ(ParseScheme("pool(3, average)"), (Scheme{.kind = SchemeKind::kPool, .pool = 3}));
}

TEST(Scheme, WritesWhatItReads) {
  EXPECT_EQ(SchemeText(ParseScheme("kbit")), "kbit(8)");
  EXPECT_EQ(SchemeText(ParseScheme("pool")), "pool(2)");
  EXPECT_EQ(SchemeText(ParseScheme("threshold")), "threshold(0.995)");
  for (const char *text :
       {"f32", "f16", "q8", "stats", "kbit(2)", "kbit(7)", "threshold(0.1)",
        "threshold(0.3333333333333333)", "threshold(1e-09)", "pool(7)", "pool(32, max)"}) {
    EXPECT_EQ(SchemeText(ParseScheme(text)), text);
  }
}

TEST(Scheme, AnythingElseIsRefusedWithTheSchemes) {
  for (const char *text : {"",
                           " ",
                           "F16",
                           "f64",
                           "f16()",
                           "f16(1)",
                           "q8(8)",
                           "stats(1)",
                           "kbit()",
                           "kbit(1)",
                           "kbit(9)",
                           "kbit(4.0)",
                           "kbit(4",
                           "kbit 4",
                           "kbit(4)x",
                           "kbit((4))",
                           "kbit(4, 4)",
                           "kbit(-4)",
                           "kbit(99999999999)",
                           "threshold(0)",
                           "threshold(1)",
                           "threshold(nan)",
                           "threshold(inf)",
                           "threshold(-0.5)",
                           "threshold(0.5, 1)",
                           "threshold(1e999)",
                           "pool(1)",
                           "pool(0)",
                           "pool(4, min)",
                           "pool(max)",
                           "pool(4, max, 1)",
                           "pool(4,)",
                           "pool(, max)",
                           "(4)",
                           "f16, q8"}) {
    try {
      ParseScheme(text);
      ADD_FAILURE() << text;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << text;
      EXPECT_EQ(error.what(), "invalid scheme \"" + std::string(text) + '"');
      EXPECT_FALSE(error.detail().empty()) << text;
      EXPECT_NE(error.hint().find("kbit(bits)"), std::string::npos) << text;
    }
  }
}

TEST(Scheme, BitsOfAStoredValue) {
  EXPECT_EQ(BitsOf(ParseScheme("f32")), 32);
  EXPECT_EQ(BitsOf(ParseScheme("f16")), 16);
  EXPECT_EQ(BitsOf(ParseScheme("pool")), 16);
  EXPECT_EQ(BitsOf(ParseScheme("q8")), 8);
  EXPECT_EQ(BitsOf(ParseScheme("kbit(3)")), 3);
  EXPECT_EQ(BitsOf(ParseScheme("threshold")), 1);
  EXPECT_EQ(BitsOf(ParseScheme("stats")), 0);
}

TEST(Scheme, StoredShapes) {
  EXPECT_EQ(StoredShape(ParseScheme("q8"), {3, 8, 8}), (Shape{3, 8, 8}));
  EXPECT_EQ(StoredShape(ParseScheme("f16"), {128}), (Shape{128}));
  EXPECT_EQ(StoredShape(ParseScheme("pool(2)"), {3, 8, 6}), (Shape{3, 4, 3}));
  EXPECT_EQ(StoredShape(ParseScheme("pool(2)"), {3, 7, 5}), (Shape{3, 4, 3}));
  EXPECT_EQ(StoredShape(ParseScheme("pool(4)"), {2, 1, 9}), (Shape{2, 1, 3}));
  EXPECT_EQ(StoredShape(ParseScheme("pool(8)"), {5, 8, 4}), (Shape{5, 1, 1}));
}

TEST(Scheme, PoolingNeedsMapsThatAreLargeEnough) {
  for (const auto &[shape, words] :
       {std::pair{Shape{128}, "scheme \"pool(5)\" needs a layer with maps"},
        std::pair{Shape{3, 4, 2},
                  "scheme \"pool(5)\" pools more cells than the layer's maps have"}}) {
    try {
      StoredShape(ParseScheme("pool(5)"), shape);
      ADD_FAILURE() << words;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_STREQ(error.what(), words);
      EXPECT_FALSE(error.hint().empty());
    }
  }
}

// One pooled cell of one row, cell by cell.
float PooledSlowly(const Scheme &scheme, const Shape &shape, const std::vector<float> &values,
                   std::int64_t rows, std::int32_t channel, std::int32_t y, std::int32_t x,
                   std::int64_t row) {
  std::vector<double> cells;
  for (std::int32_t dy = 0; dy < scheme.pool; ++dy) {
    for (std::int32_t dx = 0; dx < scheme.pool; ++dx) {
      const std::int32_t at_y = y * scheme.pool + dy;
      const std::int32_t at_x = x * scheme.pool + dx;
      if (at_y >= shape.height || at_x >= shape.width) continue;
      const std::int64_t column =
          (std::int64_t{channel} * shape.height + at_y) * shape.width + at_x;
      cells.push_back(static_cast<double>(values[static_cast<std::size_t>(column * rows + row)]));
    }
  }
  double sum = 0;
  for (const double cell : cells) sum += cell;
  if (std::isnan(sum)) return kNan;
  if (scheme.pooling == Pooling::kLargest) {
    return static_cast<float>(*std::max_element(cells.begin(), cells.end()));
  }
  return static_cast<float>(sum / static_cast<double>(cells.size()));
}

TEST(Scheme, PoolMapsIsTheSlowComputation) {
  RandomStream random(3);
  for (const char *text : {"pool(2)", "pool(3)", "pool(2, max)", "pool(3, max)", "pool(7)"}) {
    const Scheme scheme = ParseScheme(text);
    for (const Shape &shape : {Shape{2, 8, 8}, Shape{3, 7, 5}, Shape{1, 1, 9}, Shape{4, 9, 1}}) {
      for (const std::int64_t rows : {1, 7, 1000}) {
        std::vector<float> values(static_cast<std::size_t>(shape.columns() * rows));
        for (float &value : values) value = random.Uniform() < 0.02 ? kNan : random.Symmetric(3);
        const Shape stored = StoredShape(scheme, shape);
        std::vector<float> out(static_cast<std::size_t>(stored.columns() * rows) + 1, 17.0f);
        PoolMaps(scheme, shape, values.data(), rows, out.data());
        EXPECT_EQ(out.back(), 17.0f) << "written outside";
        std::size_t i = 0;
        for (std::int32_t channel = 0; channel < stored.channels; ++channel) {
          for (std::int32_t cell = 0; cell < stored.height * stored.width; ++cell) {
            for (std::int64_t row = 0; row < rows; ++row, ++i) {
              const float expected = PooledSlowly(scheme, shape, values, rows, channel,
                                                  cell / stored.width, cell % stored.width, row);
              if (std::isnan(expected)) {
                ASSERT_TRUE(std::isnan(out[i])) << text << ' ' << i;
              } else {
                ASSERT_EQ(out[i], expected) << text << ' ' << i;
              }
            }
          }
        }
      }
    }
  }
}

TEST(Scheme, PoolMapsByHand) {
  // One channel of 2 x 3, two rows: the second is ten times the first.
  const std::vector<float> values = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60};
  std::vector<float> out(4);
  PoolMaps(ParseScheme("pool(2)"), {1, 2, 3}, values.data(), 2, out.data());
  EXPECT_EQ(out, (std::vector<float>{3, 30, 4.5, 45}));
  PoolMaps(ParseScheme("pool(2, max)"), {1, 2, 3}, values.data(), 2, out.data());
  EXPECT_EQ(out, (std::vector<float>{5, 50, 6, 60}));
}

TEST(Scheme, OnlyPoolPools) {
  float value = 1;
  try {
    PoolMaps(ParseScheme("q8"), {1, 1, 1}, &value, 1, &value);
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
  }
}

}  // namespace
}  // namespace trails
