// The whole engine through its facade, as the extension calls it.
#include "trails/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "controlled_run.h"
#include "core/data/metrics.h"
#include "core/model/artefact.h"
#include "core/model/predictor.h"
#include "generated_table.h"

extern "C" trails::Engine *trails_engine_open(int contract_version);

namespace trails {
namespace {

using test::ControlledRun;
using test::GeneratedOptions;

Engine &TheEngine() {
  return *trails_engine_open(kContractVersion);
}

SelectionOptions FixedOptions(const GeneratedOptions &generated, std::int64_t k, std::int64_t u) {
  SelectionOptions options = test::OptionsFor(generated);
  options.n = 12;
  options.k = k;
  options.u = u;
  return options;
}

SelectionResult Select(const GeneratedOptions &generated, const SelectionOptions &options,
                       const ControlledRun &run) {
  return TheEngine().SelectModel(test::GenerateTable(generated), options, run.control);
}

const Notice *FindWarning(const SelectionResult &result, const std::string &words) {
  for (const Notice &notice : result.notices) {
    if (notice.level == NoticeLevel::kWarning && notice.message.find(words) != std::string::npos) {
      return &notice;
    }
  }
  return nullptr;
}

TEST(Engine, OpensForItsOwnContractOnly) {
  EXPECT_NE(trails_engine_open(kContractVersion), nullptr);
  EXPECT_EQ(trails_engine_open(kContractVersion), trails_engine_open(kContractVersion));
  EXPECT_EQ(trails_engine_open(kContractVersion + 1), nullptr);
  EXPECT_NE(TheEngine().versions().find("LibTorch 2."), std::string::npos);
}

// Statistical, seed fixed: what a linear model cannot see, the network finds.
TEST(Engine, TheNetworkBeatsTheFloorOnAnInteraction) {
  const GeneratedOptions generated{.rows = 3'000};
  SelectionOptions options = FixedOptions(generated, 9, 3);
  options.threads = 2;
  const ControlledRun run;
  const SelectionResult result = Select(generated, options, run);
  EXPECT_EQ(result.task, Task::kBinary);
  EXPECT_EQ(result.metric, Metric::kAuc);
  EXPECT_GT(result.test, 0.85);
  EXPECT_GT(result.test, result.floor + 0.15);
  EXPECT_GT(result.valid, result.floor_valid + 0.15);
  EXPECT_EQ(FindWarning(result, ""), nullptr);
  EXPECT_NE(result.architecture, "linear");
  EXPECT_TRUE((std::set<std::int32_t>{1, 3, 5, 8}).contains(result.members));
  EXPECT_EQ(result.rows, 3'000);
  EXPECT_EQ(result.train_rows + result.valid_rows + result.test_rows, 3'000);
  EXPECT_EQ(result.data_hash.size(), 32U);
  EXPECT_EQ(result.candidates_scored, 12);
  EXPECT_EQ(result.candidates_trained, 9);
}

// The stored model, read back, predicts what the result says about the test rows.
TEST(Engine, TheArtefactIsTheModelThatWasJudged) {
  const GeneratedOptions generated{.rows = 2'000};
  const ControlledRun run;
  const SelectionResult result = Select(generated, FixedOptions(generated, 6, 1), run);
  const Dataset data = test::GenerateDataset(generated);
  Predictor predictor(ReadArtefact(result.artefact));
  EXPECT_EQ(std::ssize(predictor.model().networks), result.members);
  std::vector<float> predictions(data.split.test.size() * 2);
  std::vector<double> labels;
  for (std::size_t i = 0; i < data.split.test.size(); ++i) {
    const std::int64_t row = data.split.test[i];
    predictor.Predict(data.rows.ids.data() + row * data.rows.categorical,
                      data.rows.values.data() + row * data.rows.numeric, 1,
                      predictions.data() + 2 * i);
    labels.push_back(data.labels[static_cast<std::size_t>(row)]);
  }
  EXPECT_NEAR(Judge(Metric::kAuc, predictions, 2, labels), result.test, 1e-4);
}

TEST(Engine, AFixedPlanGivesTheSameBytesWhateverTheThreads) {
  const GeneratedOptions generated{.rows = 1'500};
  SelectionOptions options = FixedOptions(generated, 9, 2);
  options.seed = 17;
  std::vector<SelectionResult> results;
  for (const std::int32_t threads : {2, 2, 1}) {
    options.threads = threads;
    const ControlledRun run;
    results.push_back(Select(generated, options, run));
  }
  for (std::size_t r = 1; r < results.size(); ++r) {
    EXPECT_EQ(results[r].artefact, results[0].artefact) << r;
    EXPECT_EQ(results[r].valid, results[0].valid);
    EXPECT_EQ(results[r].test, results[0].test);
    EXPECT_EQ(results[r].floor, results[0].floor);
    EXPECT_EQ(results[r].epochs.size(), results[0].epochs.size());
    for (std::size_t c = 0; c < results[0].candidates.size(); ++c) {
      const CandidateResult &a = results[0].candidates[c];
      const CandidateResult &b = results[r].candidates[c];
      EXPECT_EQ(a.architecture, b.architecture);
      EXPECT_EQ(a.seed, b.seed);
      EXPECT_EQ(a.rung, b.rung);
      EXPECT_TRUE(a.metric == b.metric || (std::isnan(a.metric) && std::isnan(b.metric))) << c;
    }
  }
  options.seed = 18;
  const ControlledRun run;
  EXPECT_NE(Select(generated, options, run).artefact, results[0].artefact);
}

TEST(Engine, TrainedCandidatesAreReportedFirstThenTheBestOfTheOthers) {
  const GeneratedOptions generated{.rows = 800};
  SelectionOptions options = FixedOptions(generated, 3, 1);
  options.tfmem = Tfmem::kParams;
  options.keep_candidates = 5;
  const ControlledRun run;
  const SelectionResult result = Select(generated, options, run);
  EXPECT_EQ(result.candidates_scored, 12);
  EXPECT_EQ(result.rungs, 2);  // 3 candidates, then 1
  ASSERT_EQ(result.candidates.size(), 8U);
  std::set<std::int32_t> ranks;
  for (std::size_t c = 0; c < result.candidates.size(); ++c) {
    const CandidateResult &row = result.candidates[c];
    EXPECT_TRUE(ranks.insert(row.rank).second) << c;
    EXPECT_EQ(row.rung < 0, c >= 3) << c;
    EXPECT_EQ(std::isnan(row.metric), c >= 3) << c;
    EXPECT_EQ(row.score, static_cast<double>(row.params));
    for (const CandidateResult &other : result.candidates) {
      if (row.rank < other.rank) {
        EXPECT_GE(row.score, other.score);
      }
    }
    if (c > 3) {
      EXPECT_GT(row.rank, result.candidates[c - 1].rank);
    }
  }
  // The others are the best of those that were not trained: no rank before theirs is missing.
  for (std::int32_t rank = 1; rank <= result.candidates.back().rank; ++rank) {
    EXPECT_TRUE(ranks.contains(rank)) << rank;
  }
  for (const EpochResult &epoch : result.epochs) EXPECT_LT(epoch.candidate, 3);
}

// Three tries each, because another process may take the CPU at the wrong moment.
TEST(Engine, KeepsTheDeadline) {
  for (const double budget : {1.0, 2.0}) {
    std::vector<double> over;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const GeneratedOptions generated{.rows = 4'000};
      SelectionOptions options = test::OptionsFor(generated);
      options.threads = 2;
      options.space = {.name = "", .widths = {16, 64, 256}, .min_layers = 1, .max_layers = 4};
      Table table = test::GenerateTable(generated);
      const ControlledRun run(budget);
      const SelectionResult result =
          TheEngine().SelectModel(std::move(table), options, run.control);
      over.push_back(test::SecondsSince(run.control.deadline));
      EXPECT_NE(result.architecture, "linear");
      EXPECT_GT(over.back(), -0.5 * budget) << "the budget was not used";
      EXPECT_LT(over.back(), 0.5);
    }
    std::sort(over.begin(), over.end());
    EXPECT_LT(over[1], 0.1) << "budget " << budget;
    RecordProperty("median_over_ms_at_" + std::to_string(static_cast<int>(budget)) + "s",
                   std::to_string(static_cast<int>(1e3 * over[1])));
  }
}

// Candidates whose calibration takes longer than its share must not be planned as if they cost
// nothing: they were trained to the end of the budget and never looked at.
TEST(Engine, SlowCandidatesAreJudgedInTime) {
  const GeneratedOptions generated{.rows = 20'000};
  SelectionOptions options = test::OptionsFor(generated);
  options.space = {.name = "", .widths = {1024}, .min_layers = 6, .max_layers = 6};
  const ControlledRun run(4.0);
  const SelectionResult result = Select(generated, options, run);
  ASSERT_FALSE(result.epochs.empty());
  EXPECT_TRUE(std::isfinite(result.candidates.front().metric));
}

TEST(Engine, AnEndlessFirstRungKeepsWhatTheBudgetBought) {
  const GeneratedOptions generated{.rows = 3'000};
  SelectionOptions options = test::OptionsFor(generated);
  options.space = {.name = "", .widths = {16, 64, 256}, .min_layers = 1, .max_layers = 4};
  options.u = 1'000'000;
  const ControlledRun run(1.0);
  const SelectionResult result = Select(generated, options, run);
  EXPECT_FALSE(result.epochs.empty());
  EXPECT_NE(result.architecture, "linear");
}

TEST(Engine, AHopelessBudgetKeepsTheLinearModelWithAWarning) {
  const GeneratedOptions generated{.rows = 20'000};
  SelectionOptions options = test::OptionsFor(generated);
  for (const double budget : {1e-6, 0.02}) {
    Table table = test::GenerateTable(generated);
    const ControlledRun run(budget);
    const SelectionResult result = TheEngine().SelectModel(std::move(table), options, run.control);
    EXPECT_EQ(result.architecture, "linear");
    EXPECT_EQ(result.members, 1);
    const Notice *const warning = FindWarning(result, "linear model");
    ASSERT_NE(warning, nullptr);
    EXPECT_NE(warning->message.find("budget"), std::string::npos);
    EXPECT_FALSE(warning->hint.empty());
    EXPECT_EQ(ReadArtefact(result.artefact).networks.size(), 1U);
    EXPECT_LT(test::SecondsSince(run.control.deadline), 1.0);
  }
}

// One selection in another thread, stopped in the middle of a phase.
struct Stopped {
  double seconds = 0;  // from the request to the return
  bool cancelled = false;
  bool in_phase = false;
};

Stopped StopIn(Phase phase, Table &&table, const SelectionOptions &options, double delay_seconds) {
  ControlledRun run;
  Stopped stopped;
  std::atomic<bool> ended{false};
  Clock::time_point end;
  std::jthread worker([&] {
    try {
      TheEngine().SelectModel(std::move(table), options, run.control);
    } catch (const Error &error) {
      stopped.cancelled = error.kind() == ErrorKind::kCancelled;
    }
    end = Clock::now();
    ended = true;
  });
  const auto wanted = static_cast<std::int32_t>(phase);
  while (run.progress.phase.load() < wanted && !ended) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  std::this_thread::sleep_for(test::Seconds(delay_seconds));
  stopped.in_phase = run.progress.phase.load() == wanted && !ended;
  const Clock::time_point asked = Clock::now();
  run.stop.request_stop();
  worker.join();
  stopped.seconds = std::chrono::duration<double>(end - asked).count();
  return stopped;
}

// The promise is 50 ms; the bound leaves room for a busy machine.
void ExpectPromptStops(Phase phase, const GeneratedOptions &generated,
                       const SelectionOptions &options, const char *name,
                       Table (*table_of)(const GeneratedOptions &)) {
  std::vector<double> latencies;
  RandomStream random(3);
  for (int attempt = 0; attempt < 5; ++attempt) {
    const Stopped stopped = StopIn(phase, table_of(generated), options, 0.04 * random.Uniform());
    ASSERT_TRUE(stopped.in_phase) << name << ": the phase was over, make it longer";
    EXPECT_TRUE(stopped.cancelled) << name;
    latencies.push_back(stopped.seconds);
  }
  std::sort(latencies.begin(), latencies.end());
  EXPECT_LT(latencies[2], 0.25) << name;
  testing::Test::RecordProperty(std::string("median_stop_ms_") + name,
                                std::to_string(static_cast<int>(1e3 * latencies[2])));
}

TEST(Engine, StopsPromptlyWhileEncoding) {
  const GeneratedOptions generated{.rows = 400'000};
  ExpectPromptStops(Phase::kEncoding, generated, test::OptionsFor(generated), "encoding",
                    test::GenerateTable);
}

TEST(Engine, StopsPromptlyWhileFiltering) {
  const GeneratedOptions generated{.rows = 1'000};
  SelectionOptions options = FixedOptions(generated, 1, 1);
  options.space = {.name = "", .widths = {256, 512, 1'024}, .min_layers = 6, .max_layers = 8};
  options.n = 5'000;
  options.tfmem = Tfmem::kSynflow;
  options.threads = 2;
  ExpectPromptStops(Phase::kFiltering, generated, options, "filtering", test::GenerateTable);
}

TEST(Engine, StopsPromptlyWhileRefining) {
  const GeneratedOptions generated{.rows = 5'000};
  SelectionOptions options = test::OptionsFor(generated);
  options.threads = 2;
  options.space = {.name = "", .widths = {384, 512}, .min_layers = 3, .max_layers = 4};
  ExpectPromptStops(Phase::kRefinement, generated, options, "refinement", test::GenerateTable);
}

// Nearly all rows are test rows, and the only candidate is wide: judging it takes seconds.
Table MostlyTest(const GeneratedOptions &generated) {
  Table table = test::GenerateTable(generated);
  table.split.emplace("split", ColumnKind::kText, "text");
  for (std::int64_t row = 0; row < generated.rows; ++row) {
    table.split->AppendText(row < 400 ? (row % 4 == 0 ? "valid" : "train") : "test");
  }
  return table;
}

TEST(Engine, StopsPromptlyWhileJudging) {
  const GeneratedOptions generated{.rows = 60'000};
  SelectionOptions options = FixedOptions(generated, 1, 1);
  options.space = {.name = "", .widths = {512}, .min_layers = 4, .max_layers = 4};
  ExpectPromptStops(Phase::kFinal, generated, options, "final", MostlyTest);
}

TEST(Engine, FinishReturnsTheBestSoFar) {
  const GeneratedOptions generated{.rows = 2'000};
  ControlledRun run(60);
  std::jthread finisher([&](const std::stop_token &ended) {
    while (run.progress.epochs.load() < 3 && !ended.stop_requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    run.finish = true;
  });
  const SelectionResult result = Select(generated, test::OptionsFor(generated), run);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_LT(test::SecondsSince(run.control.start), 30);
  EXPECT_FALSE(std::isnan(result.test));
  EXPECT_GT(result.candidates_trained, 0);
}

TEST(Engine, StopsAtAMetricThatIsGoodEnough) {
  const GeneratedOptions generated{.rows = 2'000};
  SelectionOptions options = test::OptionsFor(generated);
  options.stop_at = 0.75;
  const ControlledRun run(60);
  const SelectionResult result = Select(generated, options, run);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_GE(result.valid, 0.75);
  EXPECT_LT(test::SecondsSince(run.control.start), 30);
}

TEST(Engine, AMemoryLimitThatIsTooSmallIsRefused) {
  const GeneratedOptions generated{.rows = 50'000};
  SelectionOptions options = test::OptionsFor(generated);
  options.memory_limit_bytes = 1 << 20;
  const ControlledRun run(5);
  try {
    Select(generated, options, run);
    FAIL() << "worked above the memory limit";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kLimit);
    EXPECT_NE(std::string(error.what()).find("MB"), std::string::npos) << error.what();
  }
  EXPECT_LT(test::SecondsSince(run.control.start), 3) << "time was spent before the refusal";
}

TEST(Engine, MulticlassAndRegressionBeatTheirFloors) {
  for (const Task task : {Task::kMulticlass, Task::kRegression}) {
    const GeneratedOptions generated{.rows = 3'000, .task = task};
    SelectionOptions options = FixedOptions(generated, 6, 3);
    options.threads = 2;
    const ControlledRun run;
    const SelectionResult result = Select(generated, options, run);
    EXPECT_EQ(result.task, task);
    EXPECT_EQ(result.metric, task == Task::kRegression ? Metric::kRmse : Metric::kAccuracy);
    if (task == Task::kRegression) {
      EXPECT_LT(result.test, 0.7 * result.floor);
    } else {
      EXPECT_GT(result.test, result.floor + 0.1);
    }
    EXPECT_EQ(ReadArtefact(result.artefact).target.outputs(), task == Task::kRegression ? 1 : 3);
  }
}

TEST(Engine, ALinearTargetWarnsOrIsBeaten) {
  const GeneratedOptions generated{
      .rows = 1'500, .shape = test::TargetShape::kLinear, .noise = 1.0};
  const ControlledRun run;
  const SelectionResult result = Select(generated, FixedOptions(generated, 2, 1), run);
  const bool replaced = result.architecture == "linear";
  EXPECT_EQ(FindWarning(result, "no network beats the linear model") != nullptr, replaced);
  const bool loses = !replaced && IsBetter(result.metric, result.floor, result.test);
  EXPECT_EQ(FindWarning(result, "the linear model is better than the network") != nullptr, loses);
}

TEST(Engine, AMetricThatTheValidationRowsCannotTellIsNamed) {
  const GeneratedOptions generated{.rows = 600};
  Table table = test::GenerateTable(generated);
  table.split.emplace("split", ColumnKind::kText, "text");
  for (std::int64_t row = 0; row < generated.rows; ++row) {
    const bool positive = table.target.integer(row) == 1;
    table.split->AppendText(row % 5 == 0 && positive ? "valid" : (row % 5 == 1 ? "test" : "train"));
  }
  const ControlledRun run;
  const SelectionResult result =
      TheEngine().SelectModel(std::move(table), FixedOptions(generated, 3, 1), run.control);
  EXPECT_EQ(result.architecture, "linear");
  EXPECT_EQ(FindWarning(result, "budget"), nullptr);
  EXPECT_NE(FindWarning(result, "auc is undefined on the validation rows"), nullptr);
}

TEST(Engine, TwentyRowsWork) {
  for (const Task task : {Task::kBinary, Task::kMulticlass, Task::kRegression}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const GeneratedOptions generated{.rows = 20, .task = task, .nulls = false, .seed = seed};
      const ControlledRun run;
      const SelectionResult result = Select(generated, FixedOptions(generated, 3, 1), run);
      EXPECT_GE(result.members, 1);
      EXPECT_EQ(result.train_rows + result.valid_rows + result.test_rows, 20);
      EXPECT_NO_THROW(ReadArtefact(result.artefact));
    }
  }
}

TEST(Engine, FewerRowsAreRefused) {
  const GeneratedOptions generated{.rows = 19};
  const ControlledRun run;
  try {
    Select(generated, FixedOptions(generated, 1, 1), run);
    FAIL() << "19 rows were enough";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadData);
  }
}

TEST(Engine, AColumnOfNullsIsLeftOut) {
  const GeneratedOptions generated{.rows = 600};
  for (const ColumnKind kind : {ColumnKind::kInteger, ColumnKind::kFloat, ColumnKind::kText}) {
    Table table = test::GenerateTable(generated);
    Column nothing("nothing", kind, "text");
    for (std::int64_t row = 0; row < generated.rows; ++row) nothing.AppendNull();
    table.features.push_back(std::move(nothing));
    const ControlledRun run;
    const SelectionResult result =
        TheEngine().SelectModel(std::move(table), FixedOptions(generated, 2, 1), run.control);
    EXPECT_EQ(result.fields.find("nothing"), std::string::npos);
    const bool told =
        std::any_of(result.notices.begin(), result.notices.end(),
                    [](const Notice &n) { return n.message.find("nothing") != std::string::npos; });
    EXPECT_TRUE(told);
  }
}

}  // namespace
}  // namespace trails
