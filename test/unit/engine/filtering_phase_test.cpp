// The filtering phase alone, through the engine's facade.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "controlled_run.h"
#include "generated_table.h"
#include "trails/engine.h"

extern "C" trails::Engine *trails_engine_open(int contract_version);

namespace trails {
namespace {

using test::ControlledRun;
using test::GeneratedOptions;

constexpr GeneratedOptions kGenerated{.rows = 800};

SelectionOptions SmallSpace() {
  SelectionOptions options = test::OptionsFor(kGenerated);
  options.space = {.name = "small", .widths = {8, 24, 50}, .min_layers = 1, .max_layers = 3};
  options.tfmem = Tfmem::kExpressFlow;
  options.banks = 1;
  options.seed = 4;
  return options;
}

FilterResult Filter(const SelectionOptions &options, const ControlledRun &run,
                    const GeneratedOptions &generated = kGenerated) {
  return trails_engine_open(kContractVersion)
      ->FilterCandidates(test::GenerateTable(generated), options, run.control);
}

ScoreResult Score(const SelectionOptions &options, const std::string &architecture,
                  const std::vector<Tfmem> &tfmems, const ControlledRun &run) {
  return trails_engine_open(kContractVersion)
      ->ScoreCandidate(test::GenerateTable(kGenerated), options, architecture, tfmems, run.control);
}

TEST(FilteringPhase, GivesTheWholeSpaceBestFirst) {
  const ControlledRun run;
  const FilterResult result = Filter(SmallSpace(), run);
  EXPECT_EQ(result.candidates_scored, 39);
  ASSERT_EQ(result.rows(), 39);
  EXPECT_EQ(std::set<std::string>(result.architectures.begin(), result.architectures.end()).size(),
            39U);
  for (std::size_t i = 1; i < 39; ++i) EXPECT_LE(result.scores[i], result.scores[i - 1]);
  EXPECT_TRUE(result.parts.empty());
  EXPECT_TRUE(result.notices.empty());
}

TEST(FilteringPhase, KeepsTheBestKWithTheirParts) {
  SelectionOptions options = SmallSpace();
  options.k = 5;
  options.parts = {Tfmem::kParams, Tfmem::kJacflow};
  const ControlledRun run;
  const FilterResult result = Filter(options, run);
  EXPECT_EQ(result.candidates_scored, 39);
  ASSERT_EQ(result.rows(), 5);
  ASSERT_EQ(result.parts.size(), 2U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(result.parts[0][i], static_cast<double>(result.params[i]));
    EXPECT_TRUE(std::isnan(result.parts[1][i]) || result.parts[1][i] <= 2);
  }
}

TEST(FilteringPhase, ACandidateByItselfHasTheScoresOfTheFirstBank) {
  SelectionOptions options = SmallSpace();
  options.k = 6;
  for (std::size_t t = 0; t < kTfmems; ++t) {
    const auto tfmem = static_cast<Tfmem>(t);
    if (tfmem != Tfmem::kJacflow && Traits(tfmem).whole_space) options.parts.push_back(tfmem);
  }
  const ControlledRun run;
  const FilterResult result = Filter(options, run);
  ASSERT_EQ(result.rows(), 6);
  for (std::size_t i = 0; i < 6; ++i) {
    const ScoreResult direct = Score(options, result.architectures[i], options.parts, run);
    ASSERT_EQ(direct.scores.size(), options.parts.size());
    for (std::size_t t = 0; t < options.parts.size(); ++t) {
      const double expected = direct.scores[t];
      const double found = result.parts[t][i];
      EXPECT_EQ(std::isnan(found), std::isnan(expected)) << Name(options.parts[t]);
      if (std::isnan(expected)) continue;
      EXPECT_NEAR(found, expected, 1e-5 * std::abs(expected)) << Name(options.parts[t]);
    }
  }
}

TEST(FilteringPhase, EveryWayToScoreACandidateHasTheSameWeights) {
  const ControlledRun run;
  SelectionOptions options = SmallSpace();
  options.n = 4;
  options.parts = {Tfmem::kKnas, Tfmem::kSnip, Tfmem::kExpressFlow};
  SelectionOptions sampled = options;
  sampled.sampler = SamplerKind::kSequential;
  SelectionOptions by_knas = options;
  by_knas.tfmem = Tfmem::kKnas;
  // More candidates than are scored as a whole: no banks.
  SelectionOptions vast = options;
  vast.space = {.name = "vast", .widths = {}, .min_layers = 6, .max_layers = 6};
  for (std::int32_t width = 1; width <= 14; ++width) vast.space.widths.push_back(width);
  for (const SelectionOptions &asked : {options, sampled, by_knas, vast}) {
    const FilterResult result = Filter(asked, run);
    ASSERT_EQ(result.rows(), 4);
    for (std::size_t i = 0; i < 4; ++i) {
      const ScoreResult direct = Score(asked, result.architectures[i], asked.parts, run);
      for (std::size_t t = 0; t < asked.parts.size(); ++t) {
        const double expected = direct.scores[t];
        EXPECT_EQ(std::isnan(result.parts[t][i]), std::isnan(expected)) << Name(asked.parts[t]);
        if (std::isnan(expected)) continue;
        EXPECT_NEAR(result.parts[t][i], expected, 1e-5 * std::abs(expected))
            << Name(asked.parts[t]) << " of " << result.architectures[i];
      }
    }
  }
}

TEST(FilteringPhase, JacflowHasNoScoreForOneCandidateAndOthersNeedNoSpace) {
  const ControlledRun run;
  const ScoreResult result =
      Score(SmallSpace(), "17-5", {Tfmem::kJacflow, Tfmem::kSynflow, Tfmem::kKnas}, run);
  ASSERT_EQ(result.scores.size(), 3U);
  EXPECT_TRUE(std::isnan(result.scores[0]));
  EXPECT_GT(result.scores[1], 0);
  EXPECT_TRUE(std::isfinite(result.scores[2]));
}

TEST(FilteringPhase, ADeadlineThatHasPassedGivesAtLeastOneCandidateAndSaysSo) {
  SelectionOptions options = SmallSpace();
  options.space = {.name = "wide", .widths = {8, 24, 50, 90}, .min_layers = 4, .max_layers = 4};
  options.tfmem = Tfmem::kGradNorm;
  ControlledRun run;
  run.control.deadline = run.control.start;
  const FilterResult result = Filter(options, run);
  EXPECT_GE(result.rows(), 1);
  EXPECT_LT(result.rows(), 256);
  ASSERT_EQ(result.notices.size(), 1U);
  EXPECT_EQ(result.notices[0].level, NoticeLevel::kWarning);
  EXPECT_NE(result.notices[0].message.find("of 256 candidates were scored"), std::string::npos);
}

TEST(FilteringPhase, SaysWhichPartsAndBanksTheTimeCutOff) {
  SelectionOptions options = SmallSpace();
  options.space = {.name = "wide", .widths = {8, 24, 50, 90}, .min_layers = 4, .max_layers = 4};
  options.banks = 4;
  options.parts = {Tfmem::kParams, Tfmem::kKnas};
  options.k = 10;
  ControlledRun run;
  run.control.deadline = run.control.start;
  const FilterResult result = Filter(options, run);
  ASSERT_GE(result.rows(), 1);
  const std::string rows = std::to_string(result.rows());
  ASSERT_EQ(result.notices.size(), 3U);
  EXPECT_EQ(result.notices[1].message, "only 1 of 4 banks was scored");
  EXPECT_EQ(result.notices[2].message, "part knas was scored for 0 of " + rows + " candidates");
  for (const Notice &notice : result.notices) {
    EXPECT_EQ(notice.level, NoticeLevel::kWarning);
    EXPECT_FALSE(notice.detail.empty());
    EXPECT_FALSE(notice.hint.empty());
  }
  EXPECT_EQ(result.parts[0][0], static_cast<double>(result.params[0]));
  EXPECT_TRUE(std::isnan(result.parts[1][0]));
}

TEST(FilteringPhase, SaysSoWhenNoScoreIsValid) {
  SelectionOptions options = SmallSpace();
  options.tfmem = Tfmem::kKnas;
  options.n = 3;
  const ControlledRun run;
  EXPECT_TRUE(Filter(options, run).notices.empty());
  const FilterResult result = Filter(options, run, {.rows = 150});
  ASSERT_EQ(result.rows(), 3);
  for (const double score : result.scores) EXPECT_TRUE(std::isnan(score));
  ASSERT_EQ(result.notices.size(), 1U);
  EXPECT_EQ(result.notices[0].level, NoticeLevel::kWarning);
  EXPECT_EQ(result.notices[0].message, "no candidate has a valid score of knas");
  EXPECT_NE(result.notices[0].hint.find("needs 200 training rows"), std::string::npos);
}

TEST(FilteringPhase, SaysSoWhenMoreAreWantedThanThereAre) {
  SelectionOptions options = SmallSpace();
  options.n = 40;
  const ControlledRun run;
  const FilterResult result = Filter(options, run);
  EXPECT_EQ(result.candidates_scored, 39);
  ASSERT_EQ(result.notices.size(), 1U);
  EXPECT_EQ(result.notices[0].level, NoticeLevel::kNotice);
  EXPECT_EQ(result.notices[0].message, "search space \"small\" has only 39 candidates");
}

TEST(FilteringPhase, StopsOnCancel) {
  ControlledRun run;
  run.stop.request_stop();
  for (const Tfmem tfmem : {Tfmem::kExpressFlow, Tfmem::kKnas}) {
    SelectionOptions options = SmallSpace();
    options.tfmem = tfmem;
    try {
      Filter(options, run);
      ADD_FAILURE() << "no error";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
}

TEST(FilteringPhase, AnArchitectureThatIsNoneIsRefused) {
  const ControlledRun run;
  try {
    Score(SmallSpace(), "64-", {Tfmem::kSynflow}, run);
    ADD_FAILURE() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace trails
