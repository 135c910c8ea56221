#include "core/filtering/weight_bank.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "built_in_spaces.h"
#include "core/filtering/trie_pass.h"

namespace trails {
namespace {

const SearchSpace kOddWidths{"odd", {3, 16, 21, 50}, 1, 3};

TEST(UnitGrid, EndsEveryWidthWithABlock) {
  const UnitGrid grid({3, 16, 21, 50});
  EXPECT_EQ(grid.blocks(), (std::vector<std::int32_t>{1, 2, 3, 5}));
  EXPECT_EQ(grid.slots(), 80);
  EXPECT_EQ(grid.widest(), 50);
  EXPECT_EQ(grid.count(), 4);
  ASSERT_EQ(grid.slot_of_unit().size(), 50U);
  EXPECT_EQ(grid.slot_of_unit()[2], 2);
  EXPECT_EQ(grid.slot_of_unit()[3], 16);
  EXPECT_EQ(grid.slot_of_unit()[15], 28);
  EXPECT_EQ(grid.slot_of_unit()[16], 32);
  EXPECT_EQ(grid.slot_of_unit()[21], 48);
  EXPECT_EQ(grid.slot_of_unit()[49], 76);
  EXPECT_EQ(UnitGrid(test::kMlp20.widths).slots(), 544);
}

TEST(TrieIndex, AgreesWithTheSpacesOwnNumbering) {
  const TrieIndex index(kOddWidths);
  EXPECT_EQ(index.first(1), 0);
  EXPECT_EQ(index.first(2), 4);
  EXPECT_EQ(index.first(3), 20);
  EXPECT_EQ(index.first(4), -1);
  EXPECT_EQ(index.below(1, 3), 16);
  const std::vector<std::int32_t> positions{2, 0, 3};
  EXPECT_EQ(index.At(positions), IndexOf(kOddWidths, {21, 3, 50}));
  const TrieIndex deep(test::kMlp20);
  EXPECT_EQ(deep.first(3), -1);
  EXPECT_EQ(deep.first(4), 0);
}

// Every weight lies in both panels where blocked.h says; all the rest is zero.
TEST(WeightBank, LaysTheSameWeightsOutForwardAndBackward) {
  const WeightBank bank(kOddWidths, 20, 5, 7, 0, true);
  EXPECT_EQ(bank.output_layer(), 4);
  for (std::int32_t layer = 1; layer <= 4; ++layer) {
    const std::int32_t rows = bank.padded_rows(layer);
    const std::int32_t columns = bank.padded_columns(layer);
    EXPECT_EQ(rows, layer == 4 ? 16 : 80);
    EXPECT_EQ(columns, layer == 1 ? 32 : 80);
    std::multiset<float> weights;
    for (std::int32_t r = 0; r < rows; ++r) {
      for (std::int32_t k = 0; k < columns; ++k) {
        const float weight = bank.forward_panel(layer)[((r / 16) * columns + k) * 16 + r % 16];
        if (weight != 0) weights.insert(weight);
        if (layer == 1) continue;
        ASSERT_EQ(bank.backward_panel(layer)[((k / 16) * rows + r) * 16 + k % 16], weight);
      }
    }
    EXPECT_EQ(weights.size(),
              static_cast<std::size_t>((layer == 4 ? 5 : 50) * (layer == 1 ? 20 : 50)));
    EXPECT_GT(*weights.begin(), -1);
    EXPECT_LT(*weights.rbegin(), 1);
  }
  EXPECT_EQ(bank.backward_panel(1), nullptr);
  EXPECT_EQ(WeightBank(kOddWidths, 20, 5, 7, 0, false).backward_panel(2), nullptr);
}

TEST(WeightBank, SlicesAreNestedAndScaledByTheirFanIn) {
  const WeightBank bank(kOddWidths, 20, 5, 7, 0, false);
  const InitialWeights wide = bank.Slice({50, 50, 21});
  const InitialWeights narrow = bank.Slice({16, 3});
  EXPECT_EQ(narrow.dims, (std::vector<std::int32_t>{20, 16, 3, 5}));
  ASSERT_EQ(narrow.weight.size(), 3U);
  EXPECT_EQ(narrow.weight[0][15 * 20 + 19], wide.weight[0][15 * 20 + 19]);
  EXPECT_DOUBLE_EQ(narrow.weight[1][2 * 16 + 15] * 4 / std::sqrt(6.0),
                   wide.weight[1][2 * 50 + 15] * std::sqrt(50.0 / 6.0));
  EXPECT_DOUBLE_EQ(narrow.bias[1][2] * 4, wide.bias[1][2] * std::sqrt(50.0));
  // The output layer's bank is that of every depth.
  EXPECT_DOUBLE_EQ(narrow.weight[2][4 * 3 + 2] * std::sqrt(3.0),
                   wide.weight[3][4 * 21 + 2] * std::sqrt(21.0));
}

TEST(WeightBank, DrawsUniformNumbersAnotherBankOthers) {
  const WeightBank bank(test::kMlp20, 100, 2, 11, 0, false);
  const WeightBank again(test::kMlp20, 100, 2, 11, 0, false);
  const WeightBank other(test::kMlp20, 100, 2, 11, 1, false);
  const InitialWeights slice = bank.Slice({512, 512, 512, 512});
  EXPECT_EQ(slice.weight, again.Slice({512, 512, 512, 512}).weight);
  EXPECT_NE(slice.weight[0], other.Slice({512, 512, 512, 512}).weight[0]);
  double sum = 0;
  double squares = 0;
  double products = 0;
  for (std::size_t i = 0; i < slice.weight[1].size(); ++i) {
    const double weight = slice.weight[1][i] / WeightScale(512);
    sum += weight;
    squares += weight * weight;
    products += weight * slice.weight[2][i] / WeightScale(512);
  }
  const double count = static_cast<double>(slice.weight[1].size());
  EXPECT_NEAR(sum / count, 0, 5 * std::sqrt(1 / (3 * count)));
  EXPECT_NEAR(squares / count, 1.0 / 3, 5 * std::sqrt(4 / (45 * count)));
  EXPECT_NEAR(products / count, 0, 5 / (3 * std::sqrt(count)));
}

TEST(WeightBank, ForetellsItsBytes) {
  for (const bool backward : {false, true}) {
    const WeightBank bank(kOddWidths, 20, 5, 7, 0, backward);
    std::int64_t floats = 0;
    for (std::int32_t layer = 1; layer <= bank.output_layer(); ++layer) {
      const std::int64_t weights =
          std::int64_t{bank.padded_rows(layer)} * bank.padded_columns(layer);
      floats += weights * (bank.backward_panel(layer) != nullptr ? 2 : 1) + bank.padded_rows(layer);
    }
    EXPECT_EQ(WeightBank::Bytes(kOddWidths, 20, 5, backward), 4 * floats);
  }
}

}  // namespace
}  // namespace trails
