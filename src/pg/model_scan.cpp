#include "pg/model_scan.h"

#include <algorithm>
#include <vector>

namespace trails::pg {

static_assert(kScanRows % Predictor::kBlockRows == 0, "no block is predicted in part");

std::int32_t LargestOutput(const float *outputs, std::int32_t count) noexcept {
  return static_cast<std::int32_t>(std::max_element(outputs, outputs + count) - outputs);
}

void PredictRelation(LoadedModel &model, const ScanRequest &request,
                     const std::function<void(const PredictedBlock &)> &sink) {
  const std::int32_t outputs = model.predictor.outputs();
  std::vector<float> predictions(static_cast<std::size_t>(kScanRows) * outputs);
  ScanEncoded(model.model(), model.row.name, request, [&](const EncodedBlock &block) {
    model.predictor.Predict(block.ids, block.values, block.rows, predictions.data());
    PredictedBlock predicted;
    predicted.rows = block.rows;
    predicted.outputs = outputs;
    predicted.predictions = predictions.data();
    predicted.keys = block.keys;
    predicted.key_is_null = block.key_is_null;
    predicted.target = block.target;
    sink(predicted);
  });
}

}  // namespace trails::pg
