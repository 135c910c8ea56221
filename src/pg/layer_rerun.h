// RERUN: the values of layers of one model, by running it forward over its logged rows.
//
// The backend reads and decodes blocks of input; a batch of them runs on trails.threads masked
// threads, little work on the backend's own.
//
// May touch: src/core, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/intermediates/block_batch.h"
#include "core/intermediates/layer_pass.h"
#include "core/intermediates/quantiser.h"
#include "core/intermediates/read_or_rerun.h"
#include "core/intermediates/row_choice.h"
#include "pg/intermediate_catalog.h"
#include "pg/logged_inputs.h"

namespace trails::pg {

// Some columns of a layer, positions from 0.
struct RerunLayer {
  std::size_t layer = 0;  // into LayersOf(model)
  std::vector<std::int32_t> columns;
  std::int64_t first = 0;  // column of a ValueBlock that the first of them is; the others follow
  std::vector<const Quantiser *> quantisers;  // [columns], whose scheme they go through; or none
};

// Called once for each column and batch, on any thread and at the same time for several columns:
// must not call PostgreSQL. column: of a ValueBlock.
using ColumnWork = std::function<void(std::int64_t column, std::span<const ValueBlock> blocks)>;

class LayerRerun {
 public:
  // Blocks of one batch, at most.
  static constexpr std::size_t kBatchBlocks = 16;

  // Operations of a row that give the layers, each computed once; a layer of the whole model needs
  // all networks.
  static double FlopsPerRow(const std::vector<Layer> &layers, std::span<const std::size_t> asked);

  // Threads that so many operations of one batch are shared out to: 1 where waking others takes
  // longer.
  static std::int32_t ThreadsFor(double operations) noexcept;
  // Operations of a batch of that work, values given out and schemes counted as what takes as long.
  static double BatchOperations(const RerunWork &work) noexcept;

  // `choice` and quantisers must outlive it. Throws Error(kNotSupported) where `logged` is no
  // model; Error(kCorruptData) where the logged rows do not fit it; what LoggedInputs throws. Cost:
  // a copy of the weights, unless the session ran this model lately.
  LayerRerun(CatalogSession &catalog, const LoggedRow &logged, std::shared_ptr<const Model> model,
             std::vector<RerunLayer> layers, const RowChoice &choice);

  const std::vector<Layer> &layers() const noexcept { return pass_->layers(); }

  // Blocks of a batch for which it is fastest: as many as share the work out to threads, or one,
  // which stays in the cache.
  std::size_t batch_blocks() const noexcept;

  // Writes the layers' columns of the blocks, at most kBatchBlocks of `choice`. `each_column` may
  // be null. Throws Error(kCorruptData) with the block's name; PgError, also on cancel, within some
  // 10 ms of work.
  void Run(std::span<const ValueBlock> blocks, const ColumnWork &each_column);

  // What was done so far, and how long it took.
  const RerunWork &work() const noexcept { return work_; }
  const RerunTimes &times() const noexcept { return times_; }

 private:
  struct Piece {
    std::size_t block = 0;  // of the batch
    std::int64_t first = 0;
    std::int64_t rows = 0;
    RerunTimes times = {};
  };

  void ReadInputs(std::span<const ValueBlock> blocks);
  std::vector<Piece> Pieces(std::span<const ValueBlock> blocks) const;
  void RunPiece(const ValueBlock &block, LayerPass *pass, Piece *piece);
  // Of the pass and the schemes.
  RerunWork WorkOf(std::int64_t rows) const noexcept;
  void CheckIds(const InputBlock &block, std::int64_t block_rows) const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<LayerPass> pass_;
  std::vector<RerunLayer> asked_;
  std::vector<std::int64_t> columns_;  // of a ValueBlock, that it writes
  double flops_per_row_ = 0;
  const RowChoice &choice_;
  std::string model_name_;               // for messages
  std::vector<std::int32_t> first_ids_;  // [categorical]
  std::vector<std::uint32_t> ids_;       // [categorical], how many
  std::chrono::steady_clock::time_point begun_;
  LoggedInputs reader_;
  std::vector<InputBlock> inputs_;  // [blocks of the batch]
  RerunWork work_;
  RerunTimes times_;
};

}  // namespace trails::pg
