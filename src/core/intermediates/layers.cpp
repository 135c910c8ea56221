#include "core/intermediates/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/model/forward_pass.h"
#include "trails/error.h"

namespace trails {

namespace {

// Appends the layers of one network; returns the operations up to its logits.
double AppendNetwork(const Model &model, std::int32_t index, std::vector<Layer> *layers) {
  const Network &network = model.networks[static_cast<std::size_t>(index)];
  const std::string prefix = model.networks.size() > 1 ? fmt::format("{}/", index + 1) : "";
  const std::int32_t steps = StepsOf(network);
  double flops = GatherFlops(model, network);
  const auto append = [&](const std::string &name, LayerKind kind, std::int32_t depth,
                          std::int32_t columns) {
    layers->push_back({prefix + name, kind, index, depth, columns, flops});
  };
  if (!network.layers.empty()) {
    append("embedding", LayerKind::kEmbedding, 0, network.layers.front().inputs);
  }
  for (std::int32_t depth = 1; depth < steps; ++depth) {
    flops += StepFlops(model, network, depth - 1);
    const std::int32_t units = network.layers[static_cast<std::size_t>(depth - 1)].outputs;
    append(fmt::format("hidden{}_before", depth), LayerKind::kBefore, depth, units);
    append(fmt::format("hidden{}", depth), LayerKind::kHidden, depth, units);
  }
  flops += StepFlops(model, network, steps - 1);
  append("logits", LayerKind::kLogits, 0, model.target.outputs());
  return flops;
}

// The names, of many networks those of the first and of the whole model.
std::string NamesHint(const std::vector<Layer> &layers) {
  std::string names;
  std::int32_t networks = 0;
  for (const Layer &layer : layers) {
    networks = std::max(networks, layer.network + 1);
    if (layer.network <= 0) names += fmt::format("{}{}", names.empty() ? "" : ", ", layer.name);
  }
  if (networks == 1) return fmt::format("Its layers are {}.", names);
  return fmt::format(
      "It is the mean of {} networks, each with layers of its own; those of the first and those of "
      "the mean are {}.",
      networks, names);
}

}  // namespace

std::vector<Layer> LayersOf(const Model &model) {
  std::vector<Layer> layers;
  double flops = 0;
  for (std::int32_t n = 0; n < std::ssize(model.networks); ++n) {
    flops += AppendNetwork(model, n, &layers);
  }
  flops += AnswerFlops(model);
  layers.push_back({"prediction", LayerKind::kPrediction, -1, 0, model.target.outputs(), flops});
  layers.push_back({"loss", LayerKind::kLoss, -1, 0, 1, flops});
  return layers;
}

std::size_t FindLayer(const std::vector<Layer> &layers, std::string_view name) {
  const bool has_one_network = std::none_of(layers.begin(), layers.end(),
                                            [](const Layer &layer) { return layer.network > 0; });
  const bool is_numbered = has_one_network && name.starts_with("1/");
  const std::string_view wanted = is_numbered ? name.substr(2) : name;
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const Layer &layer) {
    return layer.name == wanted && (!is_numbered || layer.network == 0);
  });
  if (found == layers.end()) {
    throw Error(ErrorKind::kUndefinedObject, fmt::format("layer \"{}\" does not exist", name), {},
                NamesHint(layers));
  }
  return static_cast<std::size_t>(found - layers.begin());
}

std::int64_t InputColumns(const Model &model) noexcept {
  return model.fields.categorical() + model.fields.numeric() + 1;
}

double GatherFlops(const Model &model, const Network &network) noexcept {
  return kGatheredFlops * static_cast<double>(model.fields.fields.size()) * network.embedding_width;
}

double StepFlops(const Model &model, const Network &network, std::int32_t step) noexcept {
  if (network.layers.empty()) {
    return static_cast<double>(model.fields.fields.size()) * model.target.outputs();
  }
  const DenseLayer &layer = network.layers[static_cast<std::size_t>(step)];
  return 2.0 * layer.inputs * layer.outputs;
}

double AnswerFlops(const Model &model) noexcept {
  const double of_one =
      model.target.task == Task::kRegression ? 2.0 : kProbabilityFlops * model.target.outputs();
  return of_one * static_cast<double>(model.networks.size());
}

}  // namespace trails
