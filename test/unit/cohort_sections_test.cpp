// Where the numbers of a group lie in its flat arrays.
#include "core/cohort/sections.h"

#include <gtest/gtest.h>

#include <vector>

namespace trails {
namespace {

TEST(CohortSections, AreDisjointAndWhatDecaysComesFirst) {
  const NetworkSections sections = SectionsOf(3, 7, 24, {16, 8}, 2);
  const std::vector<Section> all = sections.All();
  ASSERT_EQ(all.size(), 1U + 3 + 2 + 2 + 1);
  std::int64_t end = 0;
  for (const Section &section : all) {
    EXPECT_GE(section.offset, end);
    EXPECT_EQ(section.offset % NetworkSections::kSectionNumbers, 0);
    end = section.offset + 3 * section.numbers();
  }
  EXPECT_LE(end, sections.count);
  EXPECT_EQ(sections.decaying, sections.gammas.front().offset);
  EXPECT_EQ(sections.table.numbers(), 70);
  EXPECT_EQ(sections.weights[0].rows, 16);
  EXPECT_EQ(sections.weights[0].columns, 24);
  EXPECT_EQ(sections.weights[1].numbers(), 8 * 16);
  EXPECT_EQ(sections.weights[2].numbers(), 2 * 8);
  EXPECT_EQ(sections.bias.numbers(), 2);
  EXPECT_EQ(sections.hidden(), 2U);
}

}  // namespace
}  // namespace trails
