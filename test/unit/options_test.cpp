// The words of the SQL surface.
#include "trails/options.h"

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

#include "trails/error.h"

namespace trails {
namespace {

template <typename Enum>
void ExpectWords(Enum (*parse)(std::string_view),
                 const std::vector<std::pair<std::string_view, Enum>> &words) {
  for (const auto &[word, value] : words) {
    EXPECT_EQ(parse(word), value) << word;
    EXPECT_EQ(Name(value), word);
  }
}

TEST(Options, ParseAndNameAreInverse) {
  ExpectWords<Task>(ParseTask, {{"auto", Task::kAuto},
                                {"binary", Task::kBinary},
                                {"multiclass", Task::kMulticlass},
                                {"regression", Task::kRegression}});
  ExpectWords<Metric>(ParseMetric, {{"auto", Metric::kAuto},
                                    {"auc", Metric::kAuc},
                                    {"logloss", Metric::kLogLoss},
                                    {"accuracy", Metric::kAccuracy},
                                    {"rmse", Metric::kRmse},
                                    {"mae", Metric::kMae},
                                    {"r2", Metric::kR2}});
  ExpectWords<Encoding>(ParseEncoding, {{"piecewise_linear", Encoding::kPiecewiseLinear},
                                        {"trails", Encoding::kTrails}});
  ExpectWords<Tfmem>(ParseTfmem, {{"synflow", Tfmem::kSynflow},
                                  {"weight_norm", Tfmem::kWeightNorm},
                                  {"params", Tfmem::kParams},
                                  {"random", Tfmem::kRandom}});
}

TEST(Options, AnUnknownWordListsTheKnownOnes) {
  try {
    ParseTfmem("jacflow");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_STREQ(error.what(), "unrecognized TFMEM: \"jacflow\"");
    EXPECT_EQ(error.hint(), "Available values: synflow, weight_norm, params, random.");
  }
  EXPECT_THROW(ParseTask(""), Error);
  EXPECT_THROW(ParseTask("Binary"), Error);
  EXPECT_THROW(ParseMetric("auc "), Error);
  EXPECT_THROW(ParseEncoding("ple"), Error);
}

TEST(Options, WhichMetricsGrow) {
  for (const Metric metric : {Metric::kAuc, Metric::kAccuracy, Metric::kR2}) {
    EXPECT_TRUE(HigherIsBetter(metric)) << Name(metric);
  }
  for (const Metric metric : {Metric::kLogLoss, Metric::kRmse, Metric::kMae}) {
    EXPECT_FALSE(HigherIsBetter(metric)) << Name(metric);
  }
}

}  // namespace
}  // namespace trails
