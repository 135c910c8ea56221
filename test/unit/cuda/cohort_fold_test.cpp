#include "kernels/cohort_fold.h"

#include <algorithm>

#include "cohort_table.h"

namespace trails::kernels {
namespace {

TEST(CohortFold, OfTheTableEqualsTheCpu) {
  const CardStream stream;
  const CohortTable table(20, 4);
  const TableOnCard on_card(table, stream);
  RandomStream random(2);
  const std::vector<float> averages =
      RandomFloats(2LL * table.plan.table_rows * kCohortWidth, 1, &random);
  std::vector<float> folded(averages.size());
  CohortFoldTableCpu(2, table.layout.Host(), averages.data(), folded.data());
  const auto averages_on_card = OnCard(averages, stream);
  const auto folded_on_card = Poisoned<float>(averages_on_card.size(), stream);
  CohortFoldTableCuda(2, on_card.fields, averages_on_card.data(), folded_on_card.data(),
                      stream.get());
  ExpectSameBits(folded_on_card.Download(stream), folded, "folded table");
  EXPECT_EQ(folded.front(), averages.front());  // a category
}

TEST(CohortFold, OfALayerEqualsTheCpuAndLeavesPaddingZero) {
  const CardStream stream;
  RandomStream random(6);
  const std::int32_t members = 3, padded = 16, inputs = 40;
  std::vector<float> weight = RandomFloats(members * padded * inputs, 1, &random),
                     gamma = RandomFloats(members * padded, 1, &random),
                     beta = RandomFloats(members * padded, 1, &random),
                     mean = RandomFloats(members * padded, 1, &random),
                     var = RandomFloats(members * padded, 1, &random);
  for (float &v : var) v = std::fabs(v);
  for (std::size_t unit = 16 + 11; unit < 32; ++unit) {  // of member 1
    gamma[unit] = beta[unit] = mean[unit] = var[unit] = 0;
    std::fill_n(weight.begin() + static_cast<std::ptrdiff_t>(unit) * inputs, inputs, 0.0f);
  }
  std::vector<float> folded(weight.size()), bias(gamma.size());
  CohortFoldLayerCpu(members, padded, inputs,
                     {weight.data(), gamma.data(), beta.data(), mean.data(), var.data()},
                     folded.data(), bias.data());
  const auto weight_on_card = OnCard(weight, stream), gamma_on_card = OnCard(gamma, stream),
             beta_on_card = OnCard(beta, stream), mean_on_card = OnCard(mean, stream),
             var_on_card = OnCard(var, stream);
  const auto folded_on_card = Poisoned<float>(weight_on_card.size(), stream);
  const auto bias_on_card = Poisoned<float>(gamma_on_card.size(), stream);
  CohortFoldLayerCuda(members, padded, inputs,
                      {weight_on_card.data(), gamma_on_card.data(), beta_on_card.data(),
                       mean_on_card.data(), var_on_card.data()},
                      folded_on_card.data(), bias_on_card.data(), stream.get());
  ExpectSameBits(folded_on_card.Download(stream), folded, "folded weight");
  ExpectSameBits(bias_on_card.Download(stream), bias, "bias");
  for (std::size_t unit = 16 + 11; unit < 32; ++unit) EXPECT_EQ(bias[unit], 0.0f);
}

TEST(CohortFold, BiasAndRectifierEqualTheCpu) {
  const CardStream stream;
  RandomStream random(7);
  for (const std::int64_t rows : {1, 37}) {
    std::vector<float> y = RandomFloats(5 * rows * 24, 1, &random);
    const std::vector<float> bias = RandomFloats(5 * 24, 1, &random);
    const auto y_on_card = OnCard(y, stream), bias_on_card = OnCard(bias, stream);
    CohortBiasReluCpu(5, rows, 24, bias.data(), y.data());
    CohortBiasReluCuda(5, rows, 24, bias_on_card.data(), y_on_card.data(), stream.get());
    ExpectSameBits(y_on_card.Download(stream), y, "activation");
  }
}

TEST(CohortFold, PredictionsGoWhereTheirMembersBlockBelongs) {
  const CardStream stream;
  RandomStream random(8);
  for (const std::int32_t outputs : {1, 2, 8, 9, 70}) {
    const std::int64_t rows = 53, all = 100 * outputs;
    const std::vector<float> logits = RandomFloats(3 * rows * outputs, 4, &random),
                             bias = RandomFloats(3 * outputs, 1, &random);
    std::vector<float> predictions(static_cast<std::size_t>(3 * all), -1.0f);
    const auto predictions_on_card = OnCard(predictions, stream),
               bias_on_card = OnCard(bias, stream), logits_on_card = OnCard(logits, stream);
    const std::int64_t first = 47 * outputs;  // of the last block
    CohortPredictCpu(3, rows, outputs, 200.5, 31.25, bias.data(), logits.data(), all,
                     predictions.data() + first);
    CohortPredictCuda(3, rows, outputs, 200.5, 31.25, bias_on_card.data(), logits_on_card.data(),
                      all, predictions_on_card.data() + first, stream.get());
    const std::vector<float> got = predictions_on_card.Download(stream);
    if (outputs == 1) ExpectSameBits(got, predictions, "prediction");
    ExpectNear(got, predictions, 1e-30, 8e-7, "prediction");
    EXPECT_EQ(got.front(), -1.0f);
  }
}

}  // namespace
}  // namespace trails::kernels
