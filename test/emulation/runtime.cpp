#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

using Time = std::chrono::steady_clock::time_point;

// Work is done when somebody waits for it and not before, so that what forgets to wait, for an
// event or for a copy, meets memory that is not ready.
struct CUstream_st {
  std::deque<std::function<void()>> waiting;
  std::int64_t done = 0;

  std::int64_t queued() const { return done + static_cast<std::int64_t>(waiting.size()); }
};
// A point in a stream; without one it was never recorded, or in a graph.
struct CUevent_st {
  CUstream_st *stream = nullptr;
  std::int64_t position = 0;
  std::shared_ptr<Time> time = std::make_shared<Time>();
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
  std::set<const void *> pinned;  // of them, those of the host
  // Streams end with the process: an event may name one that was destroyed.
  std::vector<std::unique_ptr<CUstream_st>> streams;
  CUstream_st null_stream;
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

// Does what `stream` was told first, until `position` is done.
void RunUntil(CUstream_st *stream, std::int64_t position) {
  while (stream->done < position && !stream->waiting.empty()) {
    const std::function<void()> work = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    ++stream->done;
    work();
  }
}

void RunAll(CUstream_st *stream) {
  RunUntil(stream, stream->queued());
}

// The latest stream first: work that needs another stream's is early where nothing made it wait.
void RunAllStreams() {
  Card &card = TheCard();
  RunAll(&card.null_stream);
  for (auto stream = card.streams.rbegin(); stream != card.streams.rend(); ++stream) {
    RunAll(stream->get());
  }
}

// Whether `data` lies in memory that cudaMallocHost gave.
bool IsPinned(const void *data) {
  const Card &card = TheCard();
  auto after = card.allocations.upper_bound(const_cast<void *>(data));
  if (after == card.allocations.begin()) return false;
  --after;
  return card.pinned.contains(after->first) &&
         static_cast<const char *>(data) < static_cast<const char *>(after->first) + after->second;
}

CUstream_st *StreamOf(CUstream_st *stream) {
  return stream == nullptr ? &TheCard().null_stream : stream;
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

// As a card does, waits for all work before it takes memory back.
cudaError_t Free(void *data) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (data == nullptr) return emulation::Enter();
  const auto found = card.allocations.find(data);
  if (found == card.allocations.end()) return emulation::Fail(cudaErrorInvalidValue);
  RunAllStreams();
  card.live -= found->second;
  card.allocations.erase(found);
  card.pinned.erase(data);
  std::free(data);
  return cudaSuccess;
}

// For calls that wait for the card; wait() does what they wait for.
template <typename Wait>
cudaError_t Synchronize(const Wait &wait) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = emulation::Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) return emulation::Fail(cudaErrorStreamCaptureUnsupported);
  wait();
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

cudaError_t Queue(CUstream_st *stream, std::function<void()> work) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) {
    card.captured->work.push_back(std::move(work));
    return cudaSuccess;
  }
  StreamOf(stream)->waiting.push_back([work = std::move(work)] {
    ++TheCard().launches;
    try {
      work();
    } catch (const std::exception &error) {
      std::fprintf(stderr, "a kernel failed: %s\n", error.what());
      TheCard().broken = cudaErrorLaunchFailure;
    }
  });
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
  return Synchronize(RunAllStreams);
}
cudaError_t cudaDeviceReset() {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  RunAllStreams();
  for (const auto &[data, bytes] : card.allocations) std::free(data);
  card.allocations.clear();
  card.pinned.clear();
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
  const cudaError_t error = Allocate(data, bytes);
  const std::lock_guard lock(TheCard().mutex);
  if (error == cudaSuccess) TheCard().pinned.insert(*data);
  return error;
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

// On the null stream: it waits for no other one.
cudaError_t cudaMemcpy(void *to, const void *from, std::size_t bytes, cudaMemcpyKind) {
  return Synchronize([=] {
    RunAll(&TheCard().null_stream);
    std::memcpy(to, from, bytes);
  });
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  const auto copy = [=] { std::memcpy(to, from, bytes); };
  const bool pageable = (kind == cudaMemcpyHostToDevice && !IsPinned(from)) ||
                        (kind == cudaMemcpyDeviceToHost && !IsPinned(to));
  if (!pageable || card.captured != nullptr) return emulation::Queue(stream, copy);
  if (kind == cudaMemcpyDeviceToHost) {  // waited for, as a card's driver does
    const cudaError_t error = emulation::Queue(stream, copy);
    RunAll(StreamOf(stream));
    return error;
  }
  // The driver takes what pageable memory holds now.
  const auto *const first = static_cast<const std::byte *>(from);
  std::vector<std::byte> staged(first, first + bytes);
  return emulation::Queue(stream, [to, staged = std::move(staged)] {
    if (!staged.empty()) std::memcpy(to, staged.data(), staged.size());
  });
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
  return Synchronize([=] {
    RunAll(&TheCard().null_stream);
    std::memset(data, value, bytes);
  });
}
cudaError_t cudaMemsetAsync(void *data, int value, std::size_t bytes, cudaStream_t stream) {
  return emulation::Queue(stream, [=] { std::memset(data, value, bytes); });
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  card.streams.push_back(std::make_unique<CUstream_st>());
  *stream = card.streams.back().get();
  return Enter();
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  return cudaStreamCreate(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;  // what it was told is done later
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return Synchronize([=] { RunAll(StreamOf(stream)); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return Synchronize([=] { RunAll(StreamOf(stream)); });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr || event->stream == nullptr) return cudaSuccess;
  StreamOf(stream)->waiting.push_back(
      [of = event->stream, position = event->position] { RunUntil(of, position); });
  return cudaSuccess;
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
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Card &card = TheCard();
  const std::lock_guard lock(card.mutex);
  if (const cudaError_t error = Enter(); error != cudaSuccess) return error;
  if (card.captured != nullptr) {
    event->stream = nullptr;
    return cudaSuccess;
  }
  event->stream = StreamOf(stream);
  event->stream->waiting.push_back(
      [time = event->time] { *time = std::chrono::steady_clock::now(); });
  event->position = event->stream->queued();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return Synchronize([=] {
    if (event->stream != nullptr) RunUntil(event->stream, event->position);
  });
}
// Lets the card do one more thing, so that who asks again and again comes to an end.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const cudaError_t error = Synchronize([=] {
    if (event->stream != nullptr && event->stream->done < event->position) {
      RunUntil(event->stream, event->stream->done + 1);
    }
  });
  if (error != cudaSuccess) return error;
  const bool reached = event->stream == nullptr || event->stream->done >= event->position;
  return reached ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
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
