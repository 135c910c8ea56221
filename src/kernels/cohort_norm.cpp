#include "kernels/cohort_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/adamw.h"
#include "kernels/batch_norm.h"

namespace trails::kernels {

namespace {

// One member's part of a layer, of its true width: the padding is left out.
struct MemberLayer {
  std::int64_t member, width, padded, batch;

  std::vector<float> Rows(const float *padded_rows) const {
    std::vector<float> rows(static_cast<std::size_t>(batch * width));
    for (std::int64_t b = 0; b < batch; ++b) {
      std::copy_n(padded_rows + (member * batch + b) * padded, width, rows.data() + b * width);
    }
    return rows;
  }
  void PutRows(const std::vector<float> &rows, float *padded_rows) const {
    for (std::int64_t b = 0; b < batch; ++b) {
      float *const to = padded_rows + (member * batch + b) * padded;
      std::copy_n(rows.data() + b * width, width, to);
      std::fill(to + width, to + padded, 0.0f);
    }
  }
  // Of an array [members, padded].
  template <typename T>
  T *Units(T *array) const {
    return array + member * padded;
  }
};

void Average(const MemberLayer &of, const CohortNorm &norm, const CohortStep &step,
             const CohortMoments &moments) {
  const auto batch = static_cast<float>(of.batch);
  const float unbiased = batch / (batch - 1.0f);
  std::vector<float> var(static_cast<std::size_t>(of.padded));
  const float *const inv = of.Units(norm.inv);
  for (std::size_t j = 0; j < var.size(); ++j) {
    var[j] = (1.0f / (inv[j] * inv[j]) - kBatchNormEps) * unbiased;
  }
  AverageCpu(of.Units(moments.average_mean), of.Units(norm.mean), of.padded, step.average_decay);
  AverageCpu(of.Units(moments.average_var), var.data(), of.padded, step.average_decay);
}

}  // namespace

void CohortNormForwardCpu(const CohortShape &shape, const CohortLayer &layer,
                          const CohortNorm &norm, const CohortStep *step, const float *z, float *h,
                          const CohortMoments &moments) {
  const BatchPieces whole = {shape.batch, shape.batch};
  for (std::int64_t m = 0; m < shape.members; ++m) {
    const MemberLayer of = {m, layer.widths[m], layer.padded, shape.batch};
    const BatchNormState state = {of.Units(norm.gamma), of.Units(norm.beta), of.Units(norm.mean),
                                  of.Units(norm.inv)};
    std::fill_n(state.mean, layer.padded, 0.0f);
    std::fill_n(state.inv, layer.padded, 1.0f / std::sqrt(kBatchNormEps));
    std::vector<float> xhat = of.Rows(z), out(xhat.size());
    std::vector<float> batch_moments(static_cast<std::size_t>(2 * of.width));
    BatchNormMomentsCpu(xhat.data(), shape.batch, of.width, batch_moments.data());
    BatchNormCombineCpu(batch_moments.data(), whole, of.width, state);
    BatchNormReluForwardCpu(xhat.data(), out.data(), 0, shape.batch, of.width, state,
                            layer.dropout[m], layer.dropout_seeds[m]);
    of.PutRows(out, h);
    Average(of, norm, *step, moments);
  }
}

void CohortNormBackwardCpu(const CohortShape &shape, const CohortLayer &layer,
                           const CohortNorm &norm, const float *z, float *dh, float *gamma_gradient,
                           float *beta_gradient) {
  for (std::int64_t m = 0; m < shape.members; ++m) {
    const MemberLayer of = {m, layer.widths[m], layer.padded, shape.batch};
    const BatchNormState state = {of.Units(norm.gamma), of.Units(norm.beta), of.Units(norm.mean),
                                  of.Units(norm.inv)};
    // The forward pass again, for what it left in place.
    std::vector<float> x = of.Rows(z), h(x.size()), gradient = of.Rows(dh);
    BatchNormReluForwardCpu(x.data(), h.data(), 0, shape.batch, of.width, state, layer.dropout[m],
                            layer.dropout_seeds[m]);
    std::vector<float> sums(static_cast<std::size_t>(2 * of.width));
    BatchNormReluBackwardSumsCpu(gradient.data(), x.data(), h.data(), shape.batch, of.width,
                                 layer.dropout[m], sums.data());
    const float *const beta_sums = sums.data() + of.width;
    BatchNormBackwardCpu(gradient.data(), x.data(), shape.batch, of.width, shape.batch, state,
                         sums.data(), beta_sums);
    of.PutRows(gradient, dh);
    const auto put = [&](const float *from, float *to) {
      std::copy_n(from, of.width, of.Units(to));
      std::fill_n(of.Units(to) + of.width, of.padded - of.width, 0.0f);
    };
    put(sums.data(), gamma_gradient);
    put(beta_sums, beta_gradient);
  }
}

}  // namespace trails::kernels
