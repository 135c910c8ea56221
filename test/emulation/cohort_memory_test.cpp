// What a cohort takes of a card's memory, on an emulated card whose memory can be counted.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "../unit/engine/controlled_run.h"
#include "../unit/engine/generated_table.h"
#include "core/card/cohort_trainer.h"
#include "emulation.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::size_t kMemory = std::size_t{1} << 30;  // of the emulated card, at first

class CohortMemory : public testing::Test {
 protected:
  ~CohortMemory() override { emulation::SetMemory(kMemory); }

  void Start() {
    trainer_.emplace(data_, plan_, std::make_shared<CardTable>(data_, plan_),
                     CohortTrainerOptions{});
    for (const HiddenWidths &widths : {HiddenWidths{13}, {24, 9}, {8}}) {
      TrainerOptions options;
      options.widths = widths;
      options.seed = 1 + members_.size();
      members_.push_back(trainer_->Enter(options));
    }
  }

  const std::size_t before_ = emulation::LiveBytes();
  const Dataset data_ = test::GenerateDataset({.rows = 300});
  const kernels::FieldPlan plan_ = data_.fields.Plan();
  const test::ControlledRun run_;
  const Interrupt interrupt_{run_.control};
  std::optional<CohortTrainer> trainer_;
  std::vector<std::int32_t> members_;
};

TEST_F(CohortMemory, IsGivenBack) {
  Start();
  trainer_->Train(members_, 3, interrupt_);
  const std::size_t training = emulation::LiveBytes();
  trainer_->Judge(members_, interrupt_);
  trainer_->Fold(members_[0]);
  EXPECT_EQ(emulation::LiveBytes(), training);  // looks leave nothing behind
  for (const std::int32_t member : members_) trainer_->Drop(member);
  EXPECT_LT(emulation::LiveBytes(), training / 2);
  trainer_.reset();
  EXPECT_EQ(emulation::LiveBytes(), before_);
}

TEST_F(CohortMemory, IsForetold) {
  Start();
  const std::size_t idle = emulation::LiveBytes();
  trainer_->Train({{members_[0]}}, 1, interrupt_);
  const auto taken = static_cast<std::int64_t>(emulation::LiveBytes() - idle);
  EXPECT_LE(taken, trainer_->Bytes({13}));
  EXPECT_GE(taken, trainer_->Bytes({13}) / 2);
  EXPECT_LT(trainer_->Bytes({13}), trainer_->Bytes({24, 9}));
}

// Kernels that seem dear make one class of a narrow and of a wide network, for which there is no
// room: then each has its own, and learns the same.
TEST_F(CohortMemory, LittleOfItMeansLessPadding) {
  constexpr int kMembers = 16;
  const auto table = std::make_shared<CardTable>(data_, plan_);
  std::vector<double> losses[2];
  for (const bool little : {false, true}) {
    CohortTrainer trainer(data_, plan_, table, {.rates = {1e-3, 1e15, 1e15}});
    std::vector<std::int32_t> members;
    std::int64_t bytes = 0;
    for (int m = 0; m < kMembers; ++m) {
      const std::int32_t width = m == 0 ? 240 : 8;
      TrainerOptions options;
      options.widths = {width};
      options.seed = 1 + members.size();
      members.push_back(trainer.Enter(options));
      bytes += trainer.Bytes(options.widths);
    }
    // Of the workspaces in the sum two are needed.
    bytes -= (kMembers - 2) * static_cast<std::int64_t>(BatchedProducts::kWorkspaceBytes);
    if (little) emulation::SetMemory(emulation::LiveBytes() + static_cast<std::size_t>(bytes));
    for (const CohortLoss &loss : trainer.Train(members, 1, interrupt_)) {
      losses[little].push_back(loss.loss);
    }
    EXPECT_EQ(trainer.groups(), little ? 2U : 1U);
    emulation::SetMemory(kMemory);
  }
  for (std::size_t m = 0; m < losses[0].size(); ++m) {
    EXPECT_NEAR(losses[1][m], losses[0][m], 1e-3 * losses[0][m]);  // TF32
  }
}

TEST_F(CohortMemory, TooLittleOfItIsAnErrorThatSaysHowMuchWasNeeded) {
  Start();
  trainer_->Train({{members_[0]}}, 2, interrupt_);
  emulation::SetMemory(emulation::LiveBytes() + (1 << 20));
  try {
    trainer_->Train(members_, 1, interrupt_);
    FAIL() << "three groups were put where one has room";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kOutOfMemory);
    EXPECT_NE(error.detail().find("3 networks need"), std::string::npos) << error.detail();
  }
  // Nobody changed, and with room they train.
  emulation::SetMemory(kMemory);
  EXPECT_EQ(trainer_->Steps(members_[0]), 2);
  trainer_->Train(members_, 1, interrupt_);
  EXPECT_EQ(trainer_->Steps(members_[0]), 3);
}

// Whatever call fails, and whenever: an Error, and no byte is kept.
TEST_F(CohortMemory, AnyFailureOfTheCardIsAnErrorAndLeavesNothing) {
  std::int64_t failures = 0;
  for (std::int64_t call = 1; call < 2'000; call += 1 + call / 8) {
    try {
      emulation::FailAfter(call, static_cast<cudaError_t>(call % 2 == 0 ? 719 : 2));
      Start();
      trainer_->Train(members_, 5, interrupt_);
      trainer_->Judge(members_, interrupt_);
      trainer_->Fold(members_[1]);
    } catch (const Error &error) {
      ++failures;
      EXPECT_TRUE(error.kind() == ErrorKind::kDevice || error.kind() == ErrorKind::kOutOfMemory);
    }
    emulation::FailAfter(0, static_cast<cudaError_t>(0));
    trainer_.reset();
    members_.clear();
    EXPECT_EQ(emulation::LiveBytes(), before_) << "call " << call;
  }
  EXPECT_GT(failures, 20);
}

}  // namespace
}  // namespace trails
