// The cohort trainer against the CPU's trainers: losses, metrics, networks; and that neither
// company nor groups change what a member learns.
//
// Tolerances: both take the same sums in another order, so that numbers differ by units of their
// last place, and losses by little more. The gradient of a field's first knot is such a difference
// and nothing else: the batch norm behind it takes a constant away, so that the true one is zero.
// AdamW makes steps of it all the same, which training does not feel, but the moving averages of
// the moments follow some steps behind: predictions differ by up to some hundredths. They do so by
// as much between two of the CPU's trainers when one of them starts with every second weight a unit
// of the last place higher (0.01 of a probability, 0.02 of the target's deviation, over 9
// mini-batches of this table), where losses stay within 1e-7. Without knots predictions are near as
// well.
#include "core/card/cohort_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "../../engine/controlled_run.h"
#include "../../engine/generated_table.h"
#include "core/cohort/cpu_cohort.h"
#include "core/data/metrics.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr double kLossTolerance = 1e-5;    // relative
constexpr double kOutputTolerance = 0.04;  // of a probability, or of the target's deviation
constexpr double kOutputToleranceWithoutKnots = 1e-3;
constexpr std::int64_t kEpochs = 3;

// Five members of two depths and different widths, one of them without dropout.
std::vector<TrainerOptions> FiveMembers(Task task) {
  const Pace pace = PaceOf(task);
  std::vector<TrainerOptions> members;
  for (const HiddenWidths &widths : {HiddenWidths{13}, {24, 9}, {8}, {40, 16}, {24, 16}}) {
    TrainerOptions options;
    options.widths = widths;
    options.dropout = members.empty() ? 0.0f : 0.1f * static_cast<float>(members.size());
    options.learning_rate = pace.learning_rate;
    options.weight_decay = pace.weight_decay;
    if (task == Task::kRegression && members.size() % 2 == 1) options.bend = 0.8f;
    options.seed = 100 + members.size();
    members.push_back(options);
  }
  return members;
}

struct Trial {
  explicit Trial(Task task, Encoding encoding = Encoding::kPiecewiseLinear)
      : Trial(task, test::GenerateDataset({.rows = 500, .task = task}, encoding)) {}
  Trial(Task task, Dataset dataset)
      : data(std::move(dataset)),
        plan(data.fields.Plan()),
        table(std::make_shared<CardTable>(data, plan)),
        members(FiveMembers(task)) {}

  std::unique_ptr<CohortTrainer> Trainer(Precision precision = Precision::kFp32) const {
    return std::make_unique<CohortTrainer>(
        data, plan, table,
        CohortTrainerOptions{precision, DataSheetRates(precision), /*threads=*/2});
  }
  std::vector<std::int32_t> EnterAll(Cohort *cohort) const {
    std::vector<std::int32_t> numbers;
    for (const TrainerOptions &options : members) numbers.push_back(cohort->Enter(options));
    return numbers;
  }
  double deviation() const {
    return data.target.task == Task::kRegression ? data.target.scale : 1.0;
  }

  const EngineThreadScope scope;
  const Dataset data;
  const kernels::FieldPlan plan;
  const std::shared_ptr<const CardTable> table;
  const std::vector<TrainerOptions> members;
  const test::ControlledRun run;
  const Interrupt interrupt{run.control};
};

double LargestDifference(const std::vector<float> &a, const std::vector<float> &b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double apart = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = std::isnan(apart) ? apart : std::max(largest, apart);
  }
  return largest;
}

// All numbers of a network, to compare bit by bit.
std::vector<float> NumbersOf(const Network &network) {
  std::vector<float> numbers = network.table;
  for (const DenseLayer &layer : network.layers) {
    numbers.insert(numbers.end(), layer.weight.begin(), layer.weight.end());
    numbers.insert(numbers.end(), layer.bias.begin(), layer.bias.end());
  }
  return numbers;
}

class CohortOfTask : public testing::TestWithParam<std::pair<Task, Encoding>> {};

TEST_P(CohortOfTask, LearnsWhatTheTrainersLearn) {
  const Trial trial(GetParam().first, GetParam().second);
  const auto trainer = trial.Trainer();
  CpuCohort twin(trial.data, trial.plan);
  const std::vector<std::int32_t> members = trial.EnterAll(trainer.get());
  ASSERT_EQ(trial.EnterAll(&twin), members);
  const std::int64_t steps = trainer->steps_per_epoch();
  ASSERT_EQ(steps, twin.steps_per_epoch());
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const auto found = trainer->Train(members, steps, trial.interrupt);
    const auto expected = twin.Train(members, steps, trial.interrupt);
    const auto values = trainer->Judge(members, trial.interrupt);
    const auto expected_values = twin.Judge(members, trial.interrupt);
    for (std::size_t m = 0; m < members.size(); ++m) {
      EXPECT_NEAR(found[m].loss, expected[m].loss, kLossTolerance * expected[m].loss)
          << "member " << m << ", epoch " << epoch;
      EXPECT_FALSE(found[m].diverged);
      EXPECT_EQ(trainer->Steps(members[m]), steps * (epoch + 1));
      EXPECT_NEAR(values[m], expected_values[m], kOutputTolerance * trial.deviation())
          << "member " << m << ", epoch " << epoch;
    }
  }
  const double tolerance =
      GetParam().second == Encoding::kTrails ? kOutputToleranceWithoutKnots : kOutputTolerance;
  for (const std::int32_t member : members) {
    const auto predictions = trainer->Predictions(member, trial.data.split.valid, trial.interrupt);
    EXPECT_LT(LargestDifference(predictions,
                                twin.Predictions(member, trial.data.split.valid, trial.interrupt)),
              tolerance * trial.deviation());
    // The metric is that of these very predictions.
    EXPECT_NEAR(trainer->Judge({{member}}, trial.interrupt)[0],
                Judge(trial.data.metric, predictions, trial.data.target.outputs(),
                      LabelsOf(trial.data, trial.data.split.valid)),
                1e-9 * trial.deviation());
    const Network network = trainer->Fold(member);
    EXPECT_EQ(network.architecture, twin.Fold(member).architecture);
    EXPECT_LT(LargestDifference(PredictRows(trial.data, trial.plan, network, trial.data.split.valid,
                                            trial.interrupt),
                                predictions),
              1e-5 * trial.deviation());
  }
  EXPECT_GE(trainer->groups(), 2U);  // two depths
  EXPECT_GT(trainer->waste(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Tasks, CohortOfTask,
                         testing::Values(std::pair{Task::kBinary, Encoding::kPiecewiseLinear},
                                         std::pair{Task::kMulticlass, Encoding::kPiecewiseLinear},
                                         std::pair{Task::kRegression, Encoding::kPiecewiseLinear},
                                         std::pair{Task::kBinary, Encoding::kTrails}));

// Features first .. last - 1 of the generated table: 0 and 1 are text, 2 to 4 numbers.
Dataset SomeFeatures(std::size_t first, std::size_t last, std::int64_t rows) {
  const test::GeneratedOptions generated{.rows = rows};
  Table table = test::GenerateTable(generated);
  std::vector<Column> features;
  for (std::size_t f = first; f < last; ++f) features.push_back(std::move(table.features[f]));
  table.features = std::move(features);
  std::vector<Notice> notices;
  return BuildDataset(std::move(table), test::OptionsFor(generated), &notices);
}

// No numbers; no categories; a single mini-batch an epoch, smaller than any tile.
TEST(CohortTrainer, TablesOfOneKindAndTinyOnesAreLearntToo) {
  for (Dataset &dataset : std::vector<Dataset>{SomeFeatures(0, 2, 300), SomeFeatures(2, 5, 300),
                                               SomeFeatures(0, 5, 30)}) {
    const Trial trial(Task::kBinary, std::move(dataset));
    const auto trainer = trial.Trainer();
    CpuCohort twin(trial.data, trial.plan);
    const auto members = trial.EnterAll(trainer.get());
    trial.EnterAll(&twin);
    const auto found = trainer->Train(members, 6, trial.interrupt);
    const auto expected = twin.Train(members, 6, trial.interrupt);
    const auto values = trainer->Judge(members, trial.interrupt);
    for (std::size_t m = 0; m < members.size(); ++m) {
      EXPECT_NEAR(found[m].loss, expected[m].loss, kLossTolerance * expected[m].loss)
          << trial.plan.categorical() << " categories, " << trial.plan.numeric() << " numbers";
      EXPECT_EQ(std::isnan(values[m]), std::isnan(twin.Judge(members, trial.interrupt)[m]));
    }
  }
}

// Products in fewer bits learn the same within their bits.
TEST(CohortTrainer, LowerPrecisionStaysNear) {
  const Trial trial(Task::kBinary);
  CpuCohort twin(trial.data, trial.plan);
  const auto members = trial.EnterAll(&twin);
  const auto expected = twin.Train(members, 12, trial.interrupt);
  for (const auto &[precision, tolerance] :
       {std::pair{Precision::kTf32, 0.005}, std::pair{Precision::kBf16, 0.03}}) {
    const auto trainer = trial.Trainer(precision);
    trial.EnterAll(trainer.get());
    const auto found = trainer->Train(members, 12, trial.interrupt);
    bool same = true;
    for (std::size_t m = 0; m < members.size(); ++m) {
      EXPECT_NEAR(found[m].loss, expected[m].loss, tolerance * expected[m].loss);
      same = same && std::abs(found[m].loss - expected[m].loss) < 1e-7;
    }
    EXPECT_FALSE(same);  // the precision was that asked for
  }
}

TEST(CohortTrainer, EqualSeedsGiveEqualBits) {
  const Trial trial(Task::kBinary);
  std::vector<std::vector<float>> networks[2];
  for (auto &of_run : networks) {
    const auto trainer = trial.Trainer();
    const auto members = trial.EnterAll(trainer.get());
    trainer->Train(members, 7, trial.interrupt);
    for (const std::int32_t m : members) of_run.push_back(NumbersOf(trainer->Fold(m)));
  }
  EXPECT_EQ(networks[0], networks[1]);
}

TEST(CohortTrainer, AMemberAloneLearnsWhatItLearnsInCompany) {
  const Trial trial(Task::kBinary);
  const auto together = trial.Trainer();
  const auto members = trial.EnterAll(together.get());
  const auto losses = together->Train(members, 9, trial.interrupt);
  for (const std::int32_t m : members) {
    const auto at = static_cast<std::size_t>(m);
    const auto alone = trial.Trainer();
    const std::int32_t number = alone->Enter(trial.members[at]);
    EXPECT_NEAR(alone->Train({{number}}, 9, trial.interrupt)[0].loss, losses[at].loss,
                kLossTolerance * losses[at].loss);
    EXPECT_LT(LargestDifference(alone->Predictions(number, trial.data.split.valid, trial.interrupt),
                                together->Predictions(m, trial.data.split.valid, trial.interrupt)),
              kOutputTolerance);
  }
}

TEST(CohortTrainer, ChangingGroupsChangesNothing) {
  const Trial trial(Task::kBinary);
  const auto straight = trial.Trainer(), moved = trial.Trainer();
  const auto members = trial.EnterAll(straight.get());
  trial.EnterAll(moved.get());
  straight->Train(members, 9, trial.interrupt);
  // In the middle of an epoch, through groups of other widths and back again.
  moved->Train(members, 4, trial.interrupt);
  moved->Train({{members[0], members[4]}}, 0, trial.interrupt);
  moved->Train({{members[1], members[2]}}, 0, trial.interrupt);
  moved->Train(members, 5, trial.interrupt);
  for (const std::int32_t m : members) {
    EXPECT_EQ(moved->Steps(m), 9);
    EXPECT_EQ(NumbersOf(moved->Fold(m)), NumbersOf(straight->Fold(m))) << "member " << m;
  }
}

TEST(CohortTrainer, TheRestGoesOnWhenHalfIsDropped) {
  const Trial trial(Task::kRegression);
  const auto trainer = trial.Trainer();
  CpuCohort twin(trial.data, trial.plan);
  const auto members = trial.EnterAll(trainer.get());
  trial.EnterAll(&twin);
  trainer->Train(members, 4, trial.interrupt);
  twin.Train(members, 4, trial.interrupt);
  for (const std::int32_t gone : {members[1], members[2]}) trainer->Drop(gone);
  EXPECT_THROW(trainer->Steps(members[1]), Error);
  const std::vector<std::int32_t> rest = {members[4], members[0], members[3]};
  const auto found = trainer->Train(rest, 6, trial.interrupt);
  const auto expected = twin.Train(rest, 6, trial.interrupt);
  const auto values = trainer->Judge(rest, trial.interrupt);
  const auto expected_values = twin.Judge(rest, trial.interrupt);
  for (std::size_t m = 0; m < rest.size(); ++m) {
    EXPECT_NEAR(found[m].loss, expected[m].loss, kLossTolerance * expected[m].loss);
    EXPECT_NEAR(values[m], expected_values[m], kOutputTolerance * trial.deviation());
    EXPECT_EQ(trainer->Steps(rest[m]), 10);
  }
}

TEST(CohortTrainer, MembersOfDifferentAgesTrainInOneCall) {
  const Trial trial(Task::kBinary);
  const auto trainer = trial.Trainer();
  CpuCohort twin(trial.data, trial.plan);
  const auto members = trial.EnterAll(trainer.get());
  trial.EnterAll(&twin);
  const std::vector<std::int32_t> old = {members[3], members[0]};
  trainer->Train(old, 5, trial.interrupt);
  twin.Train(old, 5, trial.interrupt);
  const auto found = trainer->Train(members, 4, trial.interrupt);
  const auto expected = twin.Train(members, 4, trial.interrupt);
  for (std::size_t m = 0; m < members.size(); ++m) {
    EXPECT_NEAR(found[m].loss, expected[m].loss, kLossTolerance * expected[m].loss);
    EXPECT_EQ(trainer->Steps(members[m]), m == 0 || m == 3 ? 9 : 4);
  }
}

// Judged, predicted and folded where it is: in no group, in another call's, or never trained.
TEST(CohortTrainer, WhoIsNotInTrainingCanBeLookedAt) {
  const Trial trial(Task::kBinary, Encoding::kTrails);
  const auto trainer = trial.Trainer();
  CpuCohort twin(trial.data, trial.plan);
  const auto members = trial.EnterAll(trainer.get());
  trial.EnterAll(&twin);
  for (Cohort *cohort : {static_cast<Cohort *>(trainer.get()), static_cast<Cohort *>(&twin)}) {
    cohort->Train({{members[0], members[1]}}, 5, trial.interrupt);
    cohort->Train({{members[1], members[2]}}, 3, trial.interrupt);
  }
  const auto values = trainer->Judge(members, trial.interrupt);
  const auto expected = twin.Judge(members, trial.interrupt);
  for (std::size_t m = 0; m < members.size(); ++m) {
    EXPECT_NEAR(values[m], expected[m], kOutputToleranceWithoutKnots);
  }
  for (const std::int32_t m : members) {
    EXPECT_LT(LargestDifference(trainer->Predictions(m, trial.data.split.test, trial.interrupt),
                                twin.Predictions(m, trial.data.split.test, trial.interrupt)),
              kOutputToleranceWithoutKnots);
    EXPECT_LT(LargestDifference(NumbersOf(trainer->Fold(m)), NumbersOf(twin.Fold(m))), 1e-3);
  }
  EXPECT_EQ(trainer->Steps(members[0]), 5);
  EXPECT_EQ(trainer->Steps(members[3]), 0);
}

TEST(CohortTrainer, AMemberThatDivergesIsToldAndTheOthersLearn) {
  const Trial trial(Task::kRegression);
  const auto trainer = trial.Trainer();
  std::vector<std::int32_t> members = trial.EnterAll(trainer.get());
  TrainerOptions wild = trial.members[0];
  wild.learning_rate = 1e30f;
  members.push_back(trainer->Enter(wild));
  const auto losses = trainer->Train(members, 9, trial.interrupt);
  EXPECT_TRUE(losses.back().diverged);
  EXPECT_THROW(trainer->Train(members, 1, trial.interrupt), Error);
  CpuCohort twin(trial.data, trial.plan);
  const auto others = trial.EnterAll(&twin);
  const auto expected = twin.Train(others, 9, trial.interrupt);
  for (std::size_t m = 0; m < others.size(); ++m) {
    EXPECT_NEAR(losses[m].loss, expected[m].loss, kLossTolerance * expected[m].loss);
  }
}

TEST(CohortTrainer, AnInterruptLeavesWholeStepsAndTrainingGoesOn) {
  const Trial trial(Task::kBinary);
  const auto straight = trial.Trainer(), cut = trial.Trainer();
  const auto members = trial.EnterAll(straight.get());
  trial.EnterAll(cut.get());
  const Interrupt soon(trial.run.control, Clock::now() + test::Seconds(0.2));
  EXPECT_THROW(cut->Train(members, std::numeric_limits<std::int64_t>::max() / 2, soon), TimeUp);
  const std::int64_t steps = cut->Steps(members[0]);
  for (const std::int32_t m : members) ASSERT_EQ(cut->Steps(m), steps);
  cut->Train(members, 2, trial.interrupt);
  straight->Train(members, steps + 2, trial.interrupt);
  for (const std::int32_t m : members) {
    EXPECT_EQ(NumbersOf(cut->Fold(m)), NumbersOf(straight->Fold(m)));
  }
  test::ControlledRun stopped;
  stopped.stop.request_stop();
  EXPECT_THROW(cut->Train(members, 1, Interrupt(stopped.control)), Error);
  EXPECT_THROW(cut->Judge(members, Interrupt(stopped.control)), Error);
  EXPECT_EQ(cut->Steps(members[0]), steps + 2);
}

}  // namespace
}  // namespace trails
