// A library like trails_cuda.so with a card made of numbers, which scores as the CPU does. It takes
// a moment to open, and tells how many cards are alive.
//
// May touch: src/core/placement, src/core/filtering.
#include <atomic>
#include <chrono>
#include <thread>

#include "core/placement/card.h"
#include "trails/error.h"

namespace trails {
namespace {

std::atomic<int> alive{0};

class NumbersCard final : public Card {
 public:
  NumbersCard() { ++alive; }
  ~NumbersCard() override { --alive; }

  CardFacts facts() const override {
    return {.name = "Card of Numbers",
            .major = 9,
            .minor = 0,
            .multiprocessors = 132,
            .clock_hz = 1.98e9,
            .bytes_per_second = 3.3e12,
            .total_bytes = std::int64_t{80} << 30,
            .free_bytes = std::int64_t{1} << 30,
            .driver = 13000,
            .runtime = 13000};
  }

  std::unique_ptr<Cohort> MakeCohort(const Dataset & /*data*/, const kernels::FieldPlan & /*plan*/,
                                     Precision /*precision*/, std::int32_t /*threads*/) override {
    throw Error(ErrorKind::kOutOfMemory, "out of memory on the card", "1 byte was asked for.");
  }

  SpaceScores ScoreFullSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                             const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                             std::uint64_t seed, std::int32_t bank, Clock::time_point until,
                             const RunControl &control) override {
    return trails::ScoreFullSpace(space, tfmems, batch, inputs, outputs, seed, bank, 1, until,
                                  control);
  }
};

}  // namespace
}  // namespace trails

extern "C" __attribute__((visibility("default"))) trails::Card *trails_cuda_open(
    int contract_version) {
  if (contract_version != trails::kCardContractVersion) return nullptr;
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  return new trails::NumbersCard;
}

extern "C" __attribute__((visibility("default"))) int cards_alive() {
  return trails::alive.load();
}
