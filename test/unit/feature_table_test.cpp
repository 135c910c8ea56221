#include "core/filtering/feature_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "built_in_spaces.h"
#include "core/filtering/tfmem.h"
#include "core/random.h"

namespace trails {
namespace {

const std::vector<float> &ColumnOf(const FeatureTable &table, const std::string &name) {
  const auto found = std::find(table.names.begin(), table.names.end(), name);
  EXPECT_NE(found, table.names.end()) << name;
  return table.columns[static_cast<std::size_t>(found - table.names.begin())];
}

TEST(FeatureTable, DescribesTheWidthsOfEveryCandidate) {
  const FeatureTable table = BuildFeatureTable(test::kTabular, 130, 3, {});
  ASSERT_EQ(table.candidates, SpaceSize(test::kTabular));
  EXPECT_EQ(table.names,
            (std::vector<std::string>{"depth", "log_params", "log_flops", "log_width_1",
                                      "log_width_2", "log_width_3", "log_width_4",
                                      "log_first_width", "log_narrowest_width", "log_last_width"}));
  ASSERT_EQ(table.columns.size(), table.names.size());
  for (std::int64_t index = 0; index < table.candidates; ++index) {
    const HiddenWidths widths = CandidateAt(test::kTabular, index);
    const auto i = static_cast<std::size_t>(index);
    ASSERT_EQ(ColumnOf(table, "depth")[i], static_cast<float>(widths.size()));
    ASSERT_FLOAT_EQ(ColumnOf(table, "log_params")[i],
                    std::log(static_cast<float>(CountParameters(widths, 130, 3))));
    ASSERT_FLOAT_EQ(
        ColumnOf(table, "log_flops")[i],
        static_cast<float>(std::log(ClosedFormScore(Tfmem::kFlops, widths, 130, 3, 0))));
    for (std::size_t layer = 0; layer < 4; ++layer) {
      const float expected =
          layer < widths.size() ? std::log(static_cast<float>(widths[layer])) : 0.0f;
      ASSERT_FLOAT_EQ(table.columns[3 + layer][i], expected);
    }
    ASSERT_FLOAT_EQ(ColumnOf(table, "log_first_width")[i],
                    std::log(static_cast<float>(widths.front())));
    ASSERT_FLOAT_EQ(ColumnOf(table, "log_last_width")[i],
                    std::log(static_cast<float>(widths.back())));
    ASSERT_FLOAT_EQ(ColumnOf(table, "log_narrowest_width")[i],
                    std::log(static_cast<float>(*std::min_element(widths.begin(), widths.end()))));
  }
}

TEST(FeatureTable, PlacesEachScoreWithinItsDepth) {
  const SearchSpace space{"small", {4, 8, 12}, 1, 2};  // 3 of one layer, 9 of two
  SpaceScores scores;
  scores.tfmems = {Tfmem::kSynflow, Tfmem::kNtkCondNum};
  const std::vector<double> one = {10, 30, 20};
  const std::vector<double> two = {1, 2, 3, 4, 5, 6, 7, kInvalidScore, kNotScored};
  std::vector<double> both = one;
  both.insert(both.end(), two.begin(), two.end());
  scores.scores = {both, both};
  const FeatureTable table = BuildFeatureTable(space, 10, 1, scores);

  const std::vector<float> &synflow = ColumnOf(table, "synflow");
  EXPECT_EQ(std::vector<float>(synflow.begin(), synflow.begin() + 3),
            (std::vector<float>{0, 1, 0.5f}));
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_FLOAT_EQ(synflow[3 + i], static_cast<float>(i + 1) / 7);
  }
  EXPECT_EQ(synflow[10], 0.0f);  // invalid: the worst
  EXPECT_EQ(synflow[11], 0.5f);  // not scored

  const std::vector<float> &cond_num = ColumnOf(table, "ntk_cond_num");  // lower is better
  EXPECT_EQ(std::vector<float>(cond_num.begin(), cond_num.begin() + 3),
            (std::vector<float>{1, 0, 0.5f}));
  EXPECT_EQ(cond_num[3], 1.0f);
  EXPECT_EQ(cond_num[10], 0.0f);
}

TEST(FeatureTable, ADepthWithOneScoreHasNoOrder) {
  const SearchSpace space{"one", {16}, 1, 3};
  SpaceScores scores;
  scores.tfmems = {Tfmem::kSynflow};
  scores.scores = {{5, 6, kNotScored}};
  EXPECT_EQ(ColumnOf(BuildFeatureTable(space, 10, 1, scores), "synflow"),
            (std::vector<float>{0.5f, 0.5f, 0.5f}));
}

}  // namespace
}  // namespace trails
