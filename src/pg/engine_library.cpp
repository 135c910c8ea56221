// May touch: include/trails, POSIX dlopen. Never PostgreSQL or Torch.
#include "pg/engine_library.h"

#include <dlfcn.h>

#include <string>

namespace trails::pg {

namespace {

constexpr const char *kLibraryName = "trails_engine.so";
constexpr const char *kInstallHint =
    "Run scripts/setup.sh, or \"make install\", which put trails_engine.so beside trails.so and "
    "LibTorch 2.11 where it is found.";

// Where the code that runs now was loaded from.
std::string OwnFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&OpenEngine), &info) == 0 ||
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

}  // namespace

Engine &OpenEngine() {
  // A failed initialisation is tried again by the next call.
  static Engine *const engine = Open();
  return *engine;
}

}  // namespace trails::pg
