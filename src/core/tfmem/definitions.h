// The definitions behind DirectScore, by kind. Formulas and shapes: core/tfmem/direct.h. Each
// returns kInvalidScore where the formula has no value, and may return what is not finite.
//
// May touch: Torch, src/core/filtering.
#pragma once

#include <stop_token>

#include "core/tfmem/network.h"
#include "trails/options.h"

namespace trails {

// nas_wot or nas_wot_plain, as the network has batch normalisation or not.
double NasWot(const DirectNetwork &network, const DirectBatch &batch);

// grad_norm, grad_plain, snip, grasp, fisher, ntk_trace_approx. Rows must differ where the network
// has batch normalisation. Throws Error(kInternal) for any other TFMEM.
double GradientScore(Tfmem tfmem, const DirectNetwork &network, const DirectBatch &batch);

// ntk_trace, ntk_cond_num. Rows must differ where the network has batch normalisation.
double NtkTrace(const DirectNetwork &network, const DirectBatch &batch);
double NtkConditionNumber(const DirectNetwork &network, const DirectBatch &batch);

// knas. Throws Error(kCancelled) on stop.
double Knas(const DirectNetwork &network, const DirectBatch &batch, const std::stop_token &stop);

// weight_norm, of any network.
double WeightNormOf(const DirectNetwork &network);
// synflow and express_flow, of MakeAbsoluteNetwork. perturbation: [4, inputs], unscaled, float32.
double SynflowOf(const DirectNetwork &network);
double ExpressFlowOf(const DirectNetwork &network, const at::Tensor &perturbation);

}  // namespace trails
