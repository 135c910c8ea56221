// What a call owns on a card, given back when it goes out of scope: memory, streams, events,
// graphs. Every CUDA call's answer is checked.
//
// All of it belongs to the engine thread that made it; a card is first touched there, never before
// a fork.
//
// May touch: the CUDA runtime, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace trails {

// Throws for anything but cudaSuccess: Error(kOutOfMemory) when memory ran out, else
// Error(kDevice); DETAIL has CUDA's words. `what`: what was tried, after "could not".
void CheckCuda(cudaError_t error, const char *what);

// An in-order queue of work on the card.
class CardStream {
 public:
  CardStream();
  ~CardStream();
  CardStream(const CardStream &) = delete;
  CardStream &operator=(const CardStream &) = delete;

  cudaStream_t get() const noexcept { return stream_; }
  // Waits for all that is queued. Throws Error(kDevice) when some of it failed.
  void Synchronize() const;

 private:
  cudaStream_t stream_ = nullptr;
};

// A point in a stream. Without timing unless asked for: that is cheaper to wait for.
class CardEvent {
 public:
  explicit CardEvent(bool timed = false);
  ~CardEvent();
  CardEvent(const CardEvent &) = delete;
  CardEvent &operator=(const CardEvent &) = delete;

  cudaEvent_t get() const noexcept { return event_; }
  void Record(const CardStream &stream);
  // Makes what `stream` does from now on wait for the recorded point; the host does not.
  void HoldUp(const CardStream &stream) const;
  void Synchronize() const;
  bool reached() const;  // without waiting
  // Milliseconds from `start` to here; both timed and reached.
  double MillisecondsSince(const CardEvent &start) const;

 private:
  cudaEvent_t event_ = nullptr;
};

// Bytes on the card that nobody has initialised. The untyped part of CardArray.
class CardBytes {
 public:
  CardBytes() = default;
  // Throws Error(kOutOfMemory) with the size in DETAIL.
  explicit CardBytes(std::size_t bytes);
  ~CardBytes();
  CardBytes(CardBytes &&other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  CardBytes &operator=(CardBytes &&other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void *data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  void *data_ = nullptr;
  std::size_t bytes_ = 0;
};

// `count` numbers on the card, not initialised.
template <typename T>
class CardArray {
 public:
  CardArray() = default;
  explicit CardArray(std::int64_t count)
      : memory_(static_cast<std::size_t>(count) * sizeof(T)), count_(count) {}

  T *data() const noexcept { return static_cast<T *>(memory_.data()); }
  std::int64_t size() const noexcept { return count_; }
  std::int64_t bytes() const noexcept { return count_ * static_cast<std::int64_t>(sizeof(T)); }

  // Queued: `from` must stay until the stream is through, unless it is pageable memory, which CUDA
  // copies first. from.size() <= size().
  void Upload(std::span<const T> from, const CardStream &stream) const {
    CheckCuda(cudaMemcpyAsync(data(), from.data(), from.size_bytes(), cudaMemcpyHostToDevice,
                              stream.get()),
              "copy to the card");
  }
  void Clear(const CardStream &stream) const {
    CheckCuda(cudaMemsetAsync(data(), 0, static_cast<std::size_t>(bytes()), stream.get()),
              "clear memory of the card");
  }
  // Waits for the stream; the first `count` numbers.
  std::vector<T> Download(std::int64_t count, const CardStream &stream) const {
    std::vector<T> to(static_cast<std::size_t>(count));
    CheckCuda(cudaMemcpyAsync(to.data(), data(), to.size() * sizeof(T), cudaMemcpyDeviceToHost,
                              stream.get()),
              "copy from the card");
    stream.Synchronize();
    return to;
  }
  std::vector<T> Download(const CardStream &stream) const { return Download(count_, stream); }

 private:
  CardBytes memory_;
  std::int64_t count_ = 0;
};

// Pinned memory of the host, from and to which copies run beside the host's own work.
class PinnedBytes {
 public:
  // Throws Error(kOutOfMemory) with the size in DETAIL.
  explicit PinnedBytes(std::size_t bytes);
  ~PinnedBytes();
  PinnedBytes(const PinnedBytes &) = delete;
  PinnedBytes &operator=(const PinnedBytes &) = delete;

  std::byte *data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::byte *data_ = nullptr;
  std::size_t bytes_;
};

// Work that is queued once and replayed: a step of some sixty kernels starts in microseconds.
class CardGraph {
 public:
  CardGraph() = default;
  // Captures what queue() puts on `stream`, and on streams that it makes wait for `stream` and
  // `stream` wait for again. queue must not wait for the card or allocate.
  template <typename Work>
  CardGraph(const CardStream &stream, const Work &queue) {
    Begin(stream);
    try {
      queue();
    } catch (...) {
      Abandon(stream);
      throw;
    }
    End(stream);
  }
  ~CardGraph();
  CardGraph(CardGraph &&other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  CardGraph &operator=(CardGraph &&other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }

  explicit operator bool() const noexcept { return graph_ != nullptr; }
  void Launch(const CardStream &stream) const;

 private:
  static void Begin(const CardStream &stream);
  static void Abandon(const CardStream &stream) noexcept;
  void End(const CardStream &stream);

  cudaGraphExec_t graph_ = nullptr;
};

// One call's use of the card: chooses the first card that CUDA_VISIBLE_DEVICES leaves. Its end
// gives back all that the process has there, the context (some 300 MB) too, so that a session that
// lingers holds nothing; every object above must be gone by then. One at a time in a process.
class CardSession {
 public:
  // Throws Error(kDevice) when there is no card, no driver, or one too old. Cost: 0.2 to 0.4 s.
  CardSession();
  ~CardSession();
  CardSession(const CardSession &) = delete;
  CardSession &operator=(const CardSession &) = delete;
};

}  // namespace trails
