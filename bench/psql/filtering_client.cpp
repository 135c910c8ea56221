// The filtering phase outside the database: a client reads the table through libpq and scores the
// candidates with the same engine in its own process. What filtering_latency.sh compares with.
//
// Usage: filtering_client RELATION TARGET SPLIT SPACE TFMEM SAMPLER N|all SEED THREADS BANKS
// The server is the one of libpq's environment. Prints one line: seconds of data retrieval,
// preprocessing, initialisation, compute and in all, candidates scored, and the ten best, separated
// by tabs.
//
// May touch: libpq (through client_table), include/trails, src/core.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "client_table.h"
#include "named_space.h"
#include "trails/engine.h"
#include "trails/error.h"

extern "C" trails::Engine *trails_engine_open(int contract_version);

namespace trails::bench {
namespace {

template <typename Integer>
Integer Number(std::string_view word) {
  Integer number{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("not a number: \"{}\"", word));
  }
  return number;
}

void Run(char **words) {
  SelectionOptions options;
  options.space = SpaceNamed(words[4]);
  options.tfmem = ParseTfmem(words[5]);
  options.sampler = ParseSampler(words[6]);
  if (const std::string_view n = words[7]; n != "all") options.n = Number<std::int64_t>(n);
  options.seed = Number<std::uint64_t>(words[8]);
  options.threads = Number<std::int32_t>(words[9]);
  options.banks = Number<std::int32_t>(words[10]);
  options.k = 10;

  Progress progress;
  RunControl control;
  control.start = Clock::now();
  control.deadline = Clock::time_point::max();
  control.progress = &progress;
  Table table = ReadThroughLibpq(words[1], words[2], words[3]);
  const FilterResult result =
      trails_engine_open(kContractVersion)->FilterCandidates(std::move(table), options, control);
  std::string best;
  for (const std::string &architecture : result.architectures) {
    best += (best.empty() ? "" : " ") + architecture;
  }
  fmt::print("{:.4f}\t{:.4f}\t{:.4f}\t{:.4f}\t{:.4f}\t{}\t{}\n", result.seconds.reading,
             result.seconds.encoding, result.drawing_seconds,
             result.seconds.filtering - result.drawing_seconds / options.threads,
             control.elapsed_seconds(), result.candidates_scored, best);
}

}  // namespace
}  // namespace trails::bench

int main(int count, char **words) {
  if (count != 11) {
    fmt::print(stderr,
               "usage: filtering_client RELATION TARGET SPLIT SPACE TFMEM SAMPLER N|all SEED "
               "THREADS BANKS\n");
    return 2;
  }
  try {
    trails::bench::Run(words);
    return 0;
  } catch (const std::exception &error) {
    fmt::print(stderr, "filtering_client: {}\n", error.what());
    return 1;
  }
}
