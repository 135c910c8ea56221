#include "torch_scoring.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <ctime>
#include <memory>
#include <thread>

#include "core/filtering/ranking.h"
#include "core/filtering/trie_pass.h"
#include "trails/error.h"
#include "trails/progress.h"

namespace trails::bench {

namespace {

constexpr double kPerturbation = 1e-5;
constexpr std::int64_t kFlowRows = 4;

double CpuSeconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double Finite(double score) {
  return std::isfinite(score) ? score : kInvalidScore;
}

// What a forward pass leaves behind, input side first.
struct Pass {
  std::vector<at::Tensor> inputs;       // of each Linear
  std::vector<at::Tensor> outputs;      // of each Linear; the last are the logits
  std::vector<at::Tensor> activations;  // after each ReLU
  std::vector<at::Tensor> active;       // where the pre-activation is above zero
};

struct Network : torch::nn::Module {
  Network(const HiddenWidths &widths, std::int64_t inputs, std::int64_t outputs, bool batch_norm) {
    const auto add = [&](std::int64_t width) {
      linear.push_back(register_module(fmt::format("linear{}", linear.size()),
                                       torch::nn::Linear(inputs, width)));
      torch::nn::init::kaiming_uniform_(linear.back()->weight);
      inputs = width;
    };
    for (const std::int32_t width : widths) {
      add(width);
      if (!batch_norm) continue;
      norm.push_back(
          register_module(fmt::format("norm{}", norm.size()), torch::nn::BatchNorm1d(width)));
    }
    add(outputs);
  }

  Pass Forward(at::Tensor x) {
    Pass pass;
    for (std::size_t l = 0; l < linear.size(); ++l) {
      pass.inputs.push_back(x);
      x = linear[l]->forward(x);
      pass.outputs.push_back(x);
      if (l + 1 == linear.size()) break;
      if (!norm.empty()) x = norm[l]->forward(x);
      pass.active.push_back(x.detach() > 0);
      x = at::relu(x);
      pass.activations.push_back(x);
    }
    return pass;
  }

  std::vector<at::Tensor> Weights() const {
    std::vector<at::Tensor> weights;
    for (const auto &layer : linear) weights.push_back(layer->weight);
    return weights;
  }

  std::vector<torch::nn::Linear> linear;
  std::vector<torch::nn::BatchNorm1d> norm;
};

double WeightNormOf(Network &net) {
  double sum = 0;
  for (const at::Tensor &weight : net.Weights()) sum += weight.detach().norm().item<double>();
  return sum;
}

double NasWotOf(Network &net, const at::Tensor &x) {
  const at::NoGradGuard guard;
  at::Tensor kernel = at::zeros({x.size(0), x.size(0)});
  for (const at::Tensor &active : net.Forward(x).active) {
    const at::Tensor on = active.to(at::kFloat);
    const at::Tensor off = 1 - on;
    kernel = kernel + at::mm(on, on.t()) + at::mm(off, off.t());
  }
  return std::get<1>(at::linalg_slogdet(kernel.to(at::kDouble))).item<double>();
}

void TakeAbsoluteValues(Network &net) {
  const at::NoGradGuard guard;
  net.to(at::kDouble);
  for (at::Tensor &parameter : net.parameters()) parameter.abs_();
}

double SynflowOf(Network &net) {
  net.zero_grad();
  const at::Tensor x = at::ones({kFlowRows, net.linear[0]->weight.size(1)}, at::kDouble);
  net.Forward(x).outputs.back().sum().backward();
  double sum = 0;
  for (const at::Tensor &weight : net.Weights()) {
    sum += (weight.detach() * weight.grad()).abs().sum().item<double>();
  }
  return sum;
}

double ExpressFlowOf(Network &net) {
  net.zero_grad();
  const at::Tensor x = at::ones({kFlowRows, net.linear[0]->weight.size(1)}, at::kDouble);
  const at::Tensor delta = kPerturbation * at::randn_like(x);
  const Pass moved = net.Forward(x + delta);
  const Pass clean = net.Forward(x);
  for (const at::Tensor &z : clean.activations) z.retain_grad();
  clean.outputs.back().sum().backward();
  std::vector<double> inverse, flow;
  for (std::size_t l = 0; l < clean.activations.size(); ++l) {
    const at::Tensor z = moved.activations[l].detach();
    const double length = (z - clean.activations[l].detach()).norm().item<double>() / kPerturbation;
    inverse.push_back(1 / (length + 1e-6));
    const at::Tensor visits = z * clean.activations[l].grad().abs();
    flow.push_back(visits.sum().item<double>() * static_cast<double>(z.size(1)));
  }
  double sum = 0, weights = 0;
  for (std::size_t l = 0; l < flow.size(); ++l) {
    sum += inverse[l] * flow[l];
    weights += inverse[l];
  }
  return sum / weights;
}

// What the gradient of the loss gives in one backward pass.
struct GradientScores {
  double norm = 0, plain = 0, snip = 0, fisher = 0;
};

GradientScores GradientsOf(Network &net, const at::Tensor &x, const at::Tensor &labels, bool fisher,
                           bool snip) {
  net.zero_grad();
  const Pass pass = net.Forward(x);
  if (fisher) {
    for (const at::Tensor &output : pass.outputs) output.retain_grad();
  }
  at::cross_entropy_loss(pass.outputs.back(), labels).backward();
  GradientScores scores;
  for (std::size_t l = 0; l < net.linear.size(); ++l) {
    const at::Tensor weight = net.linear[l]->weight.detach();
    const at::Tensor gradient = net.linear[l]->weight.grad();
    scores.norm += gradient.norm().item<double>();
    const at::Tensor product = weight * gradient;
    scores.plain += product.sum().item<double>();
    if (snip) scores.snip += product.abs().sum().item<double>();
    if (fisher) {
      const at::Tensor saliency = pass.outputs[l].detach() * pass.outputs[l].grad();
      scores.fisher += 0.5 * static_cast<double>(weight.size(1)) *
                       saliency.square().mean(0).sum().item<double>();
    }
  }
  return scores;
}

// The kernel of the gradients of each sample's own logit, [rows, rows].
at::Tensor NtkOf(Network &net, const at::Tensor &x, const at::Tensor &labels) {
  net.zero_grad();
  const Pass pass = net.Forward(x);
  for (const at::Tensor &output : pass.outputs) output.retain_grad();
  pass.outputs.back().gather(1, labels.unsqueeze(1)).sum().backward();
  at::Tensor kernel = at::zeros({x.size(0), x.size(0)});
  for (std::size_t l = 0; l < pass.outputs.size(); ++l) {
    const at::Tensor d = pass.outputs[l].grad();
    const at::Tensor h = pass.inputs[l].detach();
    kernel += at::mm(d, d.t()) * (at::mm(h, h.t()) + 1);
  }
  return kernel;
}

double GraspOf(Network &net, const at::Tensor &x, const at::Tensor &labels) {
  net.zero_grad();
  const std::vector<at::Tensor> weights = net.Weights();
  const at::Tensor loss = at::cross_entropy_loss(net.Forward(x).outputs.back(), labels);
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({loss}, weights, {}, /*retain_graph=*/true, /*create_graph=*/true);
  at::Tensor product = at::zeros({});
  for (const at::Tensor &gradient : gradients) {
    product = product + (gradient.detach() * gradient).sum();
  }
  product.backward();
  double sum = 0;
  for (const at::Tensor &weight : weights) {
    sum -= (weight.detach() * weight.grad()).sum().item<double>();
  }
  return sum;
}

// Scores candidates one by one; one object a thread.
class Scorer {
 public:
  Scorer(const std::vector<Tfmem> &tfmems, const ScoringBatch &batch)
      : tfmems_(tfmems), inputs_(batch.inputs), outputs_(batch.outputs) {
    at::set_num_threads(1);
    x_ = at::from_blob(const_cast<float *>(batch.x.data()), {batch.rows, batch.inputs});
    labels_ = at::from_blob(const_cast<std::int32_t *>(batch.labels.data()), {batch.rows}, at::kInt)
                  .to(at::kLong);
  }

  // The score of each TFMEM, in their order; of jacflow none.
  std::vector<double> Score(const HiddenWidths &widths) {
    std::vector<double> scores(kTfmems, kInvalidScore);
    if (Wants({Tfmem::kWeightNorm, Tfmem::kSynflow, Tfmem::kExpressFlow, Tfmem::kNasWotPlain,
               Tfmem::kJacflow})) {
      ScoreWithoutNorm(widths, &scores);
    }
    if (Wants({Tfmem::kNasWot, Tfmem::kJacflow, Tfmem::kGradNorm, Tfmem::kGradPlain, Tfmem::kFisher,
               Tfmem::kSnip, Tfmem::kNtkTrace, Tfmem::kNtkCondNum, Tfmem::kGrasp})) {
      ScoreWithNorm(widths, &scores);
    }
    return scores;
  }

  double construction_seconds() const { return construction_seconds_; }

 private:
  bool Wants(std::initializer_list<Tfmem> any) const {
    return std::find_first_of(tfmems_.begin(), tfmems_.end(), any.begin(), any.end()) !=
           tfmems_.end();
  }

  std::unique_ptr<Network> Construct(const HiddenWidths &widths, bool batch_norm) {
    const double start = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    auto net = std::make_unique<Network>(widths, inputs_, outputs_, batch_norm);
    construction_seconds_ += CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - start;
    return net;
  }

  void ScoreWithoutNorm(const HiddenWidths &widths, std::vector<double> *scores) {
    const auto set = [&](Tfmem tfmem, double score) {
      (*scores)[static_cast<std::size_t>(tfmem)] = Finite(score);
    };
    const std::unique_ptr<Network> owned = Construct(widths, false);
    Network &net = *owned;
    if (Wants({Tfmem::kWeightNorm})) set(Tfmem::kWeightNorm, WeightNormOf(net));
    if (Wants({Tfmem::kNasWotPlain})) set(Tfmem::kNasWotPlain, NasWotOf(net, x_));
    if (!Wants({Tfmem::kSynflow, Tfmem::kExpressFlow, Tfmem::kJacflow})) return;
    TakeAbsoluteValues(net);
    if (Wants({Tfmem::kSynflow, Tfmem::kJacflow})) set(Tfmem::kSynflow, SynflowOf(net));
    if (Wants({Tfmem::kExpressFlow})) set(Tfmem::kExpressFlow, ExpressFlowOf(net));
  }

  void ScoreWithNorm(const HiddenWidths &widths, std::vector<double> *scores) {
    const auto set = [&](Tfmem tfmem, double score) {
      (*scores)[static_cast<std::size_t>(tfmem)] = Finite(score);
    };
    const std::unique_ptr<Network> owned = Construct(widths, true);
    Network &net = *owned;
    if (Wants({Tfmem::kNasWot, Tfmem::kJacflow})) set(Tfmem::kNasWot, NasWotOf(net, x_));
    if (Wants({Tfmem::kGradNorm, Tfmem::kGradPlain, Tfmem::kFisher, Tfmem::kSnip})) {
      const GradientScores found =
          GradientsOf(net, x_, labels_, Wants({Tfmem::kFisher}), Wants({Tfmem::kSnip}));
      set(Tfmem::kGradNorm, found.norm);
      set(Tfmem::kGradPlain, found.plain);
      set(Tfmem::kFisher, found.fisher);
      set(Tfmem::kSnip, found.snip);
    }
    if (Wants({Tfmem::kNtkTrace, Tfmem::kNtkCondNum})) {
      const at::Tensor kernel = NtkOf(net, x_, labels_).to(at::kDouble);
      set(Tfmem::kNtkTrace,
          std::sqrt(kernel.trace().item<double>() / static_cast<double>(x_.size(0))));
      if (Wants({Tfmem::kNtkCondNum})) {
        const at::Tensor values = at::linalg_eigvalsh(kernel);
        set(Tfmem::kNtkCondNum, (values[-1] / values[0]).item<double>());
      }
    }
    if (Wants({Tfmem::kGrasp})) set(Tfmem::kGrasp, GraspOf(net, x_, labels_));
  }

  const std::vector<Tfmem> &tfmems_;
  std::int64_t inputs_, outputs_;
  at::Tensor x_, labels_;
  double construction_seconds_ = 0;
};

void CheckKnown(const std::vector<Tfmem> &tfmems) {
  for (const Tfmem tfmem : tfmems) {
    switch (tfmem) {
      case Tfmem::kWeightNorm:
      case Tfmem::kSynflow:
      case Tfmem::kExpressFlow:
      case Tfmem::kNasWot:
      case Tfmem::kNasWotPlain:
      case Tfmem::kJacflow:
      case Tfmem::kGradNorm:
      case Tfmem::kGradPlain:
      case Tfmem::kFisher:
      case Tfmem::kSnip:
      case Tfmem::kNtkTrace:
      case Tfmem::kNtkCondNum:
      case Tfmem::kGrasp: break;
      default:
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("no plain LibTorch scorer for {}", Name(tfmem)));
    }
  }
}

}  // namespace

TorchScoring ScoreByTorch(const std::vector<HiddenWidths> &candidates,
                          const std::vector<Tfmem> &tfmems, const ScoringBatch &batch,
                          std::int32_t threads) {
  CheckKnown(tfmems);
  std::vector<std::vector<double>> found(candidates.size());
  std::atomic<std::size_t> next{0};
  std::atomic<double> construction{0};
  const auto work = [&] {
    Scorer scorer(tfmems, batch);
    for (std::size_t i = next++; i < candidates.size(); i = next++) {
      found[i] = scorer.Score(candidates[i]);
    }
    construction += scorer.construction_seconds();
  };
  TorchScoring result;
  const Clock::time_point start = Clock::now();
  const double cpu_start = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  {
    std::vector<std::jthread> workers;
    for (std::int32_t t = 0; t < threads; ++t) workers.emplace_back(work);
  }
  const auto scores_of = [&](Tfmem tfmem) {
    std::vector<double> scores;
    for (const auto &of : found) scores.push_back(of[static_cast<std::size_t>(tfmem)]);
    return scores;
  };
  for (const Tfmem tfmem : tfmems) {
    result.scores.push_back(tfmem == Tfmem::kJacflow
                                ? Jacflow(scores_of(Tfmem::kNasWot), scores_of(Tfmem::kSynflow))
                                : scores_of(tfmem));
  }
  result.cpu_seconds = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
  result.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  result.construction_share = construction / result.cpu_seconds;
  return result;
}

}  // namespace trails::bench
