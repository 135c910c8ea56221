// The codec of candidates, over whole spaces where they are small enough.
#include "core/space/candidate.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "built_in_spaces.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::kMlp10;
using test::kMlp20;
using test::kTabular;

// The Error that `call` throws; fails the test when it throws none.
template <typename Call>
Error ErrorOf(Call &&call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::kInternal, "nothing was thrown");
}

TEST(ArchitectureName, JoinsWidthsInputSideFirst) {
  EXPECT_EQ(ArchitectureName({64}), "64");
  EXPECT_EQ(ArchitectureName({8, 16, 32, 64}), "8-16-32-64");
  EXPECT_EQ(ParseArchitecture("8-16-32-64"), (HiddenWidths{8, 16, 32, 64}));
  EXPECT_EQ(ParseArchitecture("1-4096"), (HiddenWidths{1, 4096}));
  EXPECT_EQ(ParseArchitecture("1-2-3-4-5-6-7-8").size(), 8u);
}

TEST(ParseArchitecture, NamesTheRuleThatIsBroken) {
  const struct {
    std::string name;
    std::string detail;
  } cases[] = {
      {"", "It has no widths."},
      {"-", "Width 1 of 2 is missing."},
      {"64-", "Width 2 of 2 is missing."},
      {"-64", "Width 1 of 2 is missing."},
      {"8--16", "Width 2 of 3 is missing."},
      {"0", "Width 0 is outside the range from 1 to 4096."},
      {"64-0", "Width 0 is outside the range from 1 to 4096."},
      {"064", "Width 064 has a leading zero."},
      {"4097", "Width 4097 is outside the range from 1 to 4096."},
      {"99999999999999999999", "Width 99999999999999999999 is outside the range from 1 to 4096."},
      {"+8", "\"+8\" is not a whole number."},
      {" 8", "\" 8\" is not a whole number."},
      {"8 ", "\"8 \" is not a whole number."},
      {"8-16\n", "\"16\n\" is not a whole number."},
      {"64,32", "\"64,32\" is not a whole number."},
      {"64-32a", "\"32a\" is not a whole number."},
      {"linear", "\"linear\" is not a whole number."},
      {"1-2-3-4-5-6-7-8-9", "It has 9 widths; the limit is 8."},
  };
  for (const auto &[name, detail] : cases) {
    const Error error = ErrorOf([&name = name] { ParseArchitecture(name); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << name;
    EXPECT_EQ(error.what(), "invalid architecture \"" + name + "\"");
    EXPECT_EQ(error.detail(), detail) << name;
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST(SpaceSize, OfThePapersAndOfThePrior) {
  EXPECT_EQ(SpaceSize(kTabular), 4'680);
  EXPECT_EQ(SpaceSize(kMlp20), 160'000);
  EXPECT_EQ(SpaceSize(kMlp10), 10'000);
  EXPECT_EQ(SpaceSizeAtDepth(kTabular, 3), 512);
  const SearchSpace deep{"deep", kMlp20.widths, 8, 8};
  EXPECT_EQ(SpaceSize(deep), 25'600'000'000);
}

TEST(SpaceSize, SaturatesInsteadOfWrapping) {
  SearchSpace huge{"huge", {}, 1, 8};
  for (std::int32_t width = 1; width <= 1000; ++width) huge.widths.push_back(width);
  EXPECT_EQ(SpaceSize(huge), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ErrorOf([&] { CheckSearchSpace(huge); }).kind(), ErrorKind::kInvalidArgument);
  huge.max_layers = 6;  // 1000^6 is below 2^60
  EXPECT_NO_THROW(CheckSearchSpace(huge));
  EXPECT_EQ(IndexOf(huge, CandidateAt(huge, SpaceSize(huge) - 1)), SpaceSize(huge) - 1);
}

TEST(CheckSearchSpace, RefusesCandidatesThatCannotBeStoppedInTime) {
  EXPECT_NO_THROW(CheckSearchSpace({"wide", {4096}, 1, 1}));
  EXPECT_NO_THROW(CheckSearchSpace({"wide", {16, 2828}, 1, 2}));
  const Error error = ErrorOf([] { CheckSearchSpace({"wide", {16, 2829}, 1, 2}); });
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(error.detail(),
            "Its largest candidate has 8003241 weights between its hidden layers; the limit is "
            "8000000.");
}

TEST(CandidateAt, ListsFewerLayersFirstAndTheLastLayerFastest) {
  const SearchSpace space{"small", {2, 3, 5}, 1, 2};
  std::string names;
  for (std::int64_t i = 0; i < SpaceSize(space); ++i) {
    names += ArchitectureName(CandidateAt(space, i)) + " ";
  }
  EXPECT_EQ(names, "2 3 5 2-2 2-3 2-5 3-2 3-3 3-5 5-2 5-3 5-5 ");
}

TEST(CandidateAt, RoundTripsOverWholeSpaces) {
  for (const SearchSpace &space : {kTabular, kMlp10, kMlp20}) {
    std::set<HiddenWidths> seen;
    for (std::int64_t i = 0; i < SpaceSize(space); ++i) {
      const HiddenWidths widths = CandidateAt(space, i);
      ASSERT_EQ(IndexOf(space, widths), i);
      ASSERT_EQ(ParseArchitecture(ArchitectureName(widths)), widths);
      seen.insert(widths);
    }
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), SpaceSize(space));
  }
}

TEST(IndexOf, RejectsWhatIsNotInTheSpace) {
  EXPECT_EQ(ErrorOf([] {
              IndexOf(kTabular, {16, 17});
            }).what(),
            std::string("architecture \"16-17\" is not in search space \"tabular\""));
  EXPECT_EQ(ErrorOf([] {
              IndexOf(kTabular, {16, 16, 16, 16, 16});
            }).kind(),
            ErrorKind::kInvalidArgument);
  EXPECT_EQ(ErrorOf([] { IndexOf(kMlp20, {8}); }).kind(), ErrorKind::kInvalidArgument);
}

TEST(CheckSearchSpace, AcceptsTheBuiltInSpaces) {
  EXPECT_NO_THROW(CheckSearchSpace(kTabular));
  EXPECT_NO_THROW(CheckSearchSpace(kMlp20));
  EXPECT_NO_THROW(CheckSearchSpace(kMlp10));
  EXPECT_NO_THROW(CheckSearchSpace({"narrow", {1}, 8, 8}));
}

TEST(CheckSearchSpace, NamesTheRuleThatIsBroken) {
  const struct {
    SearchSpace space;
    std::string detail;
  } cases[] = {
      {{"own", {}, 1, 4}, "It has no widths."},
      {{"own", {0, 8}, 1, 4}, "Width 0 is outside the range from 1 to 4096."},
      {{"own", {8, 4097}, 1, 4}, "Width 4097 is outside the range from 1 to 4096."},
      {{"own", {8, 8}, 1, 4}, "Its widths are not distinct and in ascending order."},
      {{"own", {16, 8}, 1, 4}, "Its widths are not distinct and in ascending order."},
      {{"own", {8}, 0, 4}, "Layers from 0 to 4 are not a range within 1 to 8."},
      {{"own", {8}, 1, 9}, "Layers from 1 to 9 are not a range within 1 to 8."},
      {{"own", {8}, 3, 2}, "Layers from 3 to 2 are not a range within 1 to 8."},
  };
  for (const auto &[space, detail] : cases) {
    const Error error = ErrorOf([&space = space] { CheckSearchSpace(space); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_STREQ(error.what(), "invalid search space \"own\"");
    EXPECT_EQ(error.detail(), detail);
  }
}

TEST(CountParameters, ByHand) {
  // 10 x 4 + 4 weights and biases, 4 gammas, 4 betas; 4 x 3 + 3, 3, 3; 3 x 2 + 2.
  EXPECT_EQ(CountParameters({4, 3}, 10, 2), (40 + 4 + 8) + (12 + 3 + 6) + (6 + 2));
  EXPECT_EQ(CountParameters({1}, 1, 1), (1 + 1 + 2) + (1 + 1));
  // Above 2^31: no narrow arithmetic on the way.
  EXPECT_EQ(CountParameters({4096, 4096}, 1'000'000, 1),
            1'000'000LL * 4096 + 3 * 4096 + 4096 * 4096 + 3 * 4096 + 4096 + 1);
}

}  // namespace
}  // namespace trails
