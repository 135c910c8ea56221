#include "core/card/batched_products.h"

#include <string>

#include "trails/error.h"

namespace trails {

namespace {

void CheckCublas(cublasStatus_t status, const char *what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  std::string message = "could not ";
  message += what;
  std::string detail = "cuBLAS says: ";
  detail += cublasGetStatusName(status);
  detail += ".";
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(memory ? ErrorKind::kOutOfMemory : ErrorKind::kDevice, message, detail);
}

cublasComputeType_t ComputeType(Precision precision) {
  switch (precision) {
    case Precision::kFp32: return CUBLAS_COMPUTE_32F;
    case Precision::kTf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::kBf16: return CUBLAS_COMPUTE_32F_FAST_16BF;
  }
  throw Error(ErrorKind::kInternal, "a product of no known precision");
}

// One matrix as cuBLAS sees it: column-major, so that a row-major one is its transpose.
struct Factor {
  const float *numbers;
  cublasOperation_t operation;
  std::int64_t row;     // length of a row-major row
  std::int64_t stride;  // from member to member
};

// c [rows, columns] of each member, row-major = what the factors make of it: cuBLAS computes
// c^T [columns, rows] = left [columns, depth] right [depth, rows].
struct Result {
  float *numbers;
  std::int64_t rows, columns, depth;
};

void Multiply(cublasHandle_t handle, Precision precision, std::int32_t members, const Factor &left,
              const Factor &right, const Result &result) {
  const float one = 1, zero = 0;
  CheckCublas(cublasGemmStridedBatchedEx(
                  handle, left.operation, right.operation, static_cast<int>(result.columns),
                  static_cast<int>(result.rows), static_cast<int>(result.depth), &one, left.numbers,
                  CUDA_R_32F, static_cast<int>(left.row), left.stride, right.numbers, CUDA_R_32F,
                  static_cast<int>(right.row), right.stride, &zero, result.numbers, CUDA_R_32F,
                  static_cast<int>(result.columns), result.rows * result.columns, members,
                  ComputeType(precision), CUBLAS_GEMM_DEFAULT),
              "multiply on the card");
}

}  // namespace

BatchedProducts::BatchedProducts() {
  CheckCublas(cublasCreate(&handle_), "start cuBLAS");
}

BatchedProducts::~BatchedProducts() {
  (void)cublasDestroy(handle_);
}

void BatchedProducts::Use(const CardStream &stream, void *workspace) {
  CheckCublas(cublasSetStream(handle_, stream.get()), "choose a stream of cuBLAS");
  // After the stream, which takes the workspace away.
  CheckCublas(cublasSetWorkspace(handle_, workspace, kWorkspaceBytes), "give cuBLAS its workspace");
}

void BatchedProducts::Forward(Precision precision, const ProductShape &shape, const float *x,
                              const float *weight, float *y) {
  Multiply(handle_, precision, shape.members,
           {weight, CUBLAS_OP_T, shape.inputs, shape.outputs * shape.inputs},
           {x, CUBLAS_OP_N, shape.inputs, shape.rows * shape.inputs},
           {y, shape.rows, shape.outputs, shape.inputs});
}

void BatchedProducts::InputGradient(Precision precision, const ProductShape &shape,
                                    const float *y_gradient, const float *weight,
                                    float *x_gradient) {
  Multiply(handle_, precision, shape.members,
           {weight, CUBLAS_OP_N, shape.inputs, shape.outputs * shape.inputs},
           {y_gradient, CUBLAS_OP_N, shape.outputs, shape.rows * shape.outputs},
           {x_gradient, shape.rows, shape.inputs, shape.outputs});
}

void BatchedProducts::WeightGradient(Precision precision, const ProductShape &shape,
                                     const float *y_gradient, const float *x,
                                     float *weight_gradient) {
  Multiply(handle_, precision, shape.members,
           {x, CUBLAS_OP_N, shape.inputs, shape.rows * shape.inputs},
           {y_gradient, CUBLAS_OP_T, shape.outputs, shape.rows * shape.outputs},
           {weight_gradient, shape.outputs, shape.inputs, shape.rows});
}

}  // namespace trails
