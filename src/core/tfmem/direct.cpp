#include "core/tfmem/direct.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <cmath>

#include "core/filtering/trie_pass.h"
#include "core/tfmem/definitions.h"
#include "trails/error.h"

namespace trails {
namespace {

double ExpressFlowWith(const InitialWeights &weights, at::ScalarType precision,
                       const DirectOptions &options) {
  std::vector<float> perturbation =
      options.perturbation.empty() ? DrawPerturbation(weights.dims[0], options.perturbation_seed)
                                   : options.perturbation;
  const std::int64_t inputs = weights.dims[0];
  if (perturbation.size() != static_cast<std::size_t>(kOnesRows * inputs)) {
    throw Error(ErrorKind::kInternal, "the perturbation does not fit the network's inputs");
  }
  return ExpressFlowOf(MakeAbsoluteNetwork(weights, precision),
                       at::from_blob(perturbation.data(), {kOnesRows, inputs}));
}

// The TFMEMs that look at no rows.
double ScoreWithoutRows(Tfmem tfmem, const InitialWeights &weights, at::ScalarType precision,
                        const DirectOptions &options) {
  switch (tfmem) {
    case Tfmem::kSynflow: return SynflowOf(MakeAbsoluteNetwork(weights, precision));
    case Tfmem::kWeightNorm: return WeightNormOf(MakeNetwork(weights, precision, false));
    case Tfmem::kExpressFlow: return ExpressFlowWith(weights, precision, options);
    default:
      return ClosedFormScore(tfmem, {weights.dims.begin() + 1, weights.dims.end() - 1},
                             weights.dims.front(), weights.dims.back(), options.perturbation_seed);
  }
}

double ScoreOnRows(Tfmem tfmem, const DirectNetwork &network, const DirectBatch &batch,
                   const std::stop_token &stop) {
  if (tfmem == Tfmem::kNasWot || tfmem == Tfmem::kNasWotPlain) return NasWot(network, batch);
  if (network.batch_norm() && !batch.RowsDiffer()) return kInvalidScore;
  switch (tfmem) {
    case Tfmem::kNtkTrace: return NtkTrace(network, batch);
    case Tfmem::kNtkCondNum: return NtkConditionNumber(network, batch);
    case Tfmem::kKnas: return Knas(network, batch, stop);
    default: return GradientScore(tfmem, network, batch);
  }
}

void ExpectFit(const InitialWeights &weights, const ScoringBatch &batch) {
  const bool fits = batch.rows > 0 && batch.inputs == weights.dims.front() &&
                    batch.outputs == weights.dims.back() &&
                    (!batch.regression || batch.outputs == 1);
  if (fits) return;
  throw Error(ErrorKind::kInternal, "the mini-batch does not fit the network");
}

}  // namespace

double DirectScore(Tfmem tfmem, const InitialWeights &weights, const ScoringBatch &batch,
                   const DirectOptions &options) {
  if (tfmem == Tfmem::kJacflow) return kInvalidScore;
  const c10::InferenceMode records_gradients(false);
  const at::ScalarType precision = options.double_precision ? at::kDouble : at::kFloat;
  double score = 0;
  if (Traits(tfmem).data == TfmemData::kNothing) {
    score = ScoreWithoutRows(tfmem, weights, precision, options);
  } else {
    ExpectFit(weights, batch);
    const bool batch_norm =
        tfmem == Tfmem::kNasWot || (tfmem != Tfmem::kNasWotPlain && options.batch_norm);
    score = ScoreOnRows(tfmem, MakeNetwork(weights, precision, batch_norm),
                        MakeBatch(batch, options.inputs, precision), options.stop);
  }
  return std::isfinite(score) ? score : kInvalidScore;
}

std::int64_t DirectScoreBytes(const HiddenWidths &widths, std::int32_t inputs,
                              std::int32_t outputs) noexcept {
  // The slice, its copy, gradients, second derivatives and what autograd keeps of them: eight
  // numbers in double for each weight. The batch's share is small beside wide layers, hence 1 MB.
  return 64 * CountParameters(widths, inputs, outputs) + 1'000'000;
}

}  // namespace trails
