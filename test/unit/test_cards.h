// Where test/CMakeLists.txt puts the libraries of test/unit/cards.
#pragma once

#include <filesystem>
#include <string>

namespace trails {

// The folder with the trails_cuda.so made of cards/NAME.cpp.
inline std::string CardFolder(const std::string &name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cards" / name).string();
}

}  // namespace trails
