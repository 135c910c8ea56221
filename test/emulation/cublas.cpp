#include <cstdint>

#include "cublas_v2.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace {

// To `bits` bits behind the point, halves to even.
float Rounded(float value, int bits) {
  if (!std::isfinite(value)) return value;
  const int cut = 23 - bits;
  unsigned word = __float_as_uint(value);
  const unsigned odd = (word >> cut) & 1U;
  word += (1U << (cut - 1)) - 1U + odd;
  return __uint_as_float(word >> cut << cut);
}

float Factor(float value, cublasComputeType_t compute) {
  if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) return Rounded(value, 10);
  if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) return Rounded(value, 7);
  return value;
}
double Factor(double value, cublasComputeType_t) {
  return value;
}

template <typename T>
struct Matrix {
  const T *numbers;
  bool transposed;
  std::int64_t ld;

  T operator()(std::int64_t row, std::int64_t column) const {
    return transposed ? numbers[row * ld + column] : numbers[column * ld + row];
  }
};

template <typename T>
void Multiply(const Matrix<T> &a, const Matrix<T> &b, std::int64_t m, std::int64_t n,
              std::int64_t k, T alpha, T beta, T *c, std::int64_t ldc,
              cublasComputeType_t compute) {
  for (std::int64_t column = 0; column < n; ++column) {
    for (std::int64_t row = 0; row < m; ++row) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        sum += static_cast<double>(Factor(a(row, i), compute)) *
               static_cast<double>(Factor(b(i, column), compute));
      }
      T &to = c[column * ldc + row];
      to = static_cast<T>(static_cast<double>(alpha) * sum +
                          (beta == T{0} ? 0.0 : static_cast<double>(beta) * to));
    }
  }
}

template <typename T>
cublasStatus_t Batched(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                       std::int64_t m, std::int64_t n, std::int64_t k, const void *alpha,
                       const void *a, std::int64_t lda, long long a_stride, const void *b,
                       std::int64_t ldb, long long b_stride, const void *beta, void *c,
                       std::int64_t ldc, long long c_stride, int batch,
                       cublasComputeType_t compute) {
  const bool fits = m >= 0 && n >= 0 && k >= 0 && batch >= 0 && ldc >= m &&
                    lda >= (op_a == CUBLAS_OP_N ? m : k) && ldb >= (op_b == CUBLAS_OP_N ? k : n);
  if (handle == nullptr || !fits) return CUBLAS_STATUS_INVALID_VALUE;
  const T scale = *static_cast<const T *>(alpha), keep = *static_cast<const T *>(beta);
  const cudaError_t error = emulation::Queue(handle->stream, [=] {
    for (int i = 0; i < batch; ++i) {
      const Matrix<T> left{static_cast<const T *>(a) + i * a_stride, op_a == CUBLAS_OP_T, lda};
      const Matrix<T> right{static_cast<const T *>(b) + i * b_stride, op_b == CUBLAS_OP_T, ldb};
      Multiply(left, right, m, n, k, scale, keep, static_cast<T *>(c) + i * c_stride, ldc, compute);
    }
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

const char *cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
  return "CUBLAS_STATUS_UNKNOWN";
}
const char *cublasGetStatusString(cublasStatus_t status) {
  return cublasGetStatusName(status);
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
  *handle = nullptr;
  if (emulation::Enter() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t, void *, std::size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) {
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a,
                                          cublasOperation_t op_b, int m, int n, int k,
                                          const void *alpha, const void *a, cudaDataType a_type,
                                          int lda, long long a_stride, const void *b,
                                          cudaDataType b_type, int ldb, long long b_stride,
                                          const void *beta, void *c, cudaDataType c_type, int ldc,
                                          long long c_stride, int batch,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (a_type != b_type || a_type != c_type) return CUBLAS_STATUS_INVALID_VALUE;
  const bool wide = a_type == CUDA_R_64F;
  if (wide != (compute == CUBLAS_COMPUTE_64F)) return CUBLAS_STATUS_INVALID_VALUE;
  return wide ? Batched<double>(handle, op_a, op_b, m, n, k, alpha, a, lda, a_stride, b, ldb,
                                b_stride, beta, c, ldc, c_stride, batch, compute)
              : Batched<float>(handle, op_a, op_b, m, n, k, alpha, a, lda, a_stride, b, ldb,
                               b_stride, beta, c, ldc, c_stride, batch, compute);
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                            int m, int n, int k, const void *alpha, const void *a,
                            cudaDataType a_type, int lda, const void *b, cudaDataType b_type,
                            int ldb, const void *beta, void *c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, a_type, lda, 0, b,
                                    b_type, ldb, 0, beta, c, c_type, ldc, 0, 1, compute, algorithm);
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k,
                                         const float *alpha, const float *a, int lda,
                                         long long a_stride, const float *b, int ldb,
                                         long long b_stride, const float *beta, float *c, int ldc,
                                         long long c_stride, int batch) {
  return Batched<float>(handle, op_a, op_b, m, n, k, alpha, a, lda, a_stride, b, ldb, b_stride,
                        beta, c, ldc, c_stride, batch, CUBLAS_COMPUTE_32F);
}
cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k,
                                         const double *alpha, const double *a, int lda,
                                         long long a_stride, const double *b, int ldb,
                                         long long b_stride, const double *beta, double *c, int ldc,
                                         long long c_stride, int batch) {
  return Batched<double>(handle, op_a, op_b, m, n, k, alpha, a, lda, a_stride, b, ldb, b_stride,
                         beta, c, ldc, c_stride, batch, CUBLAS_COMPUTE_64F);
}
