// The layers of a stored model: the names under which its intermediates are asked for.
//
// A model of one network has, in the order in which a forward pass makes them,
//
//   embedding       gathered fields, fields * embedding width columns
//   hidden1_before  the first hidden layer before ReLU (BatchNorm is folded in)
//   hidden1         after it
//   ...
//   logits          the outputs before softmax, or standardised (regression)
//   prediction      class probabilities, or the number in the target's unit
//   loss            of the row: -ln of its class's probability (at most -ln 1e-15), or the squared
//                   error in the target's unit; NaN without a label
//
// The layers of a model that is the mean of several networks have the network's number before them,
// from 1: '2/hidden1', '2/logits'; its prediction and loss are those of the mean. A linear network
// has no embedding and no hidden layer.
//
// May touch: src/core/model, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model.h"

namespace trails {

enum class LayerKind : std::uint8_t {
  kEmbedding,
  kBefore,
  kHidden,
  kLogits,
  kPrediction,
  kLoss,
};

struct Layer {
  std::string name;
  LayerKind kind = LayerKind::kHidden;
  std::int32_t network = -1;  // index into Model::networks; -1: of the whole model
  std::int32_t depth = 0;     // kBefore and kHidden: hidden layers up to it, from 1
  std::int32_t columns = 0;
  // Operations of one row from the inputs to this layer, for the cost model: multiplications and
  // additions of the dense layers, kGatheredFlops a number of the embedding, kProbabilityFlops a
  // class and network of the prediction.
  double flops_per_row = 0;
};

// Operations of a dense layer that take as long, so that one rate serves all layers: 0.2 ns for a
// gathered number and 8 ns for a probability where dense layers run at 80 GFLOP/s (AVX-512).
inline constexpr double kGatheredFlops = 15;
inline constexpr double kProbabilityFlops = 600;

// All layers, in the order above, network by network. Cost: microseconds.
std::vector<Layer> LayersOf(const Model &model);

// The position of the layer of that name; '1/...' is understood for a model of one network too.
// Throws Error(kUndefinedObject) with a HINT that lists the names (of many networks those of the
// first, and how many there are).
std::size_t FindLayer(const std::vector<Layer> &layers, std::string_view name);

// Values of one logged row: ids, numbers, and the label.
std::int64_t InputColumns(const Model &model) noexcept;

// Operations of one row, as Layer::flops_per_row counts them: to gather the network's fields; in
// its layer `step`, from 0 to StepsOf(network) - 1; and from all networks' logits to the
// prediction.
double GatherFlops(const Model &model, const Network &network) noexcept;
double StepFlops(const Model &model, const Network &network, std::int32_t step) noexcept;
double AnswerFlops(const Model &model) noexcept;

}  // namespace trails
