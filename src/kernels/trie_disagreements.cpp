// May touch: src/kernels.
#include "kernels/trie_disagreements.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace trails::kernels {
namespace {

// The vector kernels load and store whole vectors at multiples of 64 bytes.
struct alignas(64) Lanes {
  std::uint16_t words[32];
};

std::uint16_t *Words(std::vector<Lanes> *lanes) {
  return lanes->empty() ? nullptr : lanes->front().words;
}

std::vector<Lanes> Room(std::ptrdiff_t words) {
  return std::vector<Lanes>(static_cast<std::size_t>((words + 31) / 32));
}

}  // namespace

void TrieDisagreementsCpu(const TrieDisagreements &of) {
  const std::ptrdiff_t counts = DisagreementCounts(of.batch);
  const std::ptrdiff_t words = PatternWords(of.batch);
  std::vector<Lanes> patterns = Room(of.row_blocks * words);
  std::vector<Lanes> before = Room(counts);
  std::vector<Lanes> after = Room(of.widths * counts);
  for (std::int64_t output = 0; output < of.outputs; ++output) {
    for (std::ptrdiff_t block = 0; block < of.row_blocks; ++block) {
      const std::uint16_t *const from = of.patterns + (output * of.row_blocks + block) * of.batch;
      std::uint16_t *const to = Words(&patterns) + block * words;
      std::copy_n(from, of.batch, to);
      std::copy_n(from, of.batch, to + of.batch);  // so that any rotation is one piece
    }
    if (of.before != nullptr) {
      const std::int64_t path = of.prefixes != nullptr ? of.prefixes[output] : output;
      std::copy_n(of.before + path * counts, counts, Words(&before));
    }
    Disagreements(Words(&patterns), {of.stop_blocks, of.widths}, of.batch, Words(&before),
                  Words(&after));
    std::uint16_t *const to = of.counts + output * of.widths * counts;
    std::copy_n(Words(&after), of.widths * counts, to);
    const std::ptrdiff_t columns = DisagreementColumns(of.batch);
    for (std::ptrdiff_t row = 0; row < of.widths * DisagreementRows(of.batch); ++row) {
      std::fill_n(to + row * columns + of.batch, columns - of.batch, std::uint16_t{0});
    }
  }
}

}  // namespace trails::kernels
