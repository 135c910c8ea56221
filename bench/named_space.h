// The search spaces that the extension's script inserts, for the benches that run without it.
//
// May touch: include/trails.
#pragma once

#include <string>
#include <string_view>

#include "trails/error.h"
#include "trails/options.h"

namespace trails::bench {

// tabular, mlp20 or mlp10. Throws Error(kUndefinedObject) for another name.
inline SearchSpace SpaceNamed(std::string_view name) {
  if (name == "tabular") return {"tabular", {16, 32, 64, 96, 128, 192, 256, 384}, 1, 4};
  if (name == "mlp10") return {"mlp10", {8, 16, 32, 48, 96, 112, 144, 176, 240, 384}, 4, 4};
  if (name == "mlp20") {
    return {
        "mlp20",
        {8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 384, 512},
        4,
        4};
  }
  throw Error(ErrorKind::kUndefinedObject,
              "search space \"" + std::string(name) + "\" does not exist");
}

}  // namespace trails::bench
