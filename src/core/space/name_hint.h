// What a HINT says of names that there are; similar_word.h says which one was meant.
//
// May touch: {fmt}.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace trails {

// Names that a HINT lists; how many more there are is said.
inline constexpr std::size_t kMostNamesInHint = 10;

// 'a, b, c', or 'a, b, c and 4 more' beyond kMostNamesInHint; `more`: further names, which were not
// even given. Empty for no names.
std::string ListNames(std::span<const std::string> names, std::size_t more = 0);

}  // namespace trails
