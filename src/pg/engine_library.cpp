// May touch: include/trails, POSIX dlopen. Never PostgreSQL or Torch.
#include "pg/engine_library.h"

#include <dlfcn.h>

#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "core/placement/card_file.h"

namespace trails::pg {

namespace {

constexpr const char *kLibraryName = "trails_engine.so";
constexpr const char *kInstallHint =
    "Run scripts/setup.sh, or \"make install\", which put trails_engine.so beside trails.so and "
    "LibTorch 2.11 where it is found.";

// Where the code that runs now was loaded from.
std::string OwnFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&StartOpeningEngine), &info) == 0 ||
      info.dli_fname == nullptr || info.dli_fname[0] != '/') {
    throw Error(ErrorKind::kInternal, "the folder of trails.so is unknown");
  }
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/'));
}

std::string LastDlError() {
  const char *const words = dlerror();
  return words == nullptr ? "The loader gave no reason." : std::string(words) + ".";
}

Engine *Open() {
  const std::string path = OwnFolder() + "/" + kLibraryName;
  void *const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(ErrorKind::kMissingLibrary,
                std::string("could not open ") + kLibraryName + " or LibTorch", LastDlError(),
                kInstallHint);
  }
  const auto entry = reinterpret_cast<EngineEntryPoint>(dlsym(library, kEngineEntryName));
  if (entry == nullptr) {
    throw Error(ErrorKind::kMissingLibrary,
                std::string(kLibraryName) + " is not the engine of trails", LastDlError(),
                kInstallHint);
  }
  Engine *const engine = entry(kContractVersion);
  if (engine == nullptr) {
    throw Error(ErrorKind::kMissingLibrary,
                std::string(kLibraryName) + " and trails.so are of different versions",
                "trails.so needs contract version " + std::to_string(kContractVersion) + ".",
                kInstallHint);
  }
  return engine;
}

constexpr std::chrono::milliseconds kStopPoll{10};

// The opening that was begun last. Never destroyed: a thread may wait for it at exit.
struct Opening {
  std::mutex mutex;
  std::jthread thread;
  std::shared_future<Engine *> engine;
};

Opening &TheOpening() {
  static auto *const opening = new Opening;
  return *opening;
}

bool HasFailed(const std::shared_future<Engine *> &engine) {
  if (engine.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
  try {
    return engine.get() == nullptr;
  } catch (const Error &) {
    return true;
  }
}

std::shared_future<Engine *> Begin() {
  Opening &opening = TheOpening();
  const std::lock_guard lock(opening.mutex);
  if (opening.engine.valid() && !HasFailed(opening.engine)) return opening.engine;
  std::promise<Engine *> promise;
  opening.engine = promise.get_future().share();
  if (opening.thread.joinable()) opening.thread.join();  // it has failed, hence ended
  try {
    opening.thread = std::jthread([promise = std::move(promise)]() mutable {
      try {
        promise.set_value(Open());
      } catch (...) {
        promise.set_exception(std::current_exception());
      }
    });
  } catch (const std::system_error &error) {
    opening.engine = {};
    throw Error(ErrorKind::kLimit, "could not start a thread to open the engine",
                std::string("The system said: ") + error.what() + ".");
  }
  return opening.engine;
}

}  // namespace

void StartOpeningEngine() {
  (void)Begin();
}

Engine &OpenEngine(const std::stop_token &stop) {
  const std::shared_future<Engine *> engine = Begin();
  while (engine.wait_for(kStopPoll) != std::future_status::ready) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "opening the engine was cancelled");
    }
  }
  return *engine.get();
}

void RequireInstalledCardLibrary() {
  RequireCardLibrary(OwnFolder());
}

void JoinEngineOpening() noexcept {
  Opening &opening = TheOpening();
  if (opening.thread.joinable()) opening.thread.join();
  if (opening.engine.valid() && !HasFailed(opening.engine)) opening.engine.get()->JoinThreads();
}

}  // namespace trails::pg
