// A whole selection on a card, through the facade and the library that a session would open: here
// the emulated one, which lies beside this program; on a machine with a card the real one.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>

#include "../../engine/controlled_run.h"
#include "../../engine/generated_table.h"
#include "core/model/artefact.h"
#include "core/placement/card_library.h"
#include "trails/engine.h"

extern "C" trails::Engine *trails_engine_open(int contract_version);

namespace trails {
namespace {

using test::ControlledRun;
using test::GeneratedOptions;

class SelectionOnCard : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CardLibrary::Installed().is_there()) << "trails_cuda.so is not beside the program";
    options_.n = 12;
    options_.k = 3;
    options_.u = 1;
    options_.tfmem = Tfmem::kSynflow;
    options_.precision = Precision::kFp32;
  }
  SelectionResult Select(Device device, const ControlledRun &run) {
    options_.device = device;
    return trails_engine_open(kContractVersion)
        ->SelectModel(test::GenerateTable(generated_), options_, run.control);
  }

  const GeneratedOptions generated_{.rows = 700};
  SelectionOptions options_ = test::OptionsFor(generated_);
};

// Rounding apart, the card scores and trains as the CPU does: the same candidates in the same
// order, and metrics of 105 validation rows that a few exchanged ranks may move.
TEST_F(SelectionOnCard, FindsWhatTheCpuFinds) {
  const ControlledRun on_cpu, on_card;
  const SelectionResult cpu = Select(Device::kCpu, on_cpu);
  const SelectionResult card = Select(Device::kCuda, on_card);
  EXPECT_EQ(cpu.placement.device, Device::kCpu);
  EXPECT_EQ(card.placement.device, Device::kCuda);
  EXPECT_FALSE(card.placement.card.empty());
  EXPECT_EQ(card.candidates_scored, cpu.candidates_scored);
  EXPECT_EQ(card.candidates_trained, cpu.candidates_trained);
  ASSERT_EQ(card.candidates.size(), cpu.candidates.size());
  for (std::size_t c = 0; c < cpu.candidates.size(); ++c) {
    EXPECT_EQ(card.candidates[c].architecture, cpu.candidates[c].architecture) << c;
    EXPECT_NEAR(card.candidates[c].score, cpu.candidates[c].score,
                1e-9 * std::fabs(cpu.candidates[c].score))
        << c;
    EXPECT_EQ(card.candidates[c].epochs, cpu.candidates[c].epochs) << c;
    if (cpu.candidates[c].rung < 0) continue;
    EXPECT_NEAR(card.candidates[c].metric, cpu.candidates[c].metric, 0.01) << c;
  }
  EXPECT_NEAR(card.test, cpu.test, 0.02);
  EXPECT_EQ(ReadArtefact(card.artefact).networks.size(), static_cast<std::size_t>(card.members));
}

TEST_F(SelectionOnCard, TheSameSeedGivesTheSameModel) {
  const ControlledRun first, second;
  EXPECT_EQ(Select(Device::kHybrid, first).artefact, Select(Device::kHybrid, second).artefact);
}

TEST_F(SelectionOnCard, ACancelEndsIt) {
  const ControlledRun run;
  options_.u = 100;
  std::jthread cancel([&run] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const_cast<std::stop_source &>(run.stop).request_stop();
  });
  try {
    (void)Select(Device::kCuda, run);
    FAIL() << "not cancelled";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

}  // namespace
}  // namespace trails
