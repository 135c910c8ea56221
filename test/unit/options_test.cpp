// The words of the SQL surface.
#include "trails/options.h"

#include <gtest/gtest.h>

#include <string>
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
  ExpectWords<Device>(ParseDevice, {{"auto", Device::kAuto},
                                    {"cpu", Device::kCpu},
                                    {"cuda", Device::kCuda},
                                    {"hybrid", Device::kHybrid}});
  ExpectWords<Precision>(
      ParsePrecision,
      {{"fp32", Precision::kFp32}, {"tf32", Precision::kTf32}, {"bf16", Precision::kBf16}});
  ExpectWords<SamplerKind>(ParseSampler, {{"whole", SamplerKind::kWhole},
                                          {"sequential", SamplerKind::kSequential},
                                          {"random", SamplerKind::kRandom},
                                          {"evolution", SamplerKind::kEvolution},
                                          {"async_evolution", SamplerKind::kAsyncEvolution},
                                          {"warm_up_evolution", SamplerKind::kWarmUpEvolution},
                                          {"move_evolution", SamplerKind::kMoveEvolution},
                                          {"reinforce", SamplerKind::kReinforce}});
}

TEST(Options, WordsOfTfmems) {
  ExpectWords<Tfmem>(ParseTfmem, {{"grad_norm", Tfmem::kGradNorm},
                                  {"grad_plain", Tfmem::kGradPlain},
                                  {"nas_wot", Tfmem::kNasWot},
                                  {"nas_wot_plain", Tfmem::kNasWotPlain},
                                  {"ntk_cond_num", Tfmem::kNtkCondNum},
                                  {"ntk_trace", Tfmem::kNtkTrace},
                                  {"ntk_trace_approx", Tfmem::kNtkTraceApprox},
                                  {"fisher", Tfmem::kFisher},
                                  {"grasp", Tfmem::kGrasp},
                                  {"snip", Tfmem::kSnip},
                                  {"synflow", Tfmem::kSynflow},
                                  {"weight_norm", Tfmem::kWeightNorm},
                                  {"express_flow", Tfmem::kExpressFlow},
                                  {"jacflow", Tfmem::kJacflow},
                                  {"knas", Tfmem::kKnas},
                                  {"params", Tfmem::kParams},
                                  {"flops", Tfmem::kFlops},
                                  {"expected_synflow", Tfmem::kExpectedSynflow},
                                  {"expected_weight_norm", Tfmem::kExpectedWeightNorm},
                                  {"expected_express_flow", Tfmem::kExpectedExpressFlow},
                                  {"random", Tfmem::kRandom}});
}

TEST(Options, TraitsOfTfmems) {
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    const TfmemTraits &traits = Traits(tfmem);
    EXPECT_EQ(traits.name, Name(tfmem));
    EXPECT_FALSE(traits.source.empty()) << traits.name;
    EXPECT_EQ(traits.higher_is_better, tfmem != Tfmem::kNtkCondNum && tfmem != Tfmem::kGrasp)
        << traits.name;
    EXPECT_EQ(traits.whole_space, tfmem != Tfmem::kKnas) << traits.name;
    EXPECT_EQ(traits.cost == TfmemCost::kManyPasses, tfmem == Tfmem::kKnas) << traits.name;
    EXPECT_EQ(traits.cost == TfmemCost::kClosedForm, tfmem >= Tfmem::kParams) << traits.name;
    // Whoever needs a gradient of the loss needs the target, nobody else does.
    EXPECT_EQ(traits.data == TfmemData::kRowsAndTarget, traits.cost >= TfmemCost::kBackward)
        << traits.name;
  }
  EXPECT_EQ(Traits(Tfmem::kNasWot).data, TfmemData::kRows);
  EXPECT_EQ(Traits(Tfmem::kJacflow).data, TfmemData::kRows);
  EXPECT_EQ(Traits(Tfmem::kExpressFlow).data, TfmemData::kNothing);
  EXPECT_EQ(Name(TfmemData::kNothing), "nothing");
  EXPECT_EQ(Name(TfmemData::kRows), "rows");
  EXPECT_EQ(Name(TfmemData::kRowsAndTarget), "rows_and_target");
  EXPECT_EQ(Name(TfmemCost::kClosedForm), "closed_form");
  EXPECT_EQ(Name(TfmemCost::kForward), "forward");
  EXPECT_EQ(Name(TfmemCost::kBackward), "backward");
  EXPECT_EQ(Name(TfmemCost::kManyPasses), "many_passes");
}

TEST(Options, AnUnknownWordListsTheKnownOnes) {
  try {
    ParseTfmem("zico");
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_STREQ(error.what(), "unrecognized TFMEM: \"zico\"");
    EXPECT_EQ(error.hint(),
              "Available values: grad_norm, grad_plain, nas_wot, nas_wot_plain, ntk_cond_num, "
              "ntk_trace, ntk_trace_approx, fisher, grasp, snip, synflow, weight_norm, "
              "express_flow, jacflow, knas, params, flops, expected_synflow, "
              "expected_weight_norm, expected_express_flow, random.");
  }
  EXPECT_THROW(ParseSampler("everything"), Error);
  EXPECT_THROW(ParseTask(""), Error);
  EXPECT_THROW(ParseTask("Binary"), Error);
  EXPECT_THROW(ParseMetric("auc "), Error);
  EXPECT_THROW(ParseEncoding("ple"), Error);
}

TEST(Options, AWordNearAKnownOneIsTakenForAMistake) {
  const auto meant = [](auto *parse, std::string_view word) {
    try {
      parse(word);
    } catch (const Error &error) {
      return error.hint().substr(0, error.hint().find(" Available"));
    }
    return std::string("no error");
  };
  EXPECT_EQ(meant(ParseTfmem, "naswot"), "Perhaps you meant \"nas_wot\".");
  EXPECT_EQ(meant(ParseTfmem, "jac_flow"), "Perhaps you meant \"jacflow\".");
  EXPECT_EQ(meant(ParseTfmem, "SynFlow"), "Perhaps you meant \"synflow\".");
  EXPECT_EQ(meant(ParseTfmem, "expected_sinflo"), "Perhaps you meant \"expected_synflow\".");
  EXPECT_EQ(meant(ParseTask, "regresion"), "Perhaps you meant \"regression\".");
  for (const std::string &far : {std::string("zico"), std::string(), std::string(100, 's')}) {
    EXPECT_TRUE(meant(ParseTfmem, far).starts_with("Available values: ")) << far;
  }
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
