// A stored model run as plain sums in double: what the passes over packed weights are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/model/model.h"

namespace trails {

struct SampleInput {
  std::vector<std::int32_t> ids;  // [rows, categorical]
  std::vector<float> values;      // [rows, numeric]
  std::int64_t categorical = 0;
  std::int64_t numeric = 0;
  std::int64_t rows = 0;

  const std::int32_t *ids_of(std::int64_t row) const { return ids.data() + row * categorical; }
  const float *values_of(std::int64_t row) const { return values.data() + row * numeric; }
};

inline SampleInput EncodeCells(const Fields &fields, const std::vector<std::vector<Cell>> &cells) {
  SampleInput input;
  input.categorical = fields.categorical();
  input.numeric = fields.numeric();
  input.rows = std::ssize(cells);
  input.ids.resize(static_cast<std::size_t>(input.rows * input.categorical));
  input.values.resize(static_cast<std::size_t>(input.rows * input.numeric));
  for (std::int64_t r = 0; r < input.rows; ++r) {
    fields.EncodeRow(cells[static_cast<std::size_t>(r)], input.ids.data() + r * input.categorical,
                     input.values.data() + r * input.numeric);
  }
  return input;
}

class SlowModel {
 public:
  explicit SlowModel(const Model &model) : model_(model), plan_(model.fields.Plan()) {}

  std::vector<double> Gather(const Network &network, const std::int32_t *ids,
                             const float *values) const {
    const std::int32_t width = network.embedding_width;
    std::vector<double> x(static_cast<std::size_t>(plan_.fields * width), 0.0);
    const auto add = [&](std::int32_t field, std::int32_t id, double factor) {
      for (std::int32_t w = 0; w < width; ++w) {
        x[field * width + w] += factor * static_cast<double>(network.table[id * width + w]);
      }
    };
    for (std::int32_t c = 0; c < plan_.categorical(); ++c) {
      add(plan_.categorical_fields[c], ids[c], 1);
    }
    for (std::int32_t n = 0; n < plan_.numeric(); ++n) {
      const kernels::NumericSlots &slots = plan_.numeric_fields[n];
      if (std::isnan(values[n])) {
        if (slots.null_id >= 0) add(slots.field, slots.null_id, 1);
        continue;
      }
      const double z = values[n];
      add(slots.field, slots.value_id, slots.soft_clip ? z / std::hypot(1, z / 3) : z);
      if (slots.knots == 0) continue;
      const float *const knots = plan_.knot_positions.data() + slots.first_knot;
      const double clipped =
          std::clamp<double>(z, knots[0], static_cast<double>(knots[slots.knots - 1]));
      std::int32_t j = 0;
      while (j + 2 < slots.knots && clipped >= static_cast<double>(knots[j + 1])) ++j;
      const double low = knots[j];
      const double t = (clipped - low) / (static_cast<double>(knots[j + 1]) - low);
      add(slots.field, slots.first_knot_id + j, 1 - t);
      add(slots.field, slots.first_knot_id + j + 1, t);
    }
    return x;
  }

  // x after the network's first `steps` layers. Without `relu` the last of them keeps its
  // negatives, as logits always do.
  static std::vector<double> Run(const Network &network, std::vector<double> x, std::size_t steps,
                                 bool relu) {
    if (network.layers.empty()) {
      std::vector<double> logits(network.bias.begin(), network.bias.end());
      for (std::size_t i = 0; i < x.size(); ++i) logits[i % logits.size()] += x[i];
      return logits;
    }
    for (std::size_t l = 0; l < steps; ++l) {
      const DenseLayer &layer = network.layers[l];
      const bool clips = l + 1 < network.layers.size() && (relu || l + 1 < steps);
      std::vector<double> y(layer.bias.begin(), layer.bias.end());
      for (std::size_t o = 0; o < y.size(); ++o) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          y[o] += static_cast<double>(layer.weight[o * x.size() + i]) * x[i];
        }
        if (clips) y[o] = std::max(y[o], 0.0);
      }
      x = std::move(y);
    }
    return x;
  }

  std::vector<double> Predict(const std::int32_t *ids, const float *values) const {
    std::vector<double> mean(static_cast<std::size_t>(model_.target.outputs()), 0.0);
    for (const Network &network : model_.networks) {
      const std::vector<double> answer =
          Answer(Run(network, Gather(network, ids, values), network.layers.size(), true));
      for (std::size_t o = 0; o < mean.size(); ++o) {
        mean[o] += answer[o] / static_cast<double>(model_.networks.size());
      }
    }
    return mean;
  }

 private:
  std::vector<double> Answer(std::vector<double> logits) const {
    if (model_.target.task == Task::kRegression) {
      return {model_.target.mean + model_.target.scale * logits[0]};
    }
    double total = 0;
    for (double &logit : logits) total += logit = std::exp(logit);
    for (double &logit : logits) logit /= total;
    return logits;
  }

  const Model &model_;
  kernels::FieldPlan plan_;
};

}  // namespace trails
