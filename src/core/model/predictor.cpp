#include "core/model/predictor.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "trails/error.h"

namespace trails {

Predictor::Predictor(Model model, const std::stop_token &stop)
    : pass_(PackModel(std::make_shared<const Model>(std::move(model)), stop)) {}

std::int64_t Predictor::bytes() const noexcept {
  return pass_.packed().bytes() + pass_.bytes() +
         static_cast<std::int64_t>(row_ids_.capacity() * sizeof(std::int32_t) +
                                   row_values_.capacity() * sizeof(float));
}

void Predictor::PredictBlock(const std::int32_t *ids, const float *values, std::int64_t rows,
                             float *out) {
  pass_.Start(ids, values, rows);
  for (std::size_t n = 0; n < model().networks.size(); ++n) {
    pass_.Gather(n);
    for (std::int32_t step = 0; step < StepsOf(model().networks[n]); ++step) pass_.Step(true);
    pass_.AddAnswer();
  }
  pass_.WriteMeanAnswer(out);
}

void Predictor::Predict(const std::int32_t *ids, const float *values, std::int64_t count,
                        float *out) {
  const kernels::FieldPlan &plan = pass_.packed().plan;
  for (std::int64_t first = 0; first < count; first += kBlockRows) {
    PredictBlock(ids + first * plan.categorical(), values + first * plan.numeric(),
                 std::min(kBlockRows, count - first), out + first * outputs());
  }
}

void Predictor::PredictRow(std::span<const Cell> cells, float *out) {
  if (cells.size() != model().fields.columns.size()) {
    throw Error(ErrorKind::kInternal, "row has another number of cells than the model has columns");
  }
  row_ids_.resize(static_cast<std::size_t>(pass_.packed().plan.categorical()));
  row_values_.resize(static_cast<std::size_t>(pass_.packed().plan.numeric()));
  model().fields.EncodeRow(cells, row_ids_.data(), row_values_.data());
  PredictBlock(row_ids_.data(), row_values_.data(), 1, out);
}

}  // namespace trails
