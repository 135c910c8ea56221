#include "kernels/cohort_gather.h"

#include "cohort_table.h"
#include "kernels/gather_fields.h"

namespace trails::kernels {
namespace {

constexpr std::int32_t kPadded = 96;  // of nine fields of ten

class CohortGather : public ::testing::Test {
 protected:
  std::int64_t table_numbers() const {
    return std::int64_t{shape_.members} * table_.plan.table_rows * kCohortWidth;
  }
  std::int64_t slot_count() const {
    return std::int64_t{shape_.members} * table_.plan.fields * shape_.batch;
  }
  std::int64_t weight_count() const {
    return 2LL * shape_.members * table_.plan.numeric() * shape_.batch;
  }
  std::vector<std::int32_t> RandomRows(std::int64_t count) {
    std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
    for (std::int32_t &row : rows) row = static_cast<std::int32_t>(random_.Below(table_.rows));
    return rows;
  }

  CardStream stream_;
  CohortTable table_{700, 11};
  TableOnCard on_card_{table_, stream_};
  CohortShape shape_{3, 301};
  RandomStream random_{17};
  CohortStep step_{.position = 2};
  std::vector<std::int32_t> order_ = RandomRows(3 * 4 * 301);
  CohortRows rows_{order_.data(), 4 * 301, &step_};
};

TEST_F(CohortGather, EqualsTheCpu) {
  const std::vector<float> table = RandomFloats(table_numbers(), 1, &random_);
  std::vector<float> knots(table.size(), 0.0f);
  std::vector<float> input(static_cast<std::size_t>(3 * 301 * kPadded));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(slot_count()));
  std::vector<float> weights(static_cast<std::size_t>(weight_count()));
  CohortCumulateCpu(3, table_.layout.Host(), table.data(), knots.data());
  CohortGatherCpu(shape_, table_.layout.Host(), table_.records.data(), rows_, table.data(),
                  knots.data(), kPadded, input.data(), {ids.data(), weights.data()});

  const CardArray<float> table_on_card = OnCard(table, stream_);
  const CardArray<std::int32_t> order_on_card = OnCard(order_, stream_);
  const CardArray<CohortStep> step = OnCard(std::vector<CohortStep>{step_}, stream_);
  const CardArray<float> knots_on_card(table_numbers());
  knots_on_card.Clear(stream_);
  const auto input_on_card = Poisoned<float>(3 * 301 * kPadded, stream_);
  const auto ids_on_card = Poisoned<std::int32_t>(slot_count(), stream_);
  const auto weights_on_card = Poisoned<float>(weight_count(), stream_);
  CohortCumulateCuda(3, on_card_.fields, table_on_card.data(), knots_on_card.data(), stream_.get());
  CohortGatherCuda(shape_, on_card_.fields, on_card_.records.data(),
                   {order_on_card.data(), 4 * 301, step.data()}, table_on_card.data(),
                   knots_on_card.data(), kPadded, input_on_card.data(),
                   {ids_on_card.data(), weights_on_card.data()}, stream_.get());
  ExpectSameBits(knots_on_card.Download(stream_), knots, "knot");
  ExpectSameBits(input_on_card.Download(stream_), input, "input");
  ExpectSameBits(ids_on_card.Download(stream_), ids, "id");
  ExpectSameBits(weights_on_card.Download(stream_), weights, "weight");
  for (std::int64_t row = 0; row < 3 * 301; ++row) {  // padding
    for (std::int64_t i = 90; i < kPadded; ++i) {
      ASSERT_EQ(input[static_cast<std::size_t>(row * kPadded + i)], 0.0f);
    }
  }
}

TEST_F(CohortGather, OfTheSameRowsForAllKeepsNothingUnlessAsked) {
  const std::vector<float> table = RandomFloats(table_numbers(), 1, &random_);
  const std::vector<std::int32_t> valid = RandomRows(3'000);
  const CohortShape shape = {3, 3'000};
  std::vector<float> input(static_cast<std::size_t>(3 * 3'000 * kPadded));
  CohortGatherCpu(shape, table_.layout.Host(), table_.records.data(), {valid.data(), 0, nullptr},
                  table.data(), table.data(), kPadded, input.data(), {});
  const CardArray<float> table_on_card = OnCard(table, stream_);
  const CardArray<std::int32_t> valid_on_card = OnCard(valid, stream_);
  const auto input_on_card = Poisoned<float>(3 * 3'000 * kPadded, stream_);
  CohortGatherCuda(shape, on_card_.fields, on_card_.records.data(),
                   {valid_on_card.data(), 0, nullptr}, table_on_card.data(), table_on_card.data(),
                   kPadded, input_on_card.data(), {}, stream_.get());
  ExpectSameBits(input_on_card.Download(stream_), input, "input");
}

TEST_F(CohortGather, GradientEqualsTheTwinsBitForBitAndTheTrainersNearly) {
  const std::vector<float> table = RandomFloats(table_numbers(), 1, &random_);
  std::vector<float> input(static_cast<std::size_t>(3 * 301 * kPadded));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(slot_count()));
  std::vector<float> weights(static_cast<std::size_t>(weight_count()));
  const CardFields fields = table_.layout.Host();
  CohortGatherCpu(shape_, fields, table_.records.data(), rows_, table.data(), table.data(), kPadded,
                  input.data(), {ids.data(), weights.data()});
  const std::vector<float> input_gradient = RandomFloats(3 * 301 * kPadded, 0.01, &random_);
  std::vector<std::int64_t> sums(table.size(), 0);
  std::vector<std::int32_t> diverged(3, 0);
  std::vector<float> gradient(table.size());
  CohortScatterCpu(shape_, fields, {ids.data(), weights.data()}, input_gradient.data(), kPadded,
                   sums.data(), diverged.data());

  CardArray<std::int32_t> ids_on_card = OnCard(ids, stream_);
  CardArray<float> weights_on_card = OnCard(weights, stream_);
  const CardArray<float> input_gradient_on_card = OnCard(input_gradient, stream_);
  const CardArray<std::int64_t> sums_on_card(table_numbers());
  const CardArray<std::int32_t> diverged_on_card(3);
  const auto gradient_on_card = Poisoned<float>(table_numbers(), stream_);
  sums_on_card.Clear(stream_);
  diverged_on_card.Clear(stream_);
  for (int step = 0; step < 2; ++step) {  // the second finds the sums as the first left them
    CohortScatterCuda(shape_, on_card_.fields, {ids_on_card.data(), weights_on_card.data()},
                      input_gradient_on_card.data(), kPadded, sums_on_card.data(),
                      diverged_on_card.data(), stream_.get());
    if (step == 0) ExpectSameBits(sums_on_card.Download(stream_), sums, "sum");
    CohortTableGradientCuda(3, on_card_.fields, sums_on_card.data(), gradient_on_card.data(),
                            stream_.get());
    if (step == 0) CohortTableGradientCpu(3, fields, sums.data(), gradient.data());
    ExpectSameBits(gradient_on_card.Download(stream_), gradient, "gradient");
    ExpectSameBits(sums_on_card.Download(stream_), sums, "cleared sum");
  }
  EXPECT_EQ(diverged_on_card.Download(stream_), std::vector<std::int32_t>(3, 0));

  // The trainer's own way, member by member.
  const std::int64_t numbers = table_.plan.table_rows * std::int64_t{kCohortWidth};
  for (std::int64_t m = 0; m < 3; ++m) {
    const std::int32_t *const rows = order_.data() + m * 4 * 301 + 2 * 301;
    std::vector<LocatedNumber> located(static_cast<std::size_t>(301 * table_.plan.numeric()));
    std::vector<float> unpadded(static_cast<std::size_t>(301 * 90)),
        of_trainer(static_cast<std::size_t>(numbers));
    GatherFieldsCpu(table_.plan, table_.ids.data(), table_.values.data(), rows, 301,
                    table.data() + m * numbers, kCohortWidth, unpadded.data(), located.data());
    for (std::int64_t b = 0; b < 301; ++b) {
      std::copy_n(input_gradient.data() + (m * 301 + b) * kPadded, 90, unpadded.data() + b * 90);
    }
    ScatterFieldsCpu(table_.plan, {0, table_.plan.fields}, table_.ids.data(), located.data(), rows,
                     301, unpadded.data(), kCohortWidth, of_trainer.data());
    CumulateKnotsBackwardCpu(table_.plan, kCohortWidth, of_trainer.data());
    // Of up to 300 terms of 0.01, some times a value of 100: floats round to 1e-6 of the largest.
    const std::vector<float> of_member(gradient.begin() + m * numbers,
                                       gradient.begin() + (m + 1) * numbers);
    ExpectNear(of_member, of_trainer, 1e-4, 1e-5, "gradient of the trainer");
  }
}

TEST_F(CohortGather, AGradientOutOfRangeMarksItsMemberOnly) {
  shape_ = {2, 5};
  std::vector<std::int32_t> ids(static_cast<std::size_t>(slot_count()), 0);
  std::vector<float> weights(static_cast<std::size_t>(weight_count()), 0.5f);
  const std::vector<RecordSlot> &slots = table_.layout.slots();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const RecordSlot &slot = slots[i / 5 % slots.size()];
    ids[i] = slot.number < 0 ? slot.ids.first : LocatedNumber::kNoKnots;
  }
  for (const float wrong : {3'000.0f, std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::infinity()}) {
    std::vector<float> input_gradient(2 * 5 * kPadded, 0.25f);
    input_gradient[5 * kPadded + 2 * kPadded + 24] = wrong;  // member 1, a category
    std::vector<std::int64_t> sums(static_cast<std::size_t>(table_numbers()), 0);
    std::vector<std::int32_t> diverged(2, 0);
    CohortScatterCpu(shape_, table_.layout.Host(), {ids.data(), weights.data()},
                     input_gradient.data(), kPadded, sums.data(), diverged.data());
    EXPECT_EQ(diverged, (std::vector<std::int32_t>{0, 1}));
    CardArray<std::int32_t> ids_on_card = OnCard(ids, stream_);
    CardArray<float> weights_on_card = OnCard(weights, stream_);
    const CardArray<float> input_gradient_on_card = OnCard(input_gradient, stream_);
    const CardArray<std::int64_t> sums_on_card(table_numbers());
    const CardArray<std::int32_t> diverged_on_card(2);
    sums_on_card.Clear(stream_);
    diverged_on_card.Clear(stream_);
    CohortScatterCuda(shape_, on_card_.fields, {ids_on_card.data(), weights_on_card.data()},
                      input_gradient_on_card.data(), kPadded, sums_on_card.data(),
                      diverged_on_card.data(), stream_.get());
    ExpectSameBits(sums_on_card.Download(stream_), sums, "sum");
    EXPECT_EQ(diverged_on_card.Download(stream_), diverged);
  }
}

TEST(CohortRecord, KeepsEachIdInTheFewestBytes) {
  const CohortTable table(50, 3);
  const std::vector<RecordSlot> &slots = table.layout.slots();
  ASSERT_EQ(slots.size(), 9U);
  EXPECT_EQ(slots[0].bytes, 1);  // 3 ids
  EXPECT_EQ(slots[2].bytes, 1);  // 256
  EXPECT_EQ(slots[3].bytes, 2);  // 257
  EXPECT_EQ(slots[6].bytes, 4);  // 65,537
  // Five numbers and one category of 4 bytes, one of 2, two of 1.
  EXPECT_EQ(table.layout.record_bytes(), 28);
  for (const RecordSlot &slot : slots) EXPECT_EQ(slot.offset % slot.bytes, 0);
  EXPECT_EQ(slots[1].ids.count, 51);
  EXPECT_EQ(slots[5].ids.count, 3);
}

}  // namespace
}  // namespace trails::kernels
