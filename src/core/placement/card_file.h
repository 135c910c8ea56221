// Where trails_cuda.so is looked for: beside trails_engine.so, which lies beside trails.so. Both
// ask, the one before a row is read.
//
// May touch: include/trails, POSIX access.
#pragma once

#include <unistd.h>

#include <string>

#include "trails/error.h"

namespace trails {

inline constexpr const char *kCardLibraryName = "trails_cuda.so";
inline constexpr const char *kCardLibraryHint =
    "Build and install trails with the CUDA toolkit 13, or give device \"cpu\".";

// Whether `folder` has it. Opens nothing.
inline bool HasCardLibrary(const std::string &folder) {
  return access((folder + "/" + kCardLibraryName).c_str(), F_OK) == 0;
}

// Throws Error(kNotSupported) where it has not.
inline void RequireCardLibrary(const std::string &folder) {
  if (HasCardLibrary(folder)) return;
  throw Error(ErrorKind::kNotSupported, "this build has no CUDA",
              std::string(kCardLibraryName) + " is not installed beside trails_engine.so.",
              kCardLibraryHint);
}

}  // namespace trails
