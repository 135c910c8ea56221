// Elements of column chunks, made by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace trails {

// The bytes of numbers as a column chunk has them.
template <typename Number>
std::string ElementsOf(const std::vector<Number> &numbers) {
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// `count` elements of `width` bytes: the lowest of value(i).
inline std::string ElementsBy(std::int64_t count, std::int32_t width,
                              const std::function<std::uint64_t(std::int64_t)> &value) {
  std::string bytes;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t number = value(i);
    bytes.append(reinterpret_cast<const char *>(&number), static_cast<std::size_t>(width));
  }
  return bytes;
}

inline std::string RandomElements(std::int64_t count, std::int32_t width, std::uint64_t seed) {
  RandomStream stream(seed);
  return ElementsBy(count, width, [&](std::int64_t) { return stream.Next(); });
}

// Elements that are one of `distinct` random ones each.
inline std::string DrawnElements(std::int64_t count, std::int32_t width, std::int64_t distinct,
                                 std::uint64_t seed) {
  RandomStream stream(seed);
  std::vector<std::uint64_t> values;
  std::set<std::uint64_t> known;
  while (static_cast<std::int64_t>(values.size()) < distinct) {
    const std::uint64_t value = stream.Next();
    if (known.insert(value << (64 - 8 * width)).second) values.push_back(value);
  }
  return ElementsBy(count, width, [&](std::int64_t) {
    return values[static_cast<std::size_t>(stream.Below(distinct))];
  });
}

}  // namespace trails
