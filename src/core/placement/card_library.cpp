#include "core/placement/card_library.h"

#include <dlfcn.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <system_error>
#include <utility>

#include "core/placement/card_file.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::chrono::milliseconds kStopPoll{10};

// Where the code that runs now was loaded from: trails_engine.so, or a program of tests.
std::string OwnFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&CardLibrary::Installed), &info) == 0 ||
      info.dli_fname == nullptr) {
    throw Error(ErrorKind::kInternal, "the folder of trails_engine.so is unknown");
  }
  const std::string path = info.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

[[noreturn]] void ThrowUnusable(const std::string &message, const std::string &detail) {
  throw Error(ErrorKind::kMissingLibrary, message, detail, kCardLibraryHint);
}

std::string LastDlError() {
  const char *const words = dlerror();
  return words == nullptr ? "The loader gave no reason." : std::string(words) + ".";
}

}  // namespace

CardLibrary &CardLibrary::Installed() {
  static auto *const library = new CardLibrary(OwnFolder());
  return *library;
}

bool CardLibrary::is_there() const {
  return HasCardLibrary(folder_);
}

void CardLibrary::JoinThreads() noexcept {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<Card> CardLibrary::Open() const {
  const std::string path = folder_ + "/" + kCardLibraryName;
  void *const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ThrowUnusable(std::string("could not open ") + kCardLibraryName + " or the CUDA libraries",
                  LastDlError());
  }
  const auto entry = reinterpret_cast<CardEntryPoint>(dlsym(library, kCardEntryName));
  if (entry == nullptr) {
    ThrowUnusable(std::string(kCardLibraryName) + " is not the CUDA library of trails",
                  LastDlError());
  }
  std::unique_ptr<Card> card(entry(kCardContractVersion));
  if (card == nullptr) {
    std::string detail = "trails_engine.so needs contract version ";
    detail += std::to_string(kCardContractVersion) + ".";
    ThrowUnusable(std::string(kCardLibraryName) + " and trails_engine.so are of different versions",
                  detail);
  }
  return card;
}

struct CardOpening::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  bool abandoned = false;
  std::unique_ptr<Card> card;
  std::exception_ptr failure;

  void Finish(std::unique_ptr<Card> opened, std::exception_ptr why) noexcept {
    std::unique_lock lock(mutex);
    if (abandoned) {
      lock.unlock();
      opened.reset();  // its memory goes back here, as nobody waits
      return;
    }
    card = std::move(opened);
    failure = std::move(why);
    done = true;
    changed.notify_all();
  }
};

CardOpening::CardOpening(CardLibrary *library) : state_(std::make_shared<State>()) {
  RequireCardLibrary(library->folder_);
  const std::lock_guard lock(library->mutex_);
  // Of a call that was cancelled. Two devices at once, of one process, would be one context.
  std::jthread before = std::move(library->thread_);
  try {
    library->thread_ = std::jthread([library, state = state_, last = std::move(before)]() mutable {
      if (last.joinable()) last.join();
      try {
        state->Finish(library->Open(), nullptr);
      } catch (...) {
        state->Finish(nullptr, std::current_exception());
      }
    });
  } catch (const std::system_error &error) {
    throw Error(ErrorKind::kLimit, "could not start a thread to open the CUDA device",
                std::string("The system said: ") + error.what() + ".");
  }
}

CardOpening::~CardOpening() {
  std::unique_ptr<Card> unwanted;
  const std::lock_guard lock(state_->mutex);
  state_->abandoned = true;
  unwanted = std::move(state_->card);
}

std::unique_ptr<Card> CardOpening::Take(const std::stop_token &stop) {
  std::unique_lock lock(state_->mutex);
  while (!state_->changed.wait_for(lock, kStopPoll, [this] { return state_->done; })) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "opening the CUDA device was cancelled");
    }
  }
  if (state_->failure) std::rethrow_exception(state_->failure);
  return std::move(state_->card);
}

}  // namespace trails
