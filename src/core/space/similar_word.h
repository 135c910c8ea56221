// The word that was probably meant, for HINTs.
//
// May touch: the C++ standard library.
#pragma once

#include <span>
#include <string_view>

namespace trails {

// The known word that was probably meant, by the measure that column names have (a third of the
// letters may differ, their case does not count); empty when none is near.
std::string_view MostSimilar(std::string_view word, std::span<const std::string_view> known);

}  // namespace trails
