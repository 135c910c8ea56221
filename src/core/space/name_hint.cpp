// May touch: {fmt}.
#include "core/space/name_hint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace trails {

std::string ListNames(std::span<const std::string> names, std::size_t more) {
  const std::size_t shown = std::min(names.size(), kMostNamesInHint);
  const std::size_t left = names.size() - shown + more;
  std::string text = fmt::format("{}", fmt::join(names.first(shown), ", "));
  if (left > 0) text += fmt::format(" and {} more", left);
  return text;
}

}  // namespace trails
