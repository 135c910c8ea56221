#include "core/card/runtime.h"

#include <fmt/format.h>

#include "trails/error.h"

namespace trails {

namespace {

[[noreturn]] void ThrowOutOfMemory(const char *where, std::size_t bytes) {
  std::size_t free = 0, total = 0;
  const bool known = cudaMemGetInfo(&free, &total) == cudaSuccess;
  (void)cudaGetLastError();  // it is reported here
  std::string detail = fmt::format("{} bytes were asked for.", bytes);
  if (known) detail += fmt::format(" {} of {} bytes of the card are free.", free, total);
  throw Error(ErrorKind::kOutOfMemory, fmt::format("out of memory {}", where), detail,
              "Set \"device\" to \"cpu\" in options, or train fewer candidates at once (\"k\").");
}

}  // namespace

void CheckCuda(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();  // it is reported here
  throw Error(
      error == cudaErrorMemoryAllocation ? ErrorKind::kOutOfMemory : ErrorKind::kDevice,
      fmt::format("could not {}", what),
      fmt::format("CUDA says: {} ({}).", cudaGetErrorString(error), cudaGetErrorName(error)));
}

CardStream::CardStream() {
  CheckCuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a CUDA stream");
}

CardStream::~CardStream() {
  (void)cudaStreamDestroy(stream_);
}

void CardStream::Synchronize() const {
  CheckCuda(cudaStreamSynchronize(stream_), "finish work on the card");
}

CardEvent::CardEvent(bool timed) {
  CheckCuda(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming),
            "make a CUDA event");
}

CardEvent::~CardEvent() {
  (void)cudaEventDestroy(event_);
}

void CardEvent::Record(const CardStream &stream) {
  CheckCuda(cudaEventRecord(event_, stream.get()), "record a CUDA event");
}

void CardEvent::HoldUp(const CardStream &stream) const {
  CheckCuda(cudaStreamWaitEvent(stream.get(), event_, 0), "make a CUDA stream wait");
}

void CardEvent::Synchronize() const {
  CheckCuda(cudaEventSynchronize(event_), "finish work on the card");
}

bool CardEvent::reached() const {
  const cudaError_t error = cudaEventQuery(event_);
  if (error == cudaErrorNotReady) return false;
  CheckCuda(error, "finish work on the card");
  return true;
}

double CardEvent::MillisecondsSince(const CardEvent &start) const {
  float milliseconds = 0;
  CheckCuda(cudaEventElapsedTime(&milliseconds, start.event_, event_), "read a CUDA event's time");
  return milliseconds;
}

CardBytes::CardBytes(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const cudaError_t error = cudaMalloc(&data_, bytes);
  if (error == cudaErrorMemoryAllocation) ThrowOutOfMemory("on the card", bytes);
  CheckCuda(error, "allocate memory on the card");
}

CardBytes::~CardBytes() {
  (void)cudaFree(data_);
}

PinnedBytes::PinnedBytes(std::size_t bytes) : bytes_(bytes) {
  void *data = nullptr;
  const cudaError_t error = cudaMallocHost(&data, bytes);
  if (error == cudaErrorMemoryAllocation) ThrowOutOfMemory("for pinned pages", bytes);
  CheckCuda(error, "pin memory");
  data_ = static_cast<std::byte *>(data);
}

PinnedBytes::~PinnedBytes() {
  (void)cudaFreeHost(data_);
}

CardGraph::~CardGraph() {
  if (graph_ != nullptr) (void)cudaGraphExecDestroy(graph_);
}

void CardGraph::Launch(const CardStream &stream) const {
  CheckCuda(cudaGraphLaunch(graph_, stream.get()), "start a CUDA graph");
}

void CardGraph::Begin(const CardStream &stream) {
  CheckCuda(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
            "begin to capture a CUDA graph");
}

void CardGraph::Abandon(const CardStream &stream) noexcept {
  cudaGraph_t graph = nullptr;
  (void)cudaStreamEndCapture(stream.get(), &graph);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
}

void CardGraph::End(const CardStream &stream) {
  cudaGraph_t graph = nullptr;
  CheckCuda(cudaStreamEndCapture(stream.get(), &graph), "capture a CUDA graph");
  const cudaError_t error = cudaGraphInstantiate(&graph_, graph, 0);
  (void)cudaGraphDestroy(graph);
  CheckCuda(error, "instantiate a CUDA graph");
}

CardSession::CardSession() {
  CheckCuda(cudaSetDevice(0), "use the first CUDA card");
  CheckCuda(cudaFree(nullptr), "use the first CUDA card");  // makes the context
}

CardSession::~CardSession() {
  (void)cudaDeviceReset();
}

}  // namespace trails
