// Where the phases of a call run: what was asked for, what the card can do, what would be faster.
#include "core/placement/placer.h"

#include <gtest/gtest.h>

#include <stop_token>
#include <string>

#include "test_cards.h"
#include "trails/error.h"

namespace trails {
namespace {

// So many candidates of 256-128 that train `steps` mini-batches of 1,024 rows.
RungWork Rung(std::size_t candidates, std::int64_t steps) {
  RungWork rung;
  rung.shape = {
      .batch = 1024, .slots_per_row = 43, .inputs = 430, .outputs = 2, .embedding_numbers = 23'000};
  rung.candidates.assign(candidates, {256, 128});
  rung.steps = steps;
  rung.look_rows = 10'000;
  rung.table_bytes = 17'000'000;
  return rung;
}

CostModel MustNotBeAsked() {
  ADD_FAILURE() << "a cost model was asked for";
  return CostModel(TableShape{});
}

class PlacerTest : public testing::Test {
 protected:
  PlacerTest() { options_.threads = 4; }

  Placement Place(const std::string &library, const PlacedWork &work,
                  const std::function<CostModel()> &calibrate = MustNotBeAsked) {
    CardLibrary cards(CardFolder(library));
    Placer placer(options_, control_, &cards);
    const Placement placement = placer.Place(work, calibrate);
    EXPECT_EQ(placer.card() != nullptr, placement.device != Device::kCpu);
    return placement;
  }

  SelectionOptions options_;
  RunControl control_;
  const PlacedWork large_{.rung = Rung(24, 800), .filtering = std::nullopt};
  const PlacedWork small_{.rung = Rung(2, 20), .filtering = std::nullopt};
};

TEST_F(PlacerTest, TheCpuNeedsNoLibrary) {
  options_.device = Device::kCpu;
  const Placement placement = Place("no such folder", large_);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_EQ(placement.reason, "as asked for");
}

TEST_F(PlacerTest, WhoInsistsGetsTheCardOrAnError) {
  for (const Device device : {Device::kCuda, Device::kHybrid}) {
    options_.device = device;
    const Placement placement = Place("usable", small_);
    EXPECT_EQ(placement.device, device);
    EXPECT_EQ(placement.card, "Card of Numbers");
    EXPECT_TRUE(placement.refines_on_card());
    EXPECT_EQ(placement.filters_on_card(), device == Device::kCuda);
    EXPECT_THROW(Place("refusing", small_), Error);
    EXPECT_THROW(Place("no such folder", small_), Error);
  }
}

TEST_F(PlacerTest, WhatNoKernelScoresIsLeftToTheCpu) {
  options_.device = Device::kCuda;
  const auto of = [&](Tfmem tfmem) {
    return Place("usable", {.rung = Rung(2, 20), .filtering = FilteringWork{.tfmem = tfmem}});
  };
  EXPECT_EQ(of(Tfmem::kNasWot).device, Device::kCuda);
  EXPECT_EQ(of(Tfmem::kRandom).device, Device::kCuda);  // nothing to compute
  const Placement hybrid = of(Tfmem::kGradNorm);
  EXPECT_EQ(hybrid.device, Device::kHybrid);
  EXPECT_NE(hybrid.reason.find("grad_norm"), std::string::npos) << hybrid.reason;
}

TEST_F(PlacerTest, AutoWithoutALibraryIsTheCpu) {
  const Placement placement = Place("no such folder", large_);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_EQ(placement.reason, "this build has no CUDA");
}

TEST_F(PlacerTest, AutoOpensNoCardForLittle) {
  // A library that could only fail is not even asked.
  const Placement placement = Place("refusing", small_);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_NE(placement.reason.find("too little"), std::string::npos) << placement.reason;
}

TEST_F(PlacerTest, AutoWithoutAUsableCardIsTheCpuAndSaysWhy) {
  const Placement placement = Place("refusing", large_);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_EQ(placement.reason,
            "no CUDA device can be used: The driver said: no CUDA-capable device is detected");
}

TEST_F(PlacerTest, AutoTakesTheCardWhereItIsFaster) {
  int asked = 0;
  const auto built_in = [&] {
    ++asked;
    return CostModel(large_.rung->shape);
  };
  const Placement placement = Place("usable", large_, built_in);
  EXPECT_EQ(placement.device, Device::kHybrid);
  EXPECT_EQ(placement.card, "Card of Numbers");
  EXPECT_EQ(asked, 1);
}

TEST_F(PlacerTest, AutoBelievesWhatWasMeasured) {
  const auto fast = [&] {
    CostModel cost(large_.rung->shape);
    for (int i = 0; i < 20; ++i) cost.Learn({256, 128}, 1'000, 1e-3);  // a microsecond each
    return cost;
  };
  const Placement placement = Place("usable", large_, fast);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_EQ(placement.card, "Card of Numbers");  // that was weighed
}

TEST_F(PlacerTest, AFixedPlanDoesNotLookAtTheClock) {
  options_.n = 100;
  options_.k = 24;
  options_.u = 4;
  EXPECT_EQ(Place("usable", large_).device, Device::kHybrid);
}

TEST_F(PlacerTest, AutoLeavesTheCardToOthersWhenItsMemoryIsShort) {
  PlacedWork huge = large_;
  huge.rung->table_bytes = std::int64_t{2} << 30;
  const Placement placement = Place("usable", huge);
  EXPECT_EQ(placement.device, Device::kCpu);
  EXPECT_NE(placement.reason.find("MB are free"), std::string::npos) << placement.reason;
}

TEST_F(PlacerTest, AutoScoresOnTheCardOnlyWhatIsWorthIt) {
  const auto alone = [](std::int64_t candidates) {
    return PlacedWork{
        .rung = std::nullopt,
        .filtering = FilteringWork{.tfmem = Tfmem::kNasWot, .candidates = candidates, .banks = 2}};
  };
  EXPECT_EQ(Place("refusing", alone(160'000)).device, Device::kCpu);
  EXPECT_EQ(Place("usable", alone(5'000'000)).device, Device::kCuda);
}

TEST_F(PlacerTest, ACancelEndsTheWait) {
  std::stop_source stop;
  stop.request_stop();
  control_.stop = stop.get_token();
  try {
    (void)Place("usable", large_);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

}  // namespace
}  // namespace trails
