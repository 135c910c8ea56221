// Opens trails_cuda.so, and the CUDA device behind it, when a call asks for one.
//
// May touch: include/trails, src/core/placement/card.h, POSIX dlopen. Never CUDA, Torch or
// PostgreSQL.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "core/placement/card.h"

namespace trails {

// Not copied, and never destroyed while one of its threads runs.
class CardLibrary {
 public:
  // folder: where trails_cuda.so lies, without a slash at its end.
  explicit CardLibrary(std::string folder) : folder_(std::move(folder)) {}
  ~CardLibrary() { JoinThreads(); }
  CardLibrary(const CardLibrary &) = delete;
  CardLibrary &operator=(const CardLibrary &) = delete;

  // The one beside trails_engine.so. Never destroyed.
  static CardLibrary &Installed();

  // Whether trails_cuda.so is there. Opens nothing.
  bool is_there() const;

  // Waits for an opening that was abandoned. For the end of the process.
  void JoinThreads() noexcept;

 private:
  friend class CardOpening;

  std::unique_ptr<Card> Open() const;

  const std::string folder_;
  std::mutex mutex_;
  std::jthread thread_;
};

// A device being opened on a thread of its own, while the call that wants it goes on with other
// work. The library is opened at the first time, and never closed.
//
// Why a thread that may outlive the call: to start CUDA takes some 0.3 s and cannot be interrupted,
// and a cancel must not wait for it. A call that ends before gives up what the thread brings. It
// inherits the signal mask: make the object on an engine thread only.
class CardOpening {
 public:
  // Begins. Throws Error(kNotSupported) where the library is not there; Error(kLimit) when no
  // thread can be started.
  explicit CardOpening(CardLibrary *library);
  ~CardOpening();
  CardOpening(const CardOpening &) = delete;
  CardOpening &operator=(const CardOpening &) = delete;

  // Waits for the device; call it once. Throws Error(kCancelled) within 10 ms of a stop;
  // Error(kMissingLibrary) when the library cannot be opened (the loader's words in the DETAIL) or
  // is of another version; Error(kDevice) without a usable device, with the driver's words.
  std::unique_ptr<Card> Take(const std::stop_token &stop);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace trails
