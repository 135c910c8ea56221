// Candidates: the hidden widths of a multi-layer perceptron, and the spaces they come from.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trails/options.h"

namespace trails {

// Widths of the hidden layers, input side first: {64, 32} is "64-32".
using HiddenWidths = std::vector<std::int32_t>;

inline constexpr std::int32_t kMaxHiddenLayers = 8;
inline constexpr std::int32_t kMaxHiddenWidth = 4096;
// Weights between hidden layers of one candidate. A step of a larger one takes so long that neither
// a budget nor a cancel could be kept.
inline constexpr std::int64_t kMaxHiddenWeights = 8'000'000;

std::string ArchitectureName(const HiddenWidths &widths);

// Throws Error(kInvalidArgument) for anything but 1..8 widths of 1..4096 joined by '-', without
// leading zeros; its DETAIL names the rule that is broken.
HiddenWidths ParseArchitecture(std::string_view name);

// Throws Error(kInvalidArgument) with a DETAIL for a space that breaks options.h's rules, or whose
// candidates cannot be numbered in 63 bits. Every function below expects a space that passed.
void CheckSearchSpace(const SearchSpace &space);

// Candidates of the space, or of its `layers` hidden layers alone; saturate at INT64_MAX.
std::int64_t SpaceSize(const SearchSpace &space) noexcept;
std::int64_t SpaceSizeAtDepth(const SearchSpace &space, std::int32_t layers) noexcept;

// The space's index-th candidate, 0 <= index < SpaceSize: fewer layers first, then in the order
// of the widths with the last layer fastest. IndexOf is its inverse; it throws
// Error(kInvalidArgument) for widths that are not in the space.
HiddenWidths CandidateAt(const SearchSpace &space, std::int64_t index);
std::int64_t IndexOf(const SearchSpace &space, const HiddenWidths &widths);

// The index-th candidate of those with `layers` hidden layers, 0 <= index < SpaceSizeAtDepth.
HiddenWidths CandidateAtDepth(const SearchSpace &space, std::int32_t layers, std::int64_t index);

// Trainable numbers of the network outside the embedding table: weights and biases of every
// Linear, and gamma and beta of every BatchNorm.
std::int64_t CountParameters(const HiddenWidths &widths, std::int32_t inputs,
                             std::int32_t outputs) noexcept;

}  // namespace trails
