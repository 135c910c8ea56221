#include "core/refinement/refinement_phase.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "controlled_run.h"
#include "core/cohort/cpu_cohort.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"
#include "generated_table.h"

namespace trails {
namespace {

std::vector<ScoredCandidate> Scored(const std::vector<HiddenWidths> &widths) {
  std::vector<ScoredCandidate> scored;
  double score = 100;
  for (const HiddenWidths &w : widths) scored.push_back({w, score--, 1'000});
  return scored;
}

// Every candidate of SmallSpace, in its order.
std::vector<ScoredCandidate> SmallCandidates() {
  std::vector<HiddenWidths> all;
  const SearchSpace space = test::SmallSpace();
  for (std::int64_t i = 0; i < SpaceSize(space); ++i) all.push_back(CandidateAt(space, i));
  return Scored(all);
}

RefinementResult RunPhase(const Dataset &data, const kernels::FieldPlan &plan,
                          const std::vector<ScoredCandidate> &scored,
                          const SelectionOptions &options, const test::ControlledRun &run,
                          const CohortPlaces &together = {}) {
  const std::unique_ptr<Proposer> proposer = MakeListProposer(scored, options);
  const std::unique_ptr<Strategy> strategy = MakeStrategy(options, proposer.get());
  const std::unique_ptr<Proposer> rehearsed = MakeListProposer(scored, options);
  const std::unique_ptr<Strategy> rehearsal = MakeStrategy(options, rehearsed.get());
  return RefinementPhase(data, plan, scored, strategy.get(), rehearsal.get(), /*with_floor=*/true,
                         options, run.control, together)
      .Run();
}

class RefinementPhaseOf : public ::testing::Test {
 protected:
  RefinementResult Refine(const std::vector<ScoredCandidate> &scored,
                          const test::ControlledRun &run) const {
    return RunPhase(data_, plan_, scored, options_, run);
  }
  void FixPlan(std::int64_t k, std::int64_t u) {
    options_.n = 12;
    options_.k = k;
    options_.u = u;
  }

  const test::GeneratedOptions generated_{.rows = 1'500};
  const Dataset data_ = test::GenerateDataset(generated_);
  const kernels::FieldPlan plan_ = data_.fields.Plan();
  SelectionOptions options_ = test::OptionsFor(generated_);
};

std::int64_t InRung(const RefinementResult &result, std::int32_t rung) {
  return std::count_if(result.candidates.begin(), result.candidates.end(),
                       [&](const CandidateResult &row) { return row.rung == rung; });
}

TEST_F(RefinementPhaseOf, FixedPlanThinsByThreeAndTrainsThreeTimesAsLong) {
  FixPlan(9, 1);
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  EXPECT_EQ(result.trained, 9);
  EXPECT_EQ(result.first_rung, 9);
  EXPECT_EQ(result.first_epochs, 1);
  ASSERT_EQ(result.candidates.size(), 9U);
  EXPECT_EQ(InRung(result, 0), 6);
  EXPECT_EQ(InRung(result, 1), 2);
  EXPECT_EQ(InRung(result, 2), 1) << "the winner's final training";
  double first = 0;
  for (std::size_t c = 0; c < result.candidates.size(); ++c) {
    const CandidateResult &row = result.candidates[c];
    EXPECT_GT(row.metric, 0.5) << c;
    EXPECT_GT(row.seconds, 0) << c;
    if (first == 0) first = row.epochs / std::pow(3, row.rung);
    EXPECT_NEAR(row.epochs, first * std::pow(3, row.rung), 1e-9) << c;
  }
  EXPECT_EQ(run.progress.candidates_trained.load(), 9);
  EXPECT_EQ(run.progress.rung.load(), 2);
}

// A fixed plan's answer does not depend on who trains: threads, one contender each, or a cohort of
// a few or of many places.
TEST_F(RefinementPhaseOf, ACohortFindsWhatThreadsFind) {
  FixPlan(9, 1);
  const test::ControlledRun run;
  const RefinementResult alone = Refine(SmallCandidates(), run);
  for (const std::int32_t places : {1, 4, 64}) {
    SCOPED_TRACE(places);
    const EngineThreadScope scope;
    CpuCohort cohort(data_, plan_);
    const test::ControlledRun again;
    options_.threads = 2;
    const RefinementResult together =
        RunPhase(data_, plan_, SmallCandidates(), options_, again, {&cohort, places, 1LL << 30});
    EXPECT_EQ(together.trained, alone.trained);
    ASSERT_EQ(together.candidates.size(), alone.candidates.size());
    for (std::size_t c = 0; c < alone.candidates.size(); ++c) {
      EXPECT_EQ(together.candidates[c].metric, alone.candidates[c].metric) << c;
      EXPECT_EQ(together.candidates[c].rung, alone.candidates[c].rung) << c;
      EXPECT_EQ(together.candidates[c].epochs, alone.candidates[c].epochs) << c;
      EXPECT_GT(together.candidates[c].seconds, 0) << c;
    }
    ASSERT_EQ(together.finalists.size(), alone.finalists.size());
    for (std::size_t f = 0; f < alone.finalists.size(); ++f) {
      EXPECT_EQ(together.finalists[f].candidate, alone.finalists[f].candidate) << f;
      EXPECT_EQ(together.finalists[f].predictions, alone.finalists[f].predictions) << f;
    }
    EXPECT_EQ(together.epochs.size(), alone.epochs.size());
  }
}

TEST_F(RefinementPhaseOf, ATimedPlanUsesItsTimeWithACohort) {
  const test::ControlledRun run(1.5);
  const EngineThreadScope scope;
  CpuCohort cohort(data_, plan_);
  options_.threads = 2;
  const RefinementResult result =
      RunPhase(data_, plan_, SmallCandidates(), options_, run, {&cohort, 8, 1LL << 30});
  EXPECT_GE(result.trained, 8);
  EXPECT_FALSE(result.finalists.empty());
  EXPECT_LE(Clock::now(), run.control.deadline);
  EXPECT_GT(run.control.elapsed_seconds(), 1.2);
}

TEST_F(RefinementPhaseOf, ACohortWithoutMemoryForOneIsAnError) {
  FixPlan(9, 1);
  const test::ControlledRun run;
  const EngineThreadScope scope;
  CpuCohort cohort(data_, plan_);
  try {
    RunPhase(data_, plan_, SmallCandidates(), options_, run, {&cohort, 8, 1'000});
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kOutOfMemory);
  }
}

// What is one curve: a candidate's epochs grow, its rungs do not fall, its row is its last point
// and its best one.
TEST_F(RefinementPhaseOf, ACandidateHasOneCurve) {
  FixPlan(9, 1);
  options_.threads = 2;
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  std::map<std::int32_t, std::vector<EpochResult>> curves;
  for (const EpochResult &point : result.epochs) curves[point.candidate].push_back(point);
  EXPECT_EQ(curves.size(), 9U);
  for (const auto &[candidate, curve] : curves) {
    const CandidateResult &row = result.candidates[static_cast<std::size_t>(candidate)];
    double best = 0;
    for (std::size_t i = 0; i < curve.size(); ++i) {
      best = std::max(best, curve[i].metric);
      EXPECT_TRUE(std::isfinite(curve[i].train_loss));
      if (i == 0) continue;
      EXPECT_GT(curve[i].epoch, curve[i - 1].epoch);
      EXPECT_GE(curve[i].rung, curve[i - 1].rung);
      EXPECT_GE(curve[i].seconds, curve[i - 1].seconds);
    }
    EXPECT_EQ(curve.back().epoch, row.epochs);
    EXPECT_EQ(curve.back().rung, row.rung);
    EXPECT_EQ(best, row.metric);
  }
}

TEST_F(RefinementPhaseOf, TheBestOfARungSurvive) {
  FixPlan(9, 1);
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  for (std::int32_t rung = 0; rung < 2; ++rung) {
    double worst_survivor = 1;
    double best_dropped = 0;
    std::map<std::int32_t, double> best;  // by the end of the rung
    for (const EpochResult &point : result.epochs) {
      if (point.rung <= rung) {
        best[point.candidate] = std::max(best[point.candidate], point.metric);
      }
    }
    for (const auto &[candidate, metric] : best) {
      const std::int32_t last = result.candidates[static_cast<std::size_t>(candidate)].rung;
      if (last > rung) worst_survivor = std::min(worst_survivor, metric);
      if (last == rung) best_dropped = std::max(best_dropped, metric);
    }
    EXPECT_GE(worst_survivor, best_dropped) << rung;
  }
}

// What trails.steps holds: each rung with its models, what it was to take and what it took.
TEST_F(RefinementPhaseOf, TheStepsAreThosePlannedAndThoseTaken) {
  FixPlan(9, 1);
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  std::map<std::string, PlanStep> steps;
  for (const PlanStep &step : result.steps) steps[step.name] = step;
  EXPECT_EQ(steps.size(), result.steps.size());
  EXPECT_GT(steps["calibration"].seconds, 0);
  EXPECT_GT(steps["floor"].seconds, 0);
  EXPECT_EQ(steps["rung 1"].models, 9);
  EXPECT_EQ(steps["rung 2"].models, 3);
  EXPECT_EQ(steps["final training"].models, 1);
  EXPECT_NEAR(steps["rung 2"].epochs, 3 * steps["rung 1"].epochs, 1e-9);
  double seconds = 0;
  for (const char *const name : {"rung 1", "rung 2", "final training"}) {
    EXPECT_GT(steps[name].planned_seconds, 0) << name;
    EXPECT_GT(steps[name].seconds, 0) << name;
    seconds += steps[name].seconds;
  }
  double trained = 0;
  for (const CandidateResult &row : result.candidates) trained += row.seconds;
  EXPECT_GE(seconds, trained / options_.threads);
}

// A survivor went on from its weights, moments and data order: training its architecture, dropout
// and seed in one go gives the same network to the bit.
TEST_F(RefinementPhaseOf, ASurvivorIsResumedNotRestarted) {
  FixPlan(9, 1);
  options_.threads = 2;
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  ASSERT_FALSE(result.finalists.empty());
  std::int32_t compared = 0;
  for (const Finalist &finalist : result.finalists) {
    const CandidateResult &row = result.candidates[static_cast<std::size_t>(finalist.candidate)];
    double epochs = 0;  // when its best metric was reached first
    for (const EpochResult &point : result.epochs) {
      if (point.candidate == finalist.candidate && point.metric == row.metric) {
        epochs = epochs == 0 ? point.epoch : std::min(epochs, point.epoch);
      }
    }
    Trainer trainer(data_, plan_,
                    {.widths = ParseArchitecture(row.architecture),
                     .dropout = static_cast<float>(row.dropout),
                     .seed = row.seed});
    trainer.Train(std::llround(epochs * static_cast<double>(trainer.steps_per_epoch())),
                  Interrupt(run.control));
    const Network again = trainer.Fold();
    EXPECT_EQ(again.architecture, finalist.network.architecture);
    EXPECT_EQ(again.table, finalist.network.table);
    for (std::size_t l = 0; l < again.layers.size(); ++l) {
      EXPECT_EQ(again.layers[l].weight, finalist.network.layers[l].weight);
      EXPECT_EQ(again.layers[l].bias, finalist.network.layers[l].bias);
    }
    compared += row.rung > 0 ? 1 : 0;
  }
  EXPECT_GE(compared, 1) << "no finalist went beyond the first rung";
}

TEST_F(RefinementPhaseOf, FinalistsAreTheBestDistinctCandidatesBestFirst) {
  FixPlan(12, 1);
  const test::ControlledRun run;
  const RefinementResult result = Refine(SmallCandidates(), run);
  EXPECT_EQ(result.finalists.size(), kMostMembers);
  std::vector<double> metrics;
  for (const CandidateResult &row : result.candidates) metrics.push_back(row.metric);
  std::sort(metrics.rbegin(), metrics.rend());
  std::set<std::int32_t> candidates;
  const std::vector<double> labels = LabelsOf(data_, data_.split.valid);
  for (std::size_t f = 0; f < result.finalists.size(); ++f) {
    EXPECT_EQ(result.finalists[f].valid, metrics[f]);
    EXPECT_EQ(Judge(data_.metric, result.finalists[f].predictions, 2, labels),
              result.finalists[f].valid);
    candidates.insert(result.finalists[f].candidate);
  }
  EXPECT_EQ(candidates.size(), kMostMembers);
}

// A timed plan with time left draws new seeds; none is trained twice.
TEST_F(RefinementPhaseOf, NothingIsTrainedTwiceWithTheSameSeed) {
  options_.threads = 2;
  const test::ControlledRun run(2.0);
  const RefinementResult result = Refine(Scored({{8}, {16}, {16, 8}}), run);
  std::set<std::pair<std::string, std::uint64_t>> trainings;
  std::int64_t trained = 0;
  for (const CandidateResult &row : result.candidates) {
    if (row.rung < 0) continue;
    ++trained;
    EXPECT_TRUE(trainings.emplace(row.architecture, row.seed).second)
        << row.architecture << " again with seed " << row.seed;
  }
  EXPECT_GT(trained, 3) << "no new seed was drawn, so that the test tests nothing";
  EXPECT_LT(std::chrono::duration<double>(Clock::now() - run.control.deadline).count(), 0.1);
}

TEST_F(RefinementPhaseOf, AMemoryLimitBelowOneCandidateIsRefused) {
  const test::ControlledRun run(5.0);
  options_.memory_limit_bytes = data_.rows.bytes() + Trainer::Bytes(data_, {8}) / 2;
  try {
    Refine(SmallCandidates(), run);
    FAIL() << "trained above the memory limit";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kLimit);
    EXPECT_FALSE(error.detail().empty());
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(RefinementPhaseOf, AMemoryLimitTrainsAsManyAsFit) {
  FixPlan(12, 1);
  const std::vector<ScoredCandidate> scored = SmallCandidates();
  std::int64_t bytes = data_.rows.bytes();
  for (std::size_t i = 0; i < 5; ++i) bytes += Trainer::Bytes(data_, scored[i].widths);
  options_.memory_limit_bytes = bytes;
  const test::ControlledRun run;
  const RefinementResult result = Refine(scored, run);
  EXPECT_EQ(result.first_rung, 5);
  EXPECT_EQ(result.trained, 5);
}

TEST_F(RefinementPhaseOf, AMemoryLimitPassesOverTheCandidatesThatAreTooLarge) {
  const std::vector<ScoredCandidate> scored = Scored({{2'048, 2'048}, {8}, {1'024}, {16}});
  options_.memory_limit_bytes =
      data_.rows.bytes() + Trainer::Bytes(data_, {8}) + Trainer::Bytes(data_, {16});
  for (const bool fixed : {true, false}) {
    if (fixed) {
      FixPlan(4, 1);
    } else {
      options_.n = options_.k = options_.u = std::nullopt;
    }
    const test::ControlledRun run(fixed ? 3'600 : 1);
    const RefinementResult result = Refine(scored, run);
    EXPECT_EQ(result.first_rung, 2) << fixed;
    for (const CandidateResult &row : result.candidates) {
      EXPECT_TRUE(row.architecture == "8" || row.architecture == "16") << row.architecture;
    }
  }
}

TEST_F(RefinementPhaseOf, ANewSeedWaitsForItsMemory) {
  options_.threads = 2;
  options_.memory_limit_bytes = data_.rows.bytes() + Trainer::Bytes(data_, {8});
  const test::ControlledRun run(1.5);
  const RefinementResult result = Refine(Scored({{8}}), run);
  ASSERT_GT(result.trained, 1) << "no new seed was drawn, so that the test tests nothing";
  // With room for one, no curve begins before the one before it has ended.
  std::set<std::int32_t> ended;
  std::int32_t present = result.epochs.front().candidate;
  for (const EpochResult &epoch : result.epochs) {
    if (epoch.candidate == present) continue;
    EXPECT_TRUE(ended.insert(present).second);
    EXPECT_FALSE(ended.contains(epoch.candidate)) << epoch.candidate;
    present = epoch.candidate;
  }
}

TEST_F(RefinementPhaseOf, StopsAtAMetricThatIsGoodEnough) {
  options_.stop_at = 0.7;
  const test::ControlledRun run(60);
  const RefinementResult result = Refine(SmallCandidates(), run);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_LT(test::SecondsSince(run.control.start), 30);
  ASSERT_FALSE(result.finalists.empty());
  EXPECT_GE(result.finalists.front().valid, 0.7);
}

TEST_F(RefinementPhaseOf, FinishReturnsTheBestSoFar) {
  test::ControlledRun run(60);
  std::jthread finisher([&](const std::stop_token &ended) {
    while (run.progress.epochs.load() < 3 && !ended.stop_requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    run.finish = true;
  });
  const RefinementResult result = Refine(SmallCandidates(), run);
  EXPECT_LT(test::SecondsSince(run.control.start), 30);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_FALSE(result.finalists.empty());
  EXPECT_FALSE(result.floor.predictions.empty());
}

TEST_F(RefinementPhaseOf, CancelThrows) {
  for (const std::int32_t threads : {1, 2}) {
    options_.threads = threads;
    test::ControlledRun run(60);
    std::jthread stopper([&](const std::stop_token &ended) {
      while (run.progress.epochs.load() < 3 && !ended.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      run.stop.request_stop();
    });
    try {
      Refine(SmallCandidates(), run);
      FAIL() << "went on after the stop";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
    EXPECT_LT(test::SecondsSince(run.control.start), 30);
  }
}

TEST(RefinementPhase, DivergingCandidatesLeaveTheFloor) {
  const test::GeneratedOptions generated{.rows = 600, .task = Task::kRegression};
  Dataset data = test::GenerateDataset(generated);
  // No reader lets such a label in; an overflow in training looks the same.
  for (const std::int32_t row : data.split.train) {
    data.labels[static_cast<std::size_t>(row)] = std::numeric_limits<double>::infinity();
  }
  const kernels::FieldPlan plan = data.fields.Plan();
  SelectionOptions options = test::OptionsFor(generated);
  for (const bool fixed : {true, false}) {
    if (fixed) options.n = options.k = options.u = 3;
    const test::ControlledRun run(fixed ? 3'600 : 2);
    const std::vector<ScoredCandidate> scored = Scored({{8}, {16}, {8, 8}});
    const RefinementResult result = RunPhase(data, plan, scored, options, run);
    EXPECT_TRUE(result.finalists.empty());
    EXPECT_LT(test::SecondsSince(run.control.start), 1.5) << "waited for the deadline";
    EXPECT_GE(result.diverged, 3);
    EXPECT_EQ(result.floor.candidate, -1);
    for (const float p : result.floor.predictions) EXPECT_FALSE(std::isinf(p));
    options.n.reset();
    options.k.reset();
    options.u.reset();
  }
}

}  // namespace
}  // namespace trails
