#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

struct CUstream_st {};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
};
struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};

namespace {

constexpr unsigned kMostBlocksX = 2'147'483'647, kMostBlocksYZ = 65'535, kMostThreads = 1'024,
                   kMostThreadsZ = 64;

struct Card {
  std::recursive_mutex mutex;
  std::size_t memory = std::size_t{1} << 30;
  std::size_t live = 0;
  std::map<void *, std::size_t> allocations;
  bool there = true;
  std::int64_t fail_after = 0;
  cudaError_t fail_with = cudaSuccess;
  cudaError_t last = cudaSuccess;
  cudaError_t broken = cudaSuccess;  // by a kernel that failed: reported when it is waited for
  std::int64_t launches = 0;
  CUgraph_st *captured = nullptr;
};

Card &TheCard() {
  static auto *const card = new Card;
  return *card;
}

cudaError_t Allocate(void **data, std::size_t bytes) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = emulation::Enter(); error != cudaSuccess) return error;
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (card.live + bytes > card.memory) return emulation::Fail(cudaErrorMemoryAllocation);
  *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*data == nullptr) return emulation::Fail(cudaErrorMemoryAllocation);
  std::memset(*data, 0xA5, bytes);  // never zeros: a card has none either
  card.allocations[*data] = bytes;
  card.live += bytes;
  return cudaSuccess;
}

cudaError_t Free(void *data) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (data == nullptr) return emulation::Enter();
  const auto found = card.allocations.find(data);
  if (found == card.allocations.end()) return emulation::Fail(cudaErrorInvalidValue);
  card.live -= found->second;
  card.allocations.erase(found);
  std::free(data);
  return cudaSuccess;
}

// For calls that wait for the card.
cudaError_t Synchronize() {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = emulation::Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) return emulation::Fail(cudaErrorStreamCaptureUnsupported);
  return card.broken == cudaSuccess ? cudaSuccess : emulation::Fail(card.broken);
}

}  // namespace

namespace emulation {

void SetMemory(std::size_t bytes) {
  TheCard().memory = bytes;
}
std::size_t LiveBytes() {
  return TheCard().live;
}
void SetCard(bool there) {
  TheCard().there = there;
}
std::int64_t Launches() {
  return TheCard().launches;
}

void FailAfter(std::int64_t calls, cudaError_t error) {
  TheCard().fail_after = calls;
  TheCard().fail_with = error;
  TheCard().broken = cudaSuccess;
}

cudaError_t Fail(cudaError_t error) {
  TheCard().last = error;
  return error;
}

cudaError_t Enter() {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (!card.there) return Fail(cudaErrorNoDevice);
  if (card.fail_after > 0 && --card.fail_after == 0) return Fail(card.fail_with);
  return cudaSuccess;
}

cudaError_t Queue(CUstream_st *, std::function<void()> work) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) {
    card.captured->work.push_back(std::move(work));
    return cudaSuccess;
  }
  ++card.launches;
  try {
    work();
  } catch (const std::exception &error) {
    std::fprintf(stderr, "a kernel failed: %s\n", error.what());
    card.broken = cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

bool CanLaunch(dim3 blocks, dim3 threads) {
  const std::uint64_t of_block = std::uint64_t{threads.x} * threads.y * threads.z;
  return blocks.x >= 1 && blocks.y >= 1 && blocks.z >= 1 && blocks.x <= kMostBlocksX &&
         blocks.y <= kMostBlocksYZ && blocks.z <= kMostBlocksYZ && of_block >= 1 &&
         of_block <= kMostThreads && threads.z <= kMostThreadsZ;
}

}  // namespace emulation

using emulation::Enter;

const char *cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInitializationError: return "cudaErrorInitializationError";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorNotReady: return "cudaErrorNotReady";
  }
  return "cudaErrorUnknown";
}
const char *cudaGetErrorString(cudaError_t error) {
  return cudaGetErrorName(error);
}
cudaError_t cudaGetLastError() {
  return std::exchange(TheCard().last, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return TheCard().last;
}

cudaError_t cudaGetDeviceCount(int *count) {
  *count = TheCard().there ? 1 : 0;
  return Enter();
}
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return Enter();
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? Enter() : emulation::Fail(cudaErrorInvalidValue);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "emulated card");
  properties->totalGlobalMem = TheCard().memory;
  properties->major = 9;
  properties->multiProcessorCount = 1;
  properties->l2CacheSize = 1 << 20;
  properties->sharedMemPerBlockOptin = 227 * 1024;
  return Enter();
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr, int) {
  *value = 1;
  return Enter();
}
cudaError_t cudaDeviceSynchronize() {
  return Synchronize();
}
cudaError_t cudaDeviceReset() {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  for (const auto &[data, bytes] : card.allocations) std::free(data);
  card.allocations.clear();
  card.live = 0;
  card.broken = cudaSuccess;
  return Enter();
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t *free, std::size_t *total) {
  *total = TheCard().memory;
  *free = TheCard().memory - TheCard().live;
  return Enter();
}

cudaError_t cudaMalloc(void **data, std::size_t bytes) {
  return Allocate(data, bytes);
}
cudaError_t cudaMallocAsync(void **data, std::size_t bytes, cudaStream_t) {
  return Allocate(data, bytes);
}
cudaError_t cudaMallocHost(void **data, std::size_t bytes) {
  return Allocate(data, bytes);
}
cudaError_t cudaFree(void *data) {
  return Free(data);
}
cudaError_t cudaFreeAsync(void *data, cudaStream_t) {
  return Free(data);
}
cudaError_t cudaFreeHost(void *data) {
  return Free(data);
}

cudaError_t cudaMemcpy(void *to, const void *from, std::size_t bytes, cudaMemcpyKind) {
  if (const cudaError_t error = Synchronize(); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return emulation::Queue(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemcpy2DAsync(void *to, std::size_t to_pitch, const void *from,
                              std::size_t from_pitch, std::size_t bytes, std::size_t rows,
                              cudaMemcpyKind, cudaStream_t stream) {
  return emulation::Queue(stream, [=] {
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(static_cast<char *>(to) + r * to_pitch,
                  static_cast<const char *>(from) + r * from_pitch, bytes);
    }
  });
}
cudaError_t cudaMemset(void *data, int value, std::size_t bytes) {
  if (const cudaError_t error = Synchronize(); error != cudaSuccess) return error;
  std::memset(data, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *data, int value, std::size_t bytes, cudaStream_t stream) {
  return emulation::Queue(stream, [=] { std::memset(data, value, bytes); });
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  *stream = new CUstream_st;
  return Enter();
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  return cudaStreamCreate(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return Synchronize();
}
cudaError_t cudaStreamQuery(cudaStream_t) {
  return Synchronize();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
  return Enter();
}
cudaError_t cudaEventCreate(cudaEvent_t *event) {
  *event = new CUevent_st;
  return Enter();
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->time = std::chrono::steady_clock::now();
  return Enter();
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return Synchronize();
}
cudaError_t cudaEventQuery(cudaEvent_t) {
  return Synchronize();
}
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return Enter();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) return emulation::Fail(cudaErrorStreamCaptureUnsupported);
  card.captured = new CUgraph_st;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  *graph = std::exchange(card.captured, nullptr);
  return *graph == nullptr ? emulation::Fail(cudaErrorInvalidValue) : cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return Enter();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const std::function<void()> &work : executable->work) {
    if (const cudaError_t error = emulation::Queue(stream, work); error != cudaSuccess) {
      return error;
    }
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
