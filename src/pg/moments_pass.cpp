#include "pg/moments_pass.h"

#include <algorithm>
#include <utility>

#include "core/data/parallel_for.h"
#include "core/intermediates/partition.h"
#include "pg/engine_call.h"
#include "pg/layer_query.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

// Sums are shared out to so many accumulators whatever the threads, so that their order is fixed.
constexpr std::size_t kAccumulators = 4;
constexpr std::size_t kBufferBytes = std::size_t{32} << 20;
constexpr std::int64_t kPieceRows = kBlockRows / static_cast<std::int64_t>(kAccumulators);

// Rows of all columns, waiting for an accumulator.
struct Piece {
  std::int64_t rows = 0;
  std::vector<float> values;  // [columns, rows]
};

class MomentsPass {
 public:
  explicit MomentsPass(std::int64_t columns) : columns_(columns) {
    for (std::size_t i = 0; i < kAccumulators; ++i) moments_.emplace_back(columns);
  }

  void Add(const ColumnBlock &block) {
    for (std::int64_t first = 0; first < block.rows; first += kPieceRows) {
      Piece piece;
      piece.rows = std::min(kPieceRows, block.rows - first);
      piece.values.reserve(static_cast<std::size_t>(columns_ * piece.rows));
      for (std::int64_t c = 0; c < columns_; ++c) {
        const float *const from = block.values + c * block.rows + first;
        piece.values.insert(piece.values.end(), from, from + piece.rows);
      }
      bytes_ += piece.values.size() * sizeof(float);
      pieces_[next_].push_back(std::move(piece));
      next_ = (next_ + 1) % kAccumulators;
    }
    if (bytes_ >= kBufferBytes) Flush();
  }

  Moments Take() {
    Flush();
    RunEngine([this](const std::stop_token &stop) {
      for (std::size_t i = 1; i < kAccumulators; ++i) moments_[0].Append(moments_[i], stop);
    });
    return std::move(moments_[0]);
  }

 private:
  void Flush() {
    if (bytes_ == 0) return;
    RunEngine([this](const std::stop_token &stop) {
      ParallelFor(kAccumulators, EngineThreads(), stop, [&](std::int64_t i) {
        const auto at = static_cast<std::size_t>(i);
        for (const Piece &piece : pieces_[at]) {
          moments_[at].Add(piece.values, piece.rows, stop);
        }
        pieces_[at].clear();
      });
    });
    bytes_ = 0;
  }

  std::int64_t columns_;
  std::vector<Moments> moments_;  // [kAccumulators]
  std::vector<Piece> pieces_[kAccumulators];
  std::size_t next_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

Moments MomentsOf(const IntermediateQuery &a, const IntermediateQuery &b, const RowPairs &pairs) {
  MomentsPass pass(ColumnsOf(a) + ColumnsOf(b));
  ReadPairs(a, b, pairs, [&](const ColumnBlock &block) { pass.Add(block); });
  return pass.Take();
}

}  // namespace trails::pg
