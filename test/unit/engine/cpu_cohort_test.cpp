// A cohort of trainers is what the trainers are.
#include "core/cohort/cpu_cohort.h"

#include <gtest/gtest.h>

#include <vector>

#include "controlled_run.h"
#include "core/data/metrics.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"
#include "generated_table.h"
#include "trails/error.h"

namespace trails {
namespace {

TEST(CpuCohort, TrainsAndJudgesAsItsTrainersDo) {
  const EngineThreadScope scope;
  const Dataset data = test::GenerateDataset({.rows = 500});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  const Interrupt interrupt(run.control);
  CpuCohort cohort(data, plan);
  const TrainerOptions narrow{.widths = {8}, .seed = 3};
  const TrainerOptions wide{.widths = {24, 16}, .dropout = 0.2f, .seed = 4};
  const std::vector<std::int32_t> members = {cohort.Enter(narrow), cohort.Enter(wide)};
  Trainer first(data, plan, narrow), second(data, plan, wide);

  EXPECT_EQ(cohort.steps_per_epoch(), first.steps_per_epoch());
  const std::vector<CohortLoss> losses = cohort.Train(members, 7, interrupt);
  EXPECT_EQ(losses[0].loss, first.Train(7, interrupt));
  EXPECT_EQ(losses[1].loss, second.Train(7, interrupt));
  EXPECT_FALSE(losses[0].diverged || losses[1].diverged);
  EXPECT_EQ(cohort.Steps(members[1]), 7);
  EXPECT_EQ(cohort.Fold(members[1]).table, second.Fold().table);
  const std::vector<float> predictions =
      PredictRows(data, plan, second.Fold(), data.split.valid, interrupt);
  EXPECT_EQ(cohort.Predictions(members[1], data.split.valid, interrupt), predictions);
  EXPECT_EQ(
      cohort.Judge(members, interrupt)[1],
      Judge(data.metric, predictions, data.target.outputs(), LabelsOf(data, data.split.valid)));

  cohort.Drop(members[0]);
  EXPECT_THROW(cohort.Steps(members[0]), Error);
  EXPECT_THROW(cohort.Train(members, 1, interrupt), Error);
  EXPECT_EQ(cohort.Steps(members[1]), 7);
}

TEST(CpuCohort, AMemberThatDivergedTrainsNoMore) {
  const EngineThreadScope scope;
  const Dataset data = test::GenerateDataset({.rows = 300, .task = Task::kRegression});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  const Interrupt interrupt(run.control);
  CpuCohort cohort(data, plan);
  const std::int32_t member = cohort.Enter({.widths = {8}, .learning_rate = 1e30f});
  EXPECT_TRUE(cohort.Train({{member}}, 50, interrupt)[0].diverged);
  EXPECT_THROW(cohort.Train({{member}}, 1, interrupt), Error);
}

}  // namespace
}  // namespace trails
