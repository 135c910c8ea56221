// The search spaces that the extension's script inserts, for tests.
//
// May touch: include/trails.
#pragma once

#include "trails/options.h"

namespace trails::test {

inline const SearchSpace kTabular{"tabular", {16, 32, 64, 96, 128, 192, 256, 384}, 1, 4};
inline const SearchSpace kMlp20{
    "mlp20",
    {8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 384, 512},
    4,
    4};
inline const SearchSpace kMlp10{"mlp10", {8, 16, 32, 48, 96, 112, 144, 176, 240, 384}, 4, 4};

}  // namespace trails::test
