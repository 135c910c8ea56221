// The nets of the golden file, drawn again from the stream.
//
// May touch: src/core/filtering, src/core/random.h, nlohmann-json.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>
#include <nlohmann/json.hpp>

#include "core/filtering/tfmem.h"
#include "core/random.h"

namespace trails {

using nlohmann::json;

// A golden net and its batch.
struct GoldenNet {
  InitialWeights weights;         // with the case's dead units
  std::vector<float> embedding;   // [nfeat, nemb]
  std::vector<std::int64_t> ids;  // [batch, nfield]
  std::vector<float> values;      // [batch, nfield]
  std::vector<std::int64_t> labels;
  std::vector<float> delta;  // [4, inputs]
  std::int64_t nfield = 0;
  std::int64_t nemb = 0;
  std::int64_t batch = 0;

  // What the first layer sees, [batch, nfield * nemb]: products that a float would round.
  std::vector<double> Inputs() const {
    std::vector<double> inputs;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      for (std::int64_t e = 0; e < nemb; ++e) {
        const auto at = static_cast<std::size_t>(ids[i] * nemb + e);
        inputs.push_back(static_cast<double>(embedding[at]) * static_cast<double>(values[i]));
      }
    }
    return inputs;
  }
};

template <typename T>
void CopyFirstRow(std::vector<T> *rows, std::int64_t columns) {
  for (std::size_t i = static_cast<std::size_t>(columns); i < rows->size(); ++i) {
    (*rows)[i] = (*rows)[i - static_cast<std::size_t>(columns)];
  }
}

inline void DrawBatch(const json &golden, std::uint64_t seed, GoldenNet *net) {
  const std::int64_t nfeat = golden.at("nfeat");
  const std::int64_t nout = golden.at("nout");
  RandomStream ids(seed * 1000 + 50);
  RandomStream values(seed * 1000 + 51);
  const bool ones = golden.at("values") == "one";
  for (std::int64_t row = 0; row < net->batch; ++row) {
    for (std::int64_t field = 0; field < net->nfield; ++field) {
      const std::int64_t low = field * nfeat / net->nfield;
      const std::int64_t high = (field + 1) * nfeat / net->nfield;
      net->ids.push_back(low + static_cast<std::int64_t>(
                                   std::floor(ids.Uniform() * static_cast<double>(high - low))));
      net->values.push_back(ones ? 1.0f : static_cast<float>(3 * values.Uniform() - 1));
    }
  }
  if (golden.at("rows") == "identical") {
    CopyFirstRow(&net->ids, net->nfield);
    CopyFirstRow(&net->values, net->nfield);
  }
  RandomStream labels(seed * 1000 + 52);
  for (std::int64_t row = 0; row < net->batch; ++row) {
    const auto label =
        static_cast<std::int64_t>(std::floor(labels.Uniform() * static_cast<double>(nout)));
    net->labels.push_back(golden.at("labels") == "zero" ? 0 : label);
  }
  net->delta = DrawPerturbation(static_cast<std::int32_t>(net->nfield * net->nemb), seed);
}

// The net of one case of the file.
inline GoldenNet DrawNet(const json &golden) {
  GoldenNet net;
  net.nfield = golden.at("nfield");
  net.nemb = golden.at("nemb");
  net.batch = golden.at("batch");
  const std::uint64_t seed = golden.at("seed");
  const std::int64_t nfeat = golden.at("nfeat");
  RandomStream embedding(seed * 1000);
  const double bound = std::sqrt(6.0 / static_cast<double>(nfeat + net.nemb));
  for (std::int64_t i = 0; i < nfeat * net.nemb; ++i) {
    net.embedding.push_back(embedding.Symmetric(bound));
  }
  net.weights =
      DrawWeights(golden.at("hidden").get<HiddenWidths>(),
                  static_cast<std::int32_t>(net.nfield * net.nemb), golden.at("nout"), seed);
  if (!golden.at("dead").is_null()) {
    const std::size_t layer = golden["dead"].at("layer").get<std::size_t>() - 1;
    const auto in = static_cast<std::size_t>(net.weights.dims[layer]);
    const std::size_t every = golden["dead"].at("every");
    for (std::size_t unit = 0; unit < net.weights.bias[layer].size(); unit += every) {
      for (std::size_t i = 0; i < in; ++i) net.weights.weight[layer][unit * in + i] = 0;
      net.weights.bias[layer][unit] = -1;
    }
  }
  DrawBatch(golden, seed, &net);
  return net;
}

}  // namespace trails
