// How far the ranks of a whole space depend on the draw of the weights: Spearman's correlation
// between independent banks, and between the mean ranks of two or four of them.
//
// Usage: bank_stability RELATION TARGET SPLIT SPACE BANKS THREADS TFMEM...
// Reads the relation through libpq, from the server of its environment. The mini-batch is the same
// for all banks. Prints Markdown: the mean, and the worst pair in brackets.
//
// May touch: libpq (through client_table), include/trails, src/core.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "client_table.h"
#include "core/data/dataset.h"
#include "core/filtering/full_space.h"
#include "core/filtering/ranking.h"
#include "core/filtering/scoring_batch.h"
#include "core/random.h"
#include "correlation.h"
#include "named_space.h"
#include "trails/error.h"

namespace trails::bench {
namespace {

constexpr int kShuffles = 10;  // ways to deal the banks into groups

std::int32_t Number(std::string_view word) {
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < 1) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("not a positive number: \"{}\"", word));
  }
  return number;
}

// Ranks of the mean of the ranks of `group`.
std::vector<double> MeanRanks(const std::vector<std::vector<double>> &ranks,
                              const std::vector<std::size_t> &group) {
  std::vector<double> sum(ranks.front().size());
  for (const std::size_t bank : group) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += ranks[bank][i];
  }
  return Ranks(sum, false);
}

// "mean (worst)" over pairs of disjoint groups of `size` banks; nothing without two of them.
std::string Stability(const std::vector<std::vector<double>> &ranks, std::size_t size) {
  if (ranks.size() < 2 * size) return "";
  std::vector<std::size_t> banks(ranks.size());
  std::iota(banks.begin(), banks.end(), std::size_t{0});
  RandomStream random(size);
  double sum = 0, worst = 1;
  int pairs = 0;
  for (int shuffle = 0; shuffle < (size == 1 ? 1 : kShuffles); ++shuffle) {
    if (shuffle > 0) random.Shuffle(banks.data(), std::ssize(banks));
    std::vector<std::vector<double>> means;
    for (std::size_t first = 0; first + size <= banks.size(); first += size) {
      const auto begin = banks.begin() + static_cast<std::ptrdiff_t>(first);
      means.push_back(MeanRanks(ranks, {begin, begin + static_cast<std::ptrdiff_t>(size)}));
    }
    for (std::size_t a = 0; a < means.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b, ++pairs) {
        const double found = Correlation(means[a], means[b]);
        sum += found;
        worst = std::min(worst, found);
      }
    }
  }
  return fmt::format("{:.4f} ({:.4f})", sum / pairs, worst);
}

void Run(int count, char **words) {
  const SearchSpace space = SpaceNamed(words[4]);
  const std::int32_t banks = Number(words[5]);
  const std::int32_t threads = Number(words[6]);
  std::vector<Tfmem> tfmems;
  for (int i = 7; i < count; ++i) tfmems.push_back(ParseTfmem(words[i]));

  SelectionOptions options;
  options.space = space;
  options.threads = threads;
  std::vector<Notice> notices;
  const Dataset data =
      BuildDataset(ReadThroughLibpq(words[1], words[2], words[3]), options, &notices);
  const ScoringBatch batch = DrawScoringBatch(data, options.encoding, kScoringRows, options.seed);
  Progress progress;
  RunControl control;
  control.progress = &progress;

  std::vector<std::vector<std::vector<double>>> ranks(tfmems.size());  // [tfmem][bank][candidate]
  std::vector<std::int64_t> most_invalid(tfmems.size());
  for (std::int32_t bank = 0; bank < banks; ++bank) {
    const SpaceScores scores =
        ScoreFullSpace(space, tfmems, batch, batch.inputs, batch.outputs, options.seed, bank,
                       threads, Clock::time_point::max(), control);
    for (std::size_t i = 0; i < tfmems.size(); ++i) {
      const std::vector<double> &of = scores.of(tfmems[i]);
      most_invalid[i] =
          std::max<std::int64_t>(most_invalid[i], std::count(of.begin(), of.end(), kInvalidScore));
      ranks[i].push_back(Ranks(of, Traits(tfmems[i]).higher_is_better));
    }
  }
  fmt::print(
      "| TFMEM, {} of {} ({} inputs) | bank and bank | mean of 2 and mean of 2 | "
      "mean of 4 and mean of 4 | invalid, most of a bank |\n|---|---|---|---|---|\n",
      words[4], words[1], batch.inputs);
  for (std::size_t i = 0; i < tfmems.size(); ++i) {
    fmt::print("| {} | {} | {} | {} | {} |\n", Name(tfmems[i]), Stability(ranks[i], 1),
               Stability(ranks[i], 2), Stability(ranks[i], 4), most_invalid[i]);
  }
}

}  // namespace
}  // namespace trails::bench

int main(int count, char **words) {
  if (count < 8) {
    fmt::print(stderr,
               "usage: bank_stability RELATION TARGET SPLIT SPACE BANKS THREADS TFMEM...\n");
    return 2;
  }
  try {
    trails::bench::Run(count, words);
    return 0;
  } catch (const std::exception &error) {
    fmt::print(stderr, "bank_stability: {}\n", error.what());
    return 1;
  }
}
