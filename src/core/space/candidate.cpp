// The codec of candidates: widths to name and back, widths to index and back.
//
// May touch: src/core/space, include/trails and {fmt}.
#include "core/space/candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kSaturated = std::numeric_limits<std::int64_t>::max();

std::int64_t SaturatingProduct(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kSaturated : product;
}

std::int64_t SaturatingSum(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kSaturated : sum;
}

bool IsDigit(char letter) noexcept {
  return letter >= '0' && letter <= '9';
}

[[noreturn]] void ThrowInvalidSpace(const SearchSpace &space, std::string detail,
                                    std::string hint = {}) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("invalid search space \"{}\"", space.name),
              std::move(detail), std::move(hint));
}

}  // namespace

std::string ArchitectureName(const HiddenWidths &widths) {
  std::string name;
  for (const std::int32_t width : widths) {
    if (!name.empty()) name += '-';
    name += std::to_string(width);
  }
  return name;
}

HiddenWidths ParseArchitecture(std::string_view name) {
  const auto fail = [name](std::string detail) {
    return Error(ErrorKind::kInvalidArgument, fmt::format("invalid architecture \"{}\"", name),
                 std::move(detail),
                 fmt::format("An architecture is 1 to {} hidden widths from 1 to {}, joined by "
                             "'-', as in \"64-32\".",
                             kMaxHiddenLayers, kMaxHiddenWidth));
  };
  if (name.empty()) throw fail("It has no widths.");
  const auto layers = std::count(name.begin(), name.end(), '-') + 1;
  if (layers > kMaxHiddenLayers) {
    throw fail(fmt::format("It has {} widths; the limit is {}.", layers, kMaxHiddenLayers));
  }
  HiddenWidths widths;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('-', at), name.size());
    const std::string_view word = name.substr(at, end - at);
    at = end + 1;
    if (word.empty()) {
      throw fail(fmt::format("Width {} of {} is missing.", widths.size() + 1, layers));
    }
    if (!std::all_of(word.begin(), word.end(), IsDigit)) {
      throw fail(fmt::format("\"{}\" is not a whole number.", word));
    }
    std::int32_t width = 0;
    const auto [next, problem] = std::from_chars(word.data(), word.data() + word.size(), width);
    if (problem != std::errc() || width < 1 || width > kMaxHiddenWidth) {
      throw fail(fmt::format("Width {} is outside the range from 1 to {}.", word, kMaxHiddenWidth));
    }
    // It would give one candidate two names.
    if (word.front() == '0') throw fail(fmt::format("Width {} has a leading zero.", word));
    widths.push_back(width);
  }
  return widths;
}

void CheckSearchSpace(const SearchSpace &space) {
  if (space.widths.empty()) {
    ThrowInvalidSpace(space, "It has no widths.",
                      "Give the widths that a hidden layer may have, as in '{16,32,64}'.");
  }
  for (const std::int32_t width : space.widths) {
    if (width < 1 || width > kMaxHiddenWidth) {
      ThrowInvalidSpace(space, fmt::format("Width {} is outside the range from 1 to {}.", width,
                                           kMaxHiddenWidth));
    }
  }
  if (!std::is_sorted(space.widths.begin(), space.widths.end(), std::less_equal<>())) {
    ThrowInvalidSpace(space, "Its widths are not distinct and in ascending order.",
                      "Sort them, and give each of them once.");
  }
  if (space.min_layers < 1 || space.max_layers > kMaxHiddenLayers ||
      space.min_layers > space.max_layers) {
    ThrowInvalidSpace(space,
                      fmt::format("Layers from {} to {} are not a range within 1 to {}.",
                                  space.min_layers, space.max_layers, kMaxHiddenLayers),
                      space.min_layers > space.max_layers
                          ? "Give \"min_layers\" before \"max_layers\"."
                          : std::string());
  }
  const auto widest = static_cast<std::int64_t>(space.widths.back());
  const std::int64_t weights = widest * widest * (space.max_layers - 1);
  if (weights > kMaxHiddenWeights) {
    ThrowInvalidSpace(space,
                      fmt::format("Its largest candidate has {} weights between its hidden layers; "
                                  "the limit is {}.",
                                  weights, kMaxHiddenWeights),
                      "Use smaller widths or fewer layers.");
  }
  if (SpaceSize(space) == kSaturated) {
    ThrowInvalidSpace(space, fmt::format("It has {} candidates or more.", kSaturated),
                      "Use fewer widths or fewer layers.");
  }
}

std::int64_t SpaceSizeAtDepth(const SearchSpace &space, std::int32_t layers) noexcept {
  std::int64_t size = 1;
  for (std::int32_t layer = 0; layer < layers; ++layer) {
    size = SaturatingProduct(size, static_cast<std::int64_t>(space.widths.size()));
  }
  return size;
}

std::int64_t SpaceSize(const SearchSpace &space) noexcept {
  std::int64_t size = 0;
  for (std::int32_t layers = space.min_layers; layers <= space.max_layers; ++layers) {
    size = SaturatingSum(size, SpaceSizeAtDepth(space, layers));
  }
  return size;
}

HiddenWidths CandidateAtDepth(const SearchSpace &space, std::int32_t layers, std::int64_t index) {
  const auto choices = static_cast<std::int64_t>(space.widths.size());
  HiddenWidths widths(static_cast<std::size_t>(layers));
  for (auto width = widths.rbegin(); width != widths.rend(); ++width) {
    *width = space.widths[static_cast<std::size_t>(index % choices)];
    index /= choices;
  }
  return widths;
}

HiddenWidths CandidateAt(const SearchSpace &space, std::int64_t index) {
  std::int32_t layers = space.min_layers;
  for (std::int64_t size = SpaceSizeAtDepth(space, layers); index >= size;
       size = SpaceSizeAtDepth(space, layers)) {
    index -= size;
    ++layers;
  }
  return CandidateAtDepth(space, layers, index);
}

std::int64_t IndexOf(const SearchSpace &space, const HiddenWidths &widths) {
  const auto layers = static_cast<std::int32_t>(widths.size());
  const auto fail = [&] {
    return Error(ErrorKind::kInvalidArgument,
                 fmt::format("architecture \"{}\" is not in search space \"{}\"",
                             ArchitectureName(widths), space.name));
  };
  if (layers < space.min_layers || layers > space.max_layers) throw fail();
  std::int64_t within = 0;
  for (const std::int32_t width : widths) {
    const auto found = std::lower_bound(space.widths.begin(), space.widths.end(), width);
    if (found == space.widths.end() || *found != width) throw fail();
    within =
        within * static_cast<std::int64_t>(space.widths.size()) + (found - space.widths.begin());
  }
  std::int64_t before = 0;
  for (std::int32_t fewer = space.min_layers; fewer < layers; ++fewer) {
    before += SpaceSizeAtDepth(space, fewer);
  }
  return before + within;
}

std::int64_t CountParameters(const HiddenWidths &widths, std::int32_t inputs,
                             std::int32_t outputs) noexcept {
  std::int64_t parameters = 0;
  std::int64_t fan_in = inputs;
  for (const std::int64_t width : widths) {
    parameters += fan_in * width + width + 2 * width;  // Linear, then gamma and beta
    fan_in = width;
  }
  return parameters + fan_in * outputs + outputs;
}

}  // namespace trails
