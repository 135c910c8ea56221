// The TFMEMs' arithmetic, written once over rows of weights: drawn beforehand for the tests,
// drawn on the way for the filtering phase.
//
// May touch: src/core/space, src/core/random.h, src/kernels/simd.h, include/trails.
#include "core/filtering/tfmem.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/random.h"
#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr double kOnesRows = 4;  // rows of ones that SynFlow is defined on: a factor of the score

std::vector<std::int32_t> Dims(const HiddenWidths &hidden, std::int32_t inputs,
                               std::int32_t outputs) {
  std::vector<std::int32_t> dims{inputs};
  dims.insert(dims.end(), hidden.begin(), hidden.end());
  dims.push_back(outputs);
  return dims;
}

// Draws the next `count` numbers of `stream` into `row`, each by itself and not from the one before
// it: the loop becomes vector code, the numbers stay those of the stream.
TRAILS_SIMD void DrawRow(RandomStream *stream, double bound, float *row, std::int32_t count) {
  const RandomStream from = *stream;
  for (std::int32_t i = 0; i < count; ++i) {
    row[i] = from.After(static_cast<std::uint64_t>(i)).Symmetric(bound);
  }
  *stream = from.After(static_cast<std::uint64_t>(count));
}

// Sums of doubles in a fixed order of eight partial sums: fast without -ffast-math, and the same
// on every machine.
constexpr std::int32_t kLanes = 8;

inline double AddLanes(const double (&lanes)[kLanes]) noexcept {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// sum_i |row_i| x_i
TRAILS_SIMD double AbsoluteDot(const float *row, const double *x, std::int32_t count) {
  double lanes[kLanes] = {};
  std::int32_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int32_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += std::fabs(static_cast<double>(row[i + lane])) * x[i + lane];
    }
  }
  for (std::int32_t lane = 0; i < count; ++i, ++lane) {
    lanes[lane] += std::fabs(static_cast<double>(row[i])) * x[i];
  }
  return AddLanes(lanes);
}

// sum_i row_i^2
TRAILS_SIMD double SumOfSquares(const float *row, std::int32_t count) {
  double lanes[kLanes] = {};
  std::int32_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int32_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(row[i + lane]);
      lanes[lane] += value * value;
    }
  }
  for (std::int32_t lane = 0; i < count; ++i, ++lane) {
    const auto value = static_cast<double>(row[i]);
    lanes[lane] += value * value;
  }
  return AddLanes(lanes);
}

// The streams of one layer. Rows come in order, as the weights lie in memory.
class LayerDraw {
 public:
  LayerDraw(std::uint64_t seed, std::size_t layer, std::int32_t fan_in) noexcept
      : weights_(seed * 1000 + 10 + layer),
        biases_(seed * 1000 + 30 + layer),
        weight_bound_(std::sqrt(6.0 / fan_in)),
        bias_bound_(1.0 / std::sqrt(static_cast<double>(fan_in))) {}

  void NextRow(float *row, std::int32_t fan_in) noexcept {
    DrawRow(&weights_, weight_bound_, row, fan_in);
  }
  float NextBias() noexcept { return biases_.Symmetric(bias_bound_); }

 private:
  RandomStream weights_;
  RandomStream biases_;
  double weight_bound_;
  double bias_bound_;
};

// Rows of weights that lie in memory.
class StoredRows {
 public:
  explicit StoredRows(const InitialWeights &weights) noexcept : weights_(weights) {}

  const std::vector<std::int32_t> &dims() const noexcept { return weights_.dims; }
  void EnterLayer(std::size_t layer) noexcept {
    layer_ = layer - 1;
    row_ = -1;
  }
  const float *NextRow() noexcept {
    ++row_;
    return weights_.weight[layer_].data() + row_ * weights_.dims[layer_];
  }
  float bias() const noexcept { return weights_.bias[layer_][static_cast<std::size_t>(row_)]; }

 private:
  const InitialWeights &weights_;
  std::size_t layer_ = 0;
  std::ptrdiff_t row_ = -1;
};

// Rows of weights that are drawn when asked for and forgotten.
class DrawnRows {
 public:
  DrawnRows(std::vector<std::int32_t> dims, std::uint64_t seed, const std::stop_token &stop)
      : dims_(std::move(dims)),
        row_(static_cast<std::size_t>(*std::max_element(dims_.begin(), dims_.end()))),
        seed_(seed),
        stop_(stop) {}

  const std::vector<std::int32_t> &dims() const noexcept { return dims_; }
  void EnterLayer(std::size_t layer) noexcept {
    fan_in_ = dims_[layer - 1];
    draw_ = LayerDraw(seed_, layer, fan_in_);
  }
  const float *NextRow() {
    if (stop_.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "scoring of candidates was cancelled");
    }
    draw_.NextRow(row_.data(), fan_in_);
    bias_ = draw_.NextBias();
    return row_.data();
  }
  float bias() const noexcept { return bias_; }

 private:
  std::vector<std::int32_t> dims_;
  std::vector<float> row_;
  std::uint64_t seed_;
  std::stop_token stop_;
  std::int32_t fan_in_ = 1;
  LayerDraw draw_{0, 1, 1};
  float bias_ = 0;
};

template <typename Rows>
double SynflowOver(Rows rows) {
  const std::vector<std::int32_t> &dims = rows.dims();
  const std::size_t layers = dims.size() - 1;
  std::vector<double> from(static_cast<std::size_t>(dims[0]), static_cast<double>(layers));
  std::vector<double> to;
  for (std::size_t layer = 1; layer <= layers; ++layer) {
    rows.EnterLayer(layer);
    to.resize(static_cast<std::size_t>(dims[layer]));
    const auto layers_above = static_cast<double>(layers - layer);
    for (double &flow : to) {
      const float *const row = rows.NextRow();
      flow = AbsoluteDot(row, from.data(), dims[layer - 1]) +
             layers_above * std::fabs(static_cast<double>(rows.bias()));
    }
    from.swap(to);
  }
  double score = 0;
  for (const double flow : from) score += flow;
  return kOnesRows * score;
}

template <typename Rows>
double WeightNormOver(Rows rows) {
  const std::vector<std::int32_t> &dims = rows.dims();
  double score = 0;
  for (std::size_t layer = 1; layer < dims.size(); ++layer) {
    rows.EnterLayer(layer);
    double squares = 0;
    for (std::int32_t unit = 0; unit < dims[layer]; ++unit) {
      squares += SumOfSquares(rows.NextRow(), dims[layer - 1]);
    }
    score += std::sqrt(squares);
  }
  return score;
}

double RandomScore(const HiddenWidths &hidden, std::uint64_t seed) noexcept {
  for (const std::int32_t width : hidden) {
    seed = RandomStream::ForPurpose(seed, static_cast<std::uint64_t>(width)).Next();
  }
  return RandomStream(seed).Uniform();
}

}  // namespace

InitialWeights DrawWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed) {
  InitialWeights weights;
  weights.dims = Dims(hidden, inputs, outputs);
  for (std::size_t layer = 1; layer < weights.dims.size(); ++layer) {
    const std::int32_t fan_in = weights.dims[layer - 1];
    LayerDraw draw(seed, layer, fan_in);
    std::vector<float> bias(static_cast<std::size_t>(weights.dims[layer]));
    std::vector<float> weight(bias.size() * static_cast<std::size_t>(fan_in));
    for (std::size_t unit = 0; unit < bias.size(); ++unit) {
      draw.NextRow(weight.data() + unit * static_cast<std::size_t>(fan_in), fan_in);
      bias[unit] = draw.NextBias();
    }
    weights.weight.push_back(std::move(weight));
    weights.bias.push_back(std::move(bias));
  }
  return weights;
}

double Synflow(const InitialWeights &weights) {
  return SynflowOver(StoredRows(weights));
}

double WeightNorm(const InitialWeights &weights) {
  return WeightNormOver(StoredRows(weights));
}

double ScoreCandidate(Tfmem tfmem, const HiddenWidths &hidden, std::int32_t inputs,
                      std::int32_t outputs, std::uint64_t seed, const std::stop_token &stop) {
  switch (tfmem) {
    case Tfmem::kSynflow: return SynflowOver(DrawnRows(Dims(hidden, inputs, outputs), seed, stop));
    case Tfmem::kWeightNorm:
      return WeightNormOver(DrawnRows(Dims(hidden, inputs, outputs), seed, stop));
    case Tfmem::kParams: return static_cast<double>(CountParameters(hidden, inputs, outputs));
    case Tfmem::kRandom: return RandomScore(hidden, seed);
  }
  throw Error(ErrorKind::kInternal, "unknown TFMEM");
}

}  // namespace trails
