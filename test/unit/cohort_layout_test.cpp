// Which members of a cohort are computed side by side.
#include "core/cohort/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

constexpr TableShape kShape{
    .batch = 512, .slots_per_row = 14, .inputs = 140, .outputs = 2, .embedding_numbers = 4000};

// Kernels that take no time: nothing is gained by common widths.
constexpr CardRates kFreeKernels{0, 1e12, 1e12};
// Work that takes no time: nothing is lost by them.
constexpr CardRates kFreeWork{1e-6, 1e30, 1e30};

std::vector<HiddenWidths> RandomMembers(std::int64_t count) {
  RandomStream random(7);
  std::vector<HiddenWidths> members;
  for (std::int64_t m = 0; m < count; ++m) {
    HiddenWidths widths(static_cast<std::size_t>(2 + random.Below(3)));
    for (std::int32_t &width : widths) width = static_cast<std::int32_t>(1 + random.Below(256));
    members.push_back(widths);
  }
  return members;
}

// Seconds of a class by the model, from its published parts.
double SecondsOf(const HiddenWidths &padded, double members, const CardRates &rates) {
  const CardWork work = WorkOnCard(kShape, padded);
  return static_cast<double>(KernelsOfStep(padded.size())) * rates.kernel_seconds +
         members * (work.multiply_adds / rates.multiply_adds_per_second +
                    work.bytes / rates.bytes_per_second);
}

TEST(CohortLayout, EachMemberIsInOneClassOfItsDepthThatHoldsIt) {
  const std::vector<HiddenWidths> members = RandomMembers(300);
  const CohortLayout layout = LayOut(members, kShape, DataSheetRates(Precision::kTf32));
  std::vector<int> seen(members.size());
  for (const WidthClass &one : layout.classes) {
    EXPECT_TRUE(std::is_sorted(one.members.begin(), one.members.end()));
    for (const std::int32_t padded : one.padded) EXPECT_EQ(padded % kWidthStep, 0);
    for (const std::int32_t m : one.members) {
      const HiddenWidths &widths = members[static_cast<std::size_t>(m)];
      ++seen[static_cast<std::size_t>(m)];
      ASSERT_EQ(widths.size(), one.padded.size());
      for (std::size_t l = 0; l < widths.size(); ++l) EXPECT_LE(widths[l], one.padded[l]);
    }
  }
  EXPECT_EQ(seen, std::vector<int>(members.size(), 1));
}

TEST(CohortLayout, PaddingAloneIsTheWasteWhenKernelsAreFree) {
  const std::vector<HiddenWidths> members = {{32, 16}, {64, 8}, {32, 16}, {33, 16}};
  const CohortLayout layout = LayOut(members, kShape, kFreeKernels);
  ASSERT_EQ(layout.classes.size(), 3U);
  EXPECT_EQ(layout.classes[0].members, (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(layout.classes[1].members, (std::vector<std::int32_t>{1}));
  EXPECT_EQ(layout.classes[2].padded, (HiddenWidths{40, 16}));
  // Weights of {32, 16} twice, {64, 8} and {33, 16}; the last one padded to {40, 16}.
  const double whole = 2 * (140 * 32 + 32 * 16 + 16 * 2) + (140 * 64 + 64 * 8 + 8 * 2);
  const double narrow = 140 * 33 + 33 * 16 + 16 * 2;
  const double padded = 140 * 40 + 40 * 16 + 16 * 2;
  EXPECT_NEAR(layout.waste, (whole + padded) / (whole + narrow) - 1, 1e-12);
}

TEST(CohortLayout, OneClassADepthWhenWorkIsFree) {
  const std::vector<HiddenWidths> members = RandomMembers(60);
  const CohortLayout layout = LayOut(members, kShape, kFreeWork);
  ASSERT_EQ(layout.classes.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(layout.classes[i].padded.size(), i + 2);
  EXPECT_GT(layout.waste, 0.5);
}

TEST(CohortLayout, MergesOnlyWhatTheModelCallsCheaper) {
  const CardRates rates = DataSheetRates(Precision::kTf32);
  const std::vector<HiddenWidths> members = RandomMembers(200);
  const CohortLayout layout = LayOut(members, kShape, rates);
  double apart = 0, together = 0;
  for (const HiddenWidths &widths : members) {
    HiddenWidths padded = widths;
    for (std::int32_t &width : padded) width = PaddedWidth(width);
    apart += SecondsOf(padded, 1, rates);
  }
  for (const WidthClass &one : layout.classes) {
    together += SecondsOf(one.padded, static_cast<double>(one.members.size()), rates);
  }
  EXPECT_NEAR(layout.step_seconds, together, 1e-12);
  EXPECT_LT(together, 0.8 * apart);
  EXPECT_GT(layout.classes.size(), 3U);
  EXPECT_LT(layout.classes.size(), members.size());
  // No two classes that are left gain by being one.
  for (std::size_t i = 0; i < layout.classes.size(); ++i) {
    for (std::size_t j = i + 1; j < layout.classes.size(); ++j) {
      const WidthClass &a = layout.classes[i];
      const WidthClass &b = layout.classes[j];
      if (a.padded.size() != b.padded.size()) continue;
      HiddenWidths widest = a.padded;
      for (std::size_t l = 0; l < widest.size(); ++l) {
        widest[l] = std::max(widest[l], b.padded[l]);
      }
      const auto m = static_cast<double>(a.members.size());
      const auto n = static_cast<double>(b.members.size());
      EXPECT_GE(SecondsOf(widest, m + n, rates) * (1 + 1e-12),
                SecondsOf(a.padded, m, rates) + SecondsOf(b.padded, n, rates));
    }
  }
}

TEST(CohortLayout, OneMemberIsItsOwnClass) {
  const std::vector<HiddenWidths> members = {{9}};
  const CohortLayout layout = LayOut(members, kShape, DataSheetRates(Precision::kFp32));
  ASSERT_EQ(layout.classes.size(), 1U);
  EXPECT_EQ(layout.classes[0].padded, HiddenWidths{16});
  EXPECT_EQ(PaddedWidth(8), 8);
  EXPECT_NEAR(layout.waste, (140 * 16 + 16 * 2) / (140.0 * 9 + 9 * 2) - 1, 1e-12);
}

}  // namespace
}  // namespace trails
