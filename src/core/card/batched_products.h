// The products of a group's layers, all members at once, by cuBLAS.
//
// Matrices are row-major with the members first: x [members, rows, inputs], weight [members,
// outputs, inputs], y [members, rows, outputs]. All numbers are float32 in memory and in the sums;
// Precision says what factors are rounded to.
//
// May touch: cuBLAS, the CUDA runtime, src/core/cohort. Never Torch or PostgreSQL.
#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>

#include "core/card/runtime.h"
#include "core/cohort/layout.h"

namespace trails {

// The shape of one layer's products.
struct ProductShape {
  std::int32_t members = 0;
  std::int64_t rows = 0;
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
};

// One a cohort: making one takes some milliseconds. Queues on the stream that Use chose last.
class BatchedProducts {
 public:
  // What cuBLAS may use on the card while it multiplies, of each stream of its own: products that
  // run side by side must not share it, or their bits would depend on each other.
  static constexpr std::size_t kWorkspaceBytes = 4 << 20;

  // Throws Error(kOutOfMemory), Error(kDevice).
  BatchedProducts();
  ~BatchedProducts();
  BatchedProducts(const BatchedProducts &) = delete;
  BatchedProducts &operator=(const BatchedProducts &) = delete;

  // What follows is queued on `stream`; workspace: kWorkspaceBytes on the card, of this stream
  // only.
  void Use(const CardStream &stream, void *workspace);

  // y = x weight^T. All throw Error(kDevice).
  void Forward(Precision precision, const ProductShape &shape, const float *x, const float *weight,
               float *y);
  // x_gradient = y_gradient weight.
  void InputGradient(Precision precision, const ProductShape &shape, const float *y_gradient,
                     const float *weight, float *x_gradient);
  // weight_gradient = y_gradient^T x.
  void WeightGradient(Precision precision, const ProductShape &shape, const float *y_gradient,
                      const float *x, float *weight_gradient);

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace trails
