// Parameters of the epochs of a training, kept so that its intermediates can be computed later.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "controlled_run.h"
#include "core/data/metrics.h"
#include "core/model/artefact.h"
#include "core/model/predictor.h"
#include "generated_table.h"
#include "trails/engine.h"

extern "C" trails::Engine *trails_engine_open(int contract_version);

namespace trails {
namespace {

SelectionResult TrainFor(double epochs, const SelectionOptions &options) {
  const test::ControlledRun run;
  return trails_engine_open(kContractVersion)
      ->TrainCandidate(test::GenerateTable({.rows = 1'500}), options, "16-8", epochs, run.control);
}

double ValidOf(const std::string &artefact, const Dataset &data) {
  Predictor predictor(ReadArtefact(artefact));
  std::vector<float> predictions(data.split.valid.size() * 2);
  std::vector<double> labels;
  for (std::size_t i = 0; i < data.split.valid.size(); ++i) {
    const std::int64_t row = data.split.valid[i];
    predictor.Predict(data.rows.ids.data() + row * data.rows.categorical,
                      data.rows.values.data() + row * data.rows.numeric, 1,
                      predictions.data() + 2 * i);
    labels.push_back(data.labels[static_cast<std::size_t>(row)]);
  }
  return Judge(data.metric, predictions, 2, labels);
}

TEST(Snapshots, AreTheNetworksThatWereLookedAt) {
  SelectionOptions options = test::OptionsFor({.rows = 1'500});
  options.snapshot_every = 1;
  const SelectionResult result = TrainFor(4, options);
  const Dataset data = test::GenerateDataset({.rows = 1'500});
  ASSERT_EQ(result.snapshots.size(), result.epochs.size());
  ASSERT_EQ(result.snapshots.size(), 4U);
  double best = 0;
  for (std::size_t i = 0; i < result.snapshots.size(); ++i) {
    const Snapshot &snapshot = result.snapshots[i];
    EXPECT_EQ(snapshot.epoch, result.epochs[i].epoch);
    EXPECT_EQ(snapshot.train_loss, result.epochs[i].train_loss);
    EXPECT_EQ(snapshot.metric, result.epochs[i].metric);
    EXPECT_NEAR(ValidOf(snapshot.artefact, data), snapshot.metric, 1e-4);
    best = std::max(best, snapshot.metric);
  }
  EXPECT_EQ(best, result.valid);
}

TEST(Snapshots, AreKeptAfterSoManyPassesAndNotUnasked) {
  SelectionOptions options = test::OptionsFor({.rows = 1'500});
  EXPECT_TRUE(TrainFor(3, options).snapshots.empty());
  options.snapshot_every = 2;
  const SelectionResult result = TrainFor(5, options);
  ASSERT_EQ(result.snapshots.size(), 3U);
  EXPECT_EQ(result.snapshots[0].epoch, 2);
  EXPECT_EQ(result.snapshots[1].epoch, 4);
  EXPECT_EQ(result.snapshots[2].epoch, 5);
}

TEST(Snapshots, ThatMemoryCannotHoldAreRefusedBeforeTraining) {
  SelectionOptions options = test::OptionsFor({.rows = 1'500});
  options.snapshot_every = 1;
  options.memory_limit_bytes = std::int64_t{64} << 20;
  try {
    TrainFor(1e6, options);
    FAIL() << "a million snapshots fit into 64 MB";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kLimit);
  }
}

}  // namespace
}  // namespace trails
