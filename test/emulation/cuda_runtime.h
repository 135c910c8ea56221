// The part of CUDA's runtime API that the tree uses, on the CPU: memory is the host's, streams do
// what they are told when somebody waits for it, a captured graph is a list of closures. Found
// before the real header where kernels are compiled for unit_cuda. Names and meaning are CUDA's
// own; the qualifiers
// __global__, __device__, ... are defined away by the build.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#include "device_threads.h"
#include "emulation.h"
#include "vector_types.h"

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorNoDevice = 100,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorNotReady = 600,
};
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;
using cudaStream_t = CUstream_st *;
using cudaEvent_t = CUevent_st *;
using cudaGraph_t = CUgraph_st *;
using cudaGraphExec_t = CUgraphExec_st *;

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  int major, minor;
  int multiProcessorCount;
  int l2CacheSize;
  std::size_t sharedMemPerBlockOptin;
};
enum cudaDeviceAttr {
  cudaDevAttrClockRate = 13,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrMultiProcessorCount = 16
};
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaDeviceReset();
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaMemGetInfo(std::size_t *free, std::size_t *total);

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
cudaError_t cudaMalloc(void **data, std::size_t bytes);
cudaError_t cudaMallocAsync(void **data, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaMallocHost(void **data, std::size_t bytes);
cudaError_t cudaFree(void *data);
cudaError_t cudaFreeAsync(void *data, cudaStream_t stream);
cudaError_t cudaFreeHost(void *data);
template <typename T>
cudaError_t cudaMalloc(T **data, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void **>(data), bytes);
}
template <typename T>
cudaError_t cudaMallocAsync(T **data, std::size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void **>(data), bytes, stream);
}
template <typename T>
cudaError_t cudaMallocHost(T **data, std::size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void **>(data), bytes);
}
cudaError_t cudaMemcpy(void *to, const void *from, std::size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemcpy2DAsync(void *to, std::size_t to_pitch, const void *from,
                              std::size_t from_pitch, std::size_t bytes, std::size_t rows,
                              cudaMemcpyKind kind, cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void *data, int value, std::size_t bytes);
cudaError_t cudaMemsetAsync(void *data, int value, std::size_t bytes,
                            cudaStream_t stream = nullptr);

inline constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;
cudaError_t cudaStreamCreate(cudaStream_t *stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t *event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end);

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

struct cudaLaunchAttribute;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute *attrs = nullptr;
  unsigned numAttrs = 0;
};
template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...),
                               Arguments &&...arguments) {
  const dim3 blocks = config->gridDim, threads = config->blockDim;
  if (!emulation::CanLaunch(blocks, threads)) return emulation::Fail(cudaErrorInvalidValue);
  // By value, as a launch takes them: a graph is replayed with what was there when it was captured.
  return emulation::Queue(
      config->stream,
      [=, ... values = std::decay_t<Parameters>(std::forward<Arguments>(arguments))] {
        emulation::RunGrid(blocks, threads, [&] { kernel(values...); });
      });
}

// What a kernel calls.
inline void __syncthreads() {
  emulation::MeetBlock();
}
inline void __syncwarp(unsigned = ~0U) {
  (void)emulation::Exchange(0, 0);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T __shfl_sync(unsigned, T value, int from, int width = 32) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const int group = emulation::Lane() / width * width;
  bits = emulation::Exchange(bits, group + from % width);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const int lane = emulation::Lane() % width;
  return __shfl_sync(mask, value, (lane ^ lanes) < width ? lane ^ lanes : lane, width);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = emulation::Lane() % width, from = lane + static_cast<int>(by);
  return __shfl_sync(mask, value, from < width ? from : lane, width);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const int lane = emulation::Lane() % width, from = lane - static_cast<int>(by);
  return __shfl_sync(mask, value, from >= 0 ? from : lane, width);
}
inline unsigned __ballot_sync(unsigned, bool set) {
  return emulation::Ballot(set);
}
inline bool __any_sync(unsigned, bool set) {
  return emulation::Ballot(set) != 0;
}
inline bool __all_sync(unsigned, bool set) {
  return emulation::Ballot(!set) == 0;
}

template <typename T>
T atomicAdd(T *to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = static_cast<T>(old + value);
  return old;
}
template <typename T>
T atomicMin(T *to, std::type_identity_t<T> value) {
  const T old = *to;
  if (value < old) *to = value;
  return old;
}
template <typename T>
T atomicMax(T *to, std::type_identity_t<T> value) {
  const T old = *to;
  if (old < value) *to = value;
  return old;
}
template <typename T>
T atomicOr(T *to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = old | value;
  return old;
}
template <typename T>
T atomicExch(T *to, std::type_identity_t<T> value) {
  const T old = *to;
  *to = value;
  return old;
}
template <typename T>
T atomicCAS(T *to, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T old = *to;
  if (old == expected) *to = value;
  return old;
}

template <typename T>
T __ldg(const T *from) {
  return *from;
}
inline int __popc(unsigned bits) {
  return __builtin_popcount(bits);
}
inline int __popcll(unsigned long long bits) {
  return __builtin_popcountll(bits);
}
inline int __clz(int bits) {
  return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits));
}
inline int __ffs(int bits) {
  return __builtin_ffs(bits);
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline int __float_as_int(float value) {
  return static_cast<int>(__float_as_uint(value));
}
inline float __int_as_float(int bits) {
  return __uint_as_float(static_cast<unsigned>(bits));
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}
inline long long __double2ll_rn(double value) {
  return std::llrint(value);
}
inline long long __float2ll_rn(float value) {
  return std::llrintf(value);
}
inline float rsqrtf(float value) {
  return 1.0f / std::sqrt(value);
}
using std::isfinite;
using std::isinf;
using std::isnan;
template <typename T>
constexpr T min(T a, std::type_identity_t<T> b) {
  return b < a ? b : a;
}
template <typename T>
constexpr T max(T a, std::type_identity_t<T> b) {
  return a < b ? b : a;
}
