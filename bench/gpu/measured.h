// Times on a card, and how they are written down.
//
// May touch: src/core/card/runtime.h, {fmt}.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/card/runtime.h"
#include "core/placement/card.h"

namespace trails::bench {

// How often something is measured.
struct Effort {
  int warm_ups = 3;
  int repeats = 30;
  double seconds = 3e-4;  // that one repeat takes at least, by running it more than once
};
inline constexpr Effort kTinyEffort{.warm_ups = 1, .repeats = 3, .seconds = 0};

// Seconds of one run of what `queue` puts on the stream: the median of CUDA-event times.
double MedianSeconds(const CardStream &stream, const Effort &effort,
                     const std::function<void(const CardStream &)> &queue);

// The same for work that waits for the card itself, by the clock.
double MedianSeconds(int repeats, const std::function<void()> &work);

// Numbers that look random, without zeros: they are slow to compute with, as real ones are.
CardArray<float> RandomNumbers(std::int64_t count, std::uint64_t seed, const CardStream &stream);

// What the card reaches at best, measured: a large copy within its memory, bytes read and written
// counted; a large square product, multiply-adds a second.
struct Ceilings {
  double copy_bytes_per_second = 0;
  double fp32_multiply_adds_per_second = 0;
  double tf32_multiply_adds_per_second = 0;
};
Ceilings MeasureCeilings(bool tiny, const CardStream &stream);

// A JSON object being written: keys in the order of the calls. No escapes: names are our own.
class JsonObject {
 public:
  JsonObject &Add(const std::string &key, double number);
  JsonObject &Add(const std::string &key, const std::string &text);
  JsonObject &AddRaw(const std::string &key, const std::string &json);
  std::string Text() const { return "{" + text_ + "}"; }

 private:
  void Key(const std::string &key);
  std::string text_;
};
std::string JsonArray(const std::vector<std::string> &values);
JsonObject FactsOf(const CardFacts &facts);

// Writes the text, or throws std::runtime_error.
void WriteFile(const std::string &path, const std::string &text);

// --tiny, --json=PATH of a bench's command line, which must have no other argument.
struct Arguments {
  bool tiny = false;
  std::string json;
};
Arguments Parse(int argc, char **argv);

}  // namespace trails::bench
