// Text and numbers as they stand on the page of a run.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trails {

// ASCII that XML reads as `utf8`: the five special characters and all beyond ASCII as references.
// Bytes that are no UTF-8, and characters that XML 1.0 cannot hold, become U+FFFD.
std::string Escape(std::string_view utf8);

// A metric or loss: "0.9312", "47,512"; "none" for NaN.
std::string MetricText(double value);
// A count: "4,680".
std::string CountText(double value);
// "1 look", "2,040 looks".
std::string CountedText(std::size_t count, std::string_view one);
// Three digits: "0.5 epochs", "1 epoch".
std::string EpochsText(double epochs);
// "0.42 s", "59.8 s", "4 min 12 s"; "none" for NaN.
std::string SecondsText(double seconds);

}  // namespace trails
