#include "kernels/gather_fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "slot_weights.h"

namespace trails::kernels {
namespace {

constexpr float kNull = std::numeric_limits<float>::quiet_NaN();

// Three categories between five numbers: many knots, two knots, no knots with and without the soft
// clip, no NULL id. Knots are uneven, and the fields' order is not the table's.
FieldPlan MixedPlan() {
  FieldPlan plan;
  plan.fields = 8;
  plan.categorical_fields = {6, 0, 3};  // ids 0..3, 4..6, 7..56
  std::int32_t id = 57;
  const auto number = [&](std::int32_t field, std::vector<float> knots, bool null, bool clip) {
    NumericSlots slots;
    slots.field = field;
    slots.first_knot_id = id;
    slots.knots = static_cast<std::int32_t>(knots.size());
    slots.first_knot = static_cast<std::int32_t>(plan.knot_positions.size());
    id += slots.knots;
    slots.value_id = id++;
    if (null) slots.null_id = id++;
    slots.soft_clip = clip;
    plan.knot_positions.insert(plan.knot_positions.end(), knots.begin(), knots.end());
    plan.numeric_fields.push_back(slots);
  };
  std::vector<float> many;
  for (int k = 0; k < 49; ++k) many.push_back(-3.0f + 0.002f * static_cast<float>(k * k));
  number(1, many, true, true);
  number(2, {-0.5f, 0.75f}, true, true);
  number(4, {}, true, true);
  number(5, {}, true, false);
  number(7, {-1.0f, 0.0f, 0.0625f, 8.0f}, false, true);
  plan.table_rows = id;
  return plan;
}

struct Rows {
  std::vector<std::int32_t> ids;
  std::vector<float> values;
  std::vector<std::int32_t> picked;
};

// Knots themselves, values beyond them on both sides, NULLs and random ones.
Rows MixedRows(const FieldPlan &plan, std::int64_t count) {
  RandomStream random(11);
  const std::vector<float> special = {kNull, -1e18f, 1e18f, -0.0f, 0.0625f, 0.75f,      -0.5f,
                                      -3.0f, 8.0f,   7.99f, -1.0f, 1.608f,  -3.000001f, 1e-30f};
  Rows rows;
  for (std::int64_t i = 0; i < count; ++i) {
    rows.ids.push_back(static_cast<std::int32_t>(random.Below(4)));
    rows.ids.push_back(static_cast<std::int32_t>(4 + random.Below(3)));
    rows.ids.push_back(static_cast<std::int32_t>(7 + random.Below(50)));
    for (std::int32_t n = 0; n < plan.numeric(); ++n) {
      const bool is_special = random.Uniform() < 0.4;
      rows.values.push_back(is_special ? special[static_cast<std::size_t>(random.Below(
                                             static_cast<std::int64_t>(special.size())))]
                                       : random.Symmetric(4));
    }
    rows.picked.push_back(static_cast<std::int32_t>(random.Below(count)));
  }
  return rows;
}

std::vector<float> RandomNumbers(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random.Symmetric(1);
  return numbers;
}

class GatherFields : public ::testing::TestWithParam<std::int32_t> {
 protected:
  std::vector<float> Gather(const std::vector<float> &table, const std::int32_t *picked,
                            std::vector<LocatedNumber> *located) const {
    // Apart from the table, whose knots stay as they are: nothing else is read from it.
    std::vector<float> cumulated(table.size(), kNull);
    CumulateKnotsCpu(plan_, table.data(), width_, cumulated.data());
    std::vector<float> out(static_cast<std::size_t>(kRows * plan_.fields * width_), kNull);
    located->resize(static_cast<std::size_t>(kRows * plan_.numeric()));
    GatherFieldsCpu(plan_, rows_.ids.data(), rows_.values.data(), picked, kRows, table.data(),
                    width_, out.data(), located->data(), cumulated.data());
    return out;
  }
  void Scatter(FieldRange range, const std::int32_t *picked,
               const std::vector<LocatedNumber> &located, const std::vector<float> &gradient,
               std::vector<float> *to) const {
    ScatterFieldsCpu(plan_, range, rows_.ids.data(), located.data(), picked, kRows, gradient.data(),
                     width_, to->data());
  }
  std::vector<float> RandomTable(std::uint64_t seed) const {
    return RandomNumbers(std::int64_t{plan_.table_rows} * width_, seed);
  }

  static constexpr std::int64_t kRows = 300;
  const FieldPlan plan_ = MixedPlan();
  const Rows rows_ = MixedRows(plan_, kRows);
  const std::int32_t width_ = GetParam();
};

TEST_P(GatherFields, EqualsTheSumOverAllSlots) {
  const std::vector<float> table = RandomTable(3);
  std::vector<LocatedNumber> located;
  for (const std::int32_t *picked :
       {rows_.picked.data(), static_cast<const std::int32_t *>(nullptr)}) {
    const std::vector<float> out = Gather(table, picked, &located);
    for (std::int64_t i = 0; i < kRows; ++i) {
      const std::int64_t row = picked == nullptr ? i : picked[i];
      const std::vector<double> weights =
          test::SlotWeights(plan_, rows_.ids.data() + row * plan_.categorical(),
                            rows_.values.data() + row * plan_.numeric());
      for (std::int32_t f = 0; f < plan_.fields; ++f) {
        for (std::int32_t w = 0; w < width_; ++w) {
          double expected = 0;
          double size = 1;
          for (std::int32_t id = 0; id < plan_.table_rows; ++id) {
            const double weight = weights[static_cast<std::size_t>(f * plan_.table_rows + id)];
            expected += weight * table[static_cast<std::size_t>(id * width_ + w)];
            size = std::max(size, std::abs(weight));
          }
          // 49 knots are added up in float: at most 49 roundings of a sum below 49.
          const float got = out[static_cast<std::size_t>((i * plan_.fields + f) * width_ + w)];
          ASSERT_NEAR(got, expected, 2e-5 * size) << "row " << row << ", field " << f;
        }
      }
    }
  }
}

TEST_P(GatherFields, IsTheSameWithoutLocatedNumbers) {
  const std::vector<float> table = RandomTable(4);
  std::vector<LocatedNumber> located;
  const std::vector<float> with = Gather(table, nullptr, &located);
  std::vector<float> cumulated = table;
  CumulateKnotsCpu(plan_, cumulated.data(), width_, cumulated.data());
  std::vector<float> without(with.size());
  GatherFieldsCpu(plan_, rows_.ids.data(), rows_.values.data(), nullptr, kRows, cumulated.data(),
                  width_, without.data());
  EXPECT_EQ(with, without);
}

// <gather(T), Y> = <T, scatter(Y)> for all T and Y is what a transpose is.
TEST_P(GatherFields, ScatterIsTheTranspose) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::vector<float> table = RandomTable(seed);
    std::vector<LocatedNumber> located;
    // Squares of 1e18 would leave nothing of the other summands.
    const std::vector<float> gathered = Gather(table, rows_.picked.data(), &located);
    std::vector<float> y = RandomNumbers(static_cast<std::int64_t>(gathered.size()), seed + 100);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (std::abs(gathered[i]) > 1e6f) y[i] = 0;
    }
    std::vector<float> scattered(table.size());
    Scatter({0, plan_.fields}, rows_.picked.data(), located, y, &scattered);
    CumulateKnotsBackwardCpu(plan_, width_, scattered.data());
    double left = 0;
    double right = 0;
    double size = 0;
    for (std::size_t i = 0; i < y.size(); ++i) left += double{gathered[i]} * y[i];
    for (std::size_t i = 0; i < table.size(); ++i) {
      right += double{table[i]} * scattered[i];
      size += std::abs(double{table[i]} * scattered[i]);
    }
    EXPECT_NEAR(left, right, 1e-5 * size) << seed;
  }
}

// Bit by bit: what lets threads share the fields.
TEST_P(GatherFields, ScatterByRangesOfFieldsIsTheSame) {
  const std::vector<float> table = RandomTable(1);
  std::vector<LocatedNumber> located;
  const std::vector<float> y = Gather(table, rows_.picked.data(), &located);
  std::vector<float> whole(table.size());
  Scatter({0, plan_.fields}, rows_.picked.data(), located, y, &whole);
  for (std::int32_t length = 1; length < plan_.fields; ++length) {
    std::vector<float> by_ranges(table.size());
    for (std::int32_t first = 0; first < plan_.fields; first += length) {
      Scatter({first, std::min(first + length, plan_.fields)}, rows_.picked.data(), located, y,
              &by_ranges);
    }
    EXPECT_EQ(by_ranges, whole) << length;
  }
}

TEST_P(GatherFields, ScatterAddsToWhatIsThere) {
  const std::vector<float> table = RandomTable(1);
  std::vector<LocatedNumber> located;
  const std::vector<float> ones(Gather(table, nullptr, &located).size(), 1.0f);
  std::vector<float> gradient(table.size(), 5.0f);
  Scatter({0, plan_.fields}, nullptr, located, ones, &gradient);
  std::int64_t of_first_category = 0;
  for (std::int32_t id = 0; id < 4; ++id) {
    std::int64_t seen = 0;
    for (std::int64_t i = 0; i < kRows; ++i)
      seen += rows_.ids[static_cast<std::size_t>(i * 3)] == id;
    EXPECT_EQ(gradient[static_cast<std::size_t>(id * width_)], 5.0f + static_cast<float>(seen));
    of_first_category += seen;
  }
  EXPECT_EQ(of_first_category, kRows);
}

// <cumulate(T), Y> = <T, backward(Y)>, over the knots' rows and all others.
TEST_P(GatherFields, CumulateAndItsBackwardAreTransposes) {
  const std::vector<float> table = RandomTable(8);
  std::vector<float> cumulated = table;
  CumulateKnotsCpu(plan_, table.data(), width_, cumulated.data());
  const std::vector<float> y = RandomTable(9);
  std::vector<float> backward = y;
  CumulateKnotsBackwardCpu(plan_, width_, backward.data());
  double left = 0;
  double right = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    left += double{cumulated[i]} * y[i];
    right += double{table[i]} * backward[i];
  }
  EXPECT_NEAR(left, right, 1e-3);

  std::vector<float> in_place = table;
  CumulateKnotsCpu(plan_, in_place.data(), width_, in_place.data());
  EXPECT_EQ(in_place, cumulated);
}

INSTANTIATE_TEST_SUITE_P(Widths, GatherFields, ::testing::Values(1, 2, 10, 16, 23),
                         [](const auto &test) { return "Width" + std::to_string(test.param); });

TEST(CumulateKnots, ByHand) {
  FieldPlan plan;
  plan.fields = 1;
  plan.table_rows = 6;
  NumericSlots slots;
  slots.first_knot_id = 1;
  slots.knots = 3;
  slots.value_id = 4;
  plan.numeric_fields = {slots};
  plan.knot_positions = {0, 1, 2};
  std::vector<float> table = {100, 1, 2, 4, 50, 70};
  CumulateKnotsCpu(plan, table.data(), 1, table.data());
  EXPECT_EQ(table, (std::vector<float>{100, 1, 3, 7, 50, 70}));
  std::vector<float> gradient = {100, 1, 2, 4, 50, 70};
  CumulateKnotsBackwardCpu(plan, 1, gradient.data());
  EXPECT_EQ(gradient, (std::vector<float>{100, 7, 6, 4, 50, 70}));
}

TEST(GatherFieldsByHand, AValueBetweenOnAndBeyondKnots) {
  FieldPlan plan;
  plan.fields = 1;
  plan.table_rows = 5;
  NumericSlots slots;
  slots.knots = 3;
  slots.value_id = 3;
  slots.null_id = 4;
  slots.soft_clip = false;
  plan.numeric_fields = {slots};
  plan.knot_positions = {-1, 0, 2};
  const std::vector<float> table = {10, 20, 40, 1000, 7};  // cumulated
  const std::vector<float> values = {-1, -0.75, 0, 1, 2, 9, -9, kNull};
  std::vector<float> out(values.size());
  GatherFieldsCpu(plan, nullptr, values.data(), nullptr, std::ssize(values), table.data(), 1,
                  out.data());
  EXPECT_EQ(out, (std::vector<float>{10 - 1000, 12.5 - 750, 20, 30 + 1000, 40 + 2000, 40 + 9000,
                                     10 - 9000, 7}));
}

// Whatever the number of knots, of fields beside one another, and of rows: searches differ by them.
TEST(GatherFieldsByHand, EveryValueFindsItsKnots) {
  const std::vector<std::int32_t> of_fields = {2, 3, 9, 194, 2, 49, 5, 7, 195, 300, 2};
  for (std::size_t fields = 1; fields <= of_fields.size(); ++fields) {
    FieldPlan plan;
    RandomStream random(fields);
    for (std::size_t f = 0; f < fields; ++f) {
      NumericSlots slots;
      slots.field = static_cast<std::int32_t>(f);
      slots.knots = of_fields[f];
      slots.first_knot = static_cast<std::int32_t>(plan.knot_positions.size());
      slots.first_knot_id = plan.table_rows;
      slots.value_id = plan.table_rows + slots.knots;
      plan.table_rows += slots.knots + 1;
      plan.numeric_fields.push_back(slots);
      for (std::int32_t k = 0; k < slots.knots; ++k) {
        plan.knot_positions.push_back(static_cast<float>(k * k) * 0.01f - 3.0f);
      }
    }
    plan.fields = static_cast<std::int32_t>(fields);
    for (const std::int64_t rows : {1, 7, 8, 200}) {
      std::vector<float> values;
      for (std::int64_t i = 0; i < rows * plan.fields; ++i) {
        const auto f = static_cast<std::size_t>(i) % fields;
        const auto knot = static_cast<std::size_t>(random.Below(of_fields[f]));
        const auto first = static_cast<std::size_t>(plan.numeric_fields[f].first_knot);
        values.push_back(plan.knot_positions[first + knot] +
                         (i % 3 == 0 ? 0.0f : random.Symmetric(20)));
      }
      const std::vector<float> table(static_cast<std::size_t>(plan.table_rows));
      std::vector<float> out(values.size());
      std::vector<LocatedNumber> located(values.size());
      GatherFieldsCpu(plan, nullptr, values.data(), nullptr, rows, table.data(), 1, out.data(),
                      located.data());
      for (std::size_t i = 0; i < values.size(); ++i) {
        const NumericSlots &slots = plan.numeric_fields[i % fields];
        const auto first = plan.knot_positions.begin() + slots.first_knot;
        const auto above = std::upper_bound(first, first + slots.knots, values[i]) - first;
        const auto knot = std::clamp<std::int64_t>(above - 1, 0, slots.knots - 2);
        ASSERT_EQ(located[i].knot - slots.first_knot_id, knot)
            << values[i] << " of " << slots.knots;
        const float share = (values[i] - first[knot]) / (first[knot + 1] - first[knot]);
        ASSERT_EQ(located[i].t, std::clamp(share, 0.0f, 1.0f)) << values[i];
      }
    }
  }
}

}  // namespace
}  // namespace trails::kernels
