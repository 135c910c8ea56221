#include <cuda_runtime.h>

#include "kernels/launch.h"
#include "kernels/trie_disagreements.h"

namespace trails::kernels {

namespace {

constexpr int kPairThreads = 256;
constexpr int kMostCounts = static_cast<int>(DisagreementCounts(kMaxBatch));
constexpr int kSmallBatch = 32;

// Host constants are no device functions.
struct Pairs {
  int rows = 0;
  int columns = 0;
};

// One block of threads for each output; a warp's lanes are 32 samples b of one rotation d, each
// thread has kPairs pairs (b, b + d) whose sums stay in registers from width to width.
template <int kPairs>
__global__ void __launch_bounds__(kPairThreads)
    TrieDisagreementsKernel(TrieDisagreements of, Pairs pairs) {
  const std::int64_t output = blockIdx.x;
  const int columns = pairs.columns;
  const int counts = pairs.rows * columns;
  const std::int64_t path = of.prefixes != nullptr ? of.prefixes[output] : output;
  int sample[kPairs];
  int other[kPairs];
  unsigned sums[kPairs];
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const int at = static_cast<int>(threadIdx.x) + i * kPairThreads;
    const bool is_pair = at < counts && at % columns < of.batch;
    sample[i] = is_pair ? at % columns : 0;
    const int rotated = sample[i] + at / columns + 1;
    // Past the batch a sample is held against itself, which counts nothing.
    other[i] = !is_pair ? 0 : rotated < of.batch ? rotated : rotated - of.batch;
    sums[i] = is_pair && of.before != nullptr ? of.before[path * counts + at] : 0;
  }
  const std::uint16_t *words = of.patterns + output * of.row_blocks * of.batch;
  std::uint16_t *after = of.counts + output * of.widths * counts;
  int block = 0;
  for (int width = 0; width < of.widths; ++width, after += counts) {
    for (const int end = of.stop_blocks[width]; block < end; ++block, words += of.batch) {
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        const unsigned differ =
            static_cast<unsigned>(words[sample[i]]) ^ static_cast<unsigned>(words[other[i]]);
        sums[i] += static_cast<unsigned>(__popc(differ));
      }
    }
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kPairThreads;
      if (at < counts) after[at] = static_cast<std::uint16_t>(sums[i]);
    }
  }
}

}  // namespace

void TrieDisagreementsCuda(const TrieDisagreements &of, CUstream_st *stream) {
  // A single sample has no pairs.
  if (of.outputs == 0 || of.batch == 1) return;
  const Pairs pairs{DisagreementRows(of.batch), DisagreementColumns(of.batch)};
  if (of.batch <= kSmallBatch) {
    constexpr int kPairs = static_cast<int>(DisagreementCounts(kSmallBatch)) / kPairThreads;
    Launch(TrieDisagreementsKernel<kPairs>, static_cast<unsigned>(of.outputs), kPairThreads, stream,
           of, pairs);
  } else {
    Launch(TrieDisagreementsKernel<kMostCounts / kPairThreads>, static_cast<unsigned>(of.outputs),
           kPairThreads, stream, of, pairs);
  }
}

}  // namespace trails::kernels
