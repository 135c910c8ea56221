#include "kernels/cohort_order.h"

#include "core/refinement/batch_order.h"
#include "on_card.h"

namespace trails::kernels {
namespace {

// All epochs' rows of one member as the CPU's trainer sees them.
std::vector<std::int32_t> Epoch(BatchOrder *order) {
  std::vector<std::int32_t> seen;
  for (std::int64_t step = 0; step < order->steps_per_epoch(); ++step) {
    const std::int32_t *const batch = order->Next();
    seen.insert(seen.end(), batch, batch + order->batch());
  }
  return seen;
}

TEST(CohortOrder, IsTheOrderOfEachMembersOwnTrainer) {
  const CardStream stream;
  for (const std::int32_t count : {1, 20, 128, 129, 1'000, 4'097, 30'000}) {
    std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
    for (std::int32_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = 7 + 3 * i;
    const CardArray<std::int32_t> rows_on_card = OnCard(rows, stream);
    for (const std::int32_t batch : {1, 7, 128}) {
      if (batch > count) continue;
      const std::vector<std::uint64_t> seeds = {5, 0x123456789ABCDEFULL, ~0ULL};
      const CohortOrderShape shape = {3, count, batch};
      std::vector<BatchOrder> orders;
      for (const std::uint64_t seed : seeds) orders.emplace_back(rows, batch, seed);
      ASSERT_EQ(shape.steps_per_epoch(), orders.front().steps_per_epoch());
      const CardArray<std::uint64_t> seeds_on_card = OnCard(seeds, stream);
      const CardArray<std::int32_t> counts(shape.scratch());
      for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        const auto order = Poisoned<std::int32_t>(3 * shape.epoch_rows(), stream);
        CohortOrderCuda(shape, rows_on_card.data(), seeds_on_card.data(), epoch, counts.data(),
                        order.data(), stream.get());
        std::vector<std::int32_t> expected;
        for (BatchOrder &of_member : orders) {
          const std::vector<std::int32_t> part = Epoch(&of_member);
          expected.insert(expected.end(), part.begin(), part.end());
        }
        ExpectSameBits(order.Download(stream), expected, "row");
      }
    }
  }
}

// More tiles before the last ones than a block has threads.
TEST(CohortOrder, OfAMillionRowsIsTheTrainers) {
  const CardStream stream;
  std::vector<std::int32_t> rows(1'100'000);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
  const CohortOrderShape shape = {1, 1'100'000, 2'048};
  ASSERT_GT(shape.tiles(), 256);
  const auto rows_on_card = OnCard(rows, stream);
  const auto seed = OnCard(std::vector<std::uint64_t>{42}, stream);
  const CardArray<std::int32_t> counts(shape.scratch());
  const auto order = Poisoned<std::int32_t>(shape.epoch_rows(), stream);
  CohortOrderCuda(shape, rows_on_card.data(), seed.data(), 0, counts.data(), order.data(),
                  stream.get());
  BatchOrder expected(rows, shape.batch, 42);
  ExpectSameBits(order.Download(stream), Epoch(&expected), "row");
}

}  // namespace
}  // namespace trails::kernels
