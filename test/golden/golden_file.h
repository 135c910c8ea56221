// What every golden program does before it compares: `golden_NAME --golden FILE`.
//
// May touch: {fmt}, nlohmann-json.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <nlohmann/json.hpp>

namespace trails {

// Parses the file that the arguments name, whose format must be trails-golden-NAME-1 with something
// under `cases`, and returns compare(json): the program's exit status. 2, with a line on stderr,
// for arguments or a file that cannot be used.
template <typename Compare>
int WithGoldenFile(int argc, char **argv, std::string_view name, const char *cases,
                   Compare compare) {
  using Json = nlohmann::json;
  if (argc != 3 || std::string_view(argv[1]) != "--golden") {
    fmt::print(stderr, "usage: golden_{} --golden FILE\n", name);
    return 2;
  }
  try {
    std::ifstream file(argv[2]);
    const Json golden = Json::parse(file);
    const std::string format = fmt::format("trails-golden-{}-1", name);
    if (golden.at("format") != format || golden.at(cases).empty()) {
      fmt::print(stderr, "{} holds no {} in the format {}\n", argv[2], cases, format);
      return 2;
    }
    return compare(golden);
  } catch (const std::exception &error) {
    fmt::print(stderr, "cannot use {}: {}\n", argv[2], error.what());
    return 2;
  }
}

}  // namespace trails
