#include "core/intermediates/parameter_change.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "core/intermediates/layers.h"
#include "trails/error.h"

namespace trails {

namespace {

using Parts = std::vector<std::span<const float>>;

Parts ParametersOf(const Model &model, const Layer &layer) {
  if (layer.network < 0) return {};
  const Network &network = model.networks.at(static_cast<std::size_t>(layer.network));
  const auto dense = [&](std::size_t index) {
    const DenseLayer &found = network.layers.at(index);
    return Parts{found.weight, found.bias};
  };
  switch (layer.kind) {
    case LayerKind::kEmbedding: return {network.table};
    case LayerKind::kBefore: return dense(static_cast<std::size_t>(layer.depth - 1));
    case LayerKind::kLogits:
      if (network.layers.empty()) return {network.table, network.bias};
      return dense(network.layers.size() - 1);
    case LayerKind::kHidden:
    case LayerKind::kPrediction:
    case LayerKind::kLoss: return {};
  }
  return {};
}

}  // namespace

ParameterChange ChangeOf(const Model &a, const Model &b, std::string_view layer) {
  const std::vector<Layer> layers_a = LayersOf(a);
  const std::vector<Layer> layers_b = LayersOf(b);
  const Parts parts_a = ParametersOf(a, layers_a[FindLayer(layers_a, layer)]);
  const Parts parts_b = ParametersOf(b, layers_b[FindLayer(layers_b, layer)]);
  ParameterChange change;
  double difference = 0;
  double squares_a = 0;
  double squares_b = 0;
  double product = 0;
  bool are_alike = parts_a.size() == parts_b.size();
  for (std::size_t part = 0; are_alike && part < parts_a.size(); ++part) {
    are_alike = parts_a[part].size() == parts_b[part].size();
    if (!are_alike) break;
    change.parameters += static_cast<std::int64_t>(parts_a[part].size());
    for (std::size_t i = 0; i < parts_a[part].size(); ++i) {
      const double x = parts_a[part][i];
      const double y = parts_b[part][i];
      difference += (y - x) * (y - x);
      squares_a += x * x;
      squares_b += y * y;
      product += x * y;
    }
  }
  if (!are_alike) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("layer \"{}\" has other parameters in the two models", layer));
  }
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  change.l2 = change.parameters == 0 ? kNone : std::sqrt(difference);
  change.relative_l2 = squares_a > 0 ? std::sqrt(difference / squares_a) : kNone;
  change.cosine =
      squares_a > 0 && squares_b > 0 ? product / std::sqrt(squares_a * squares_b) : kNone;
  return change;
}

}  // namespace trails
