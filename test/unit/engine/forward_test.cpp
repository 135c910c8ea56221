#include "core/refinement/forward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "controlled_run.h"
#include "core/model/predictor.h"
#include "core/refinement/linear_trainer.h"
#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"
#include "generated_table.h"

namespace trails {
namespace {

class PredictRowsOf : public ::testing::TestWithParam<Task> {
 protected:
  // 2,600 rows: three blocks, the last one not full.
  const Dataset data_ = test::GenerateDataset({.rows = 2'600, .task = GetParam()});
  const kernels::FieldPlan plan_ = data_.fields.Plan();
  const test::ControlledRun run_;
  const Interrupt interrupt_{run_.control};

  std::vector<std::int32_t> BackwardRows() const {
    std::vector<std::int32_t> rows;
    for (std::int64_t row = data_.rows.rows - 1; row >= 0; --row) {
      rows.push_back(static_cast<std::int32_t>(row));
    }
    return rows;
  }
  void ExpectEqualsPredictor(const Network &network) const {
    const std::vector<std::int32_t> rows = BackwardRows();
    const std::vector<float> got = PredictRows(data_, plan_, network, rows, interrupt_);
    std::vector<float> expected(got.size());
    Predictor predictor(Model{data_.fields, data_.target, data_.metric, {network}});
    predictor.Predict(data_.rows.ids.data(), data_.rows.values.data(), data_.rows.rows,
                      expected.data());
    const auto outputs = static_cast<std::size_t>(data_.target.outputs());
    ASSERT_EQ(got.size(), rows.size() * outputs);
    const double unit = GetParam() == Task::kRegression ? data_.target.scale : 1;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t o = 0; o < outputs; ++o) {
        ASSERT_NEAR(got[i * outputs + o] / unit,
                    expected[static_cast<std::size_t>(rows[i]) * outputs + o] / unit, 2e-5)
            << i;
      }
    }
  }
};

TEST_P(PredictRowsOf, ANetworkEqualsThePredictor) {
  Trainer trainer(data_, plan_, {.widths = {16, 24, 8}, .seed = 2});
  trainer.Train(40, interrupt_);
  ExpectEqualsPredictor(trainer.Fold());
}

TEST_P(PredictRowsOf, TheLinearModelEqualsThePredictor) {
  LinearTrainer trainer(data_, plan_, 2);
  trainer.Train(40, interrupt_);
  ExpectEqualsPredictor(trainer.Fold());
}

TEST_P(PredictRowsOf, NoRowsGiveNoPredictions) {
  Trainer trainer(data_, plan_, {.widths = {8}, .seed = 2});
  EXPECT_TRUE(PredictRows(data_, plan_, trainer.Fold(), {}, interrupt_).empty());
}

TEST_P(PredictRowsOf, EndsOnTimeAndOnStop) {
  Trainer trainer(data_, plan_, {.widths = {8}, .seed = 2});
  const Network network = trainer.Fold();
  const std::vector<std::int32_t> rows = BackwardRows();
  EXPECT_THROW(PredictRows(data_, plan_, network, rows, Interrupt(run_.control, Clock::now())),
               TimeUp);
  test::ControlledRun stopped;
  stopped.stop.request_stop();
  EXPECT_THROW(PredictRows(data_, plan_, network, rows, Interrupt(stopped.control)), Error);
}

TEST_P(PredictRowsOf, LabelsAreThoseOfTheRows) {
  const std::vector<double> labels = LabelsOf(data_, data_.split.valid);
  ASSERT_EQ(labels.size(), data_.split.valid.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(labels[i], data_.labels[static_cast<std::size_t>(data_.split.valid[i])]);
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, PredictRowsOf,
                         ::testing::Values(Task::kBinary, Task::kMulticlass, Task::kRegression),
                         [](const auto &test) { return std::string(Name(test.param)); });

TEST(Multiply, PiecesGiveTheProductAndCanBeInterrupted) {
  // 2 * 1,200 * 1,000 * 900 = 2.2 GFLOP: three pieces.
  std::vector<float> a(1'200 * 1'000, 0.0f);
  std::vector<float> b(1'000 * 900);
  for (std::size_t i = 0; i < 1'000; ++i) a[i * 1'000 + i] = 2;  // twice the identity, then zeros
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 1'001);
  std::vector<float> product(1'200 * 900, -1.0f);
  test::ControlledRun run;
  const at::Tensor left = ViewMatrix(a.data(), 1'200, 1'000);
  const at::Tensor right = ViewMatrix(b.data(), 1'000, 900);
  at::Tensor out = ViewMatrix(product.data(), 1'200, 900);
  Multiply(left, right, out, Interrupt(run.control));
  for (std::size_t i = 0; i < product.size(); ++i) {
    ASSERT_EQ(product[i], i < b.size() ? 2 * b[i] : 0.0f) << i;
  }
  run.finish = true;
  EXPECT_THROW(Multiply(left, right, out, Interrupt(run.control, run.control.deadline)), TimeUp);
}

}  // namespace
}  // namespace trails
