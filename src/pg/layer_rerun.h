// RERUN: the values of layers of one model, by running it forward over its logged rows.
//
// The backend reads and decodes blocks of input; a batch of them runs on trails.threads masked
// threads, little work on the backend's own.
//
// May touch: src/core, include/trails, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/intermediates/layer_pass.h"
#include "core/intermediates/read_or_rerun.h"
#include "core/intermediates/row_choice.h"
#include "pg/intermediate_catalog.h"
#include "pg/logged_inputs.h"

namespace trails::pg {

// Some columns of a layer, positions from 0.
struct RerunLayer {
  std::size_t layer = 0;  // into LayersOf(model)
  std::vector<std::int32_t> columns;
};

// The values of one block. Columns: those of the layers asked for, one layer after the other.
struct RerunBlock {
  std::size_t index = 0;           // into RowChoice::blocks()
  std::int64_t first_row = 0;      // position of the block's first row, chosen or not
  std::vector<std::int32_t> rows;  // chosen ones, positions within the block
  std::vector<float> values;       // [columns, rows]

  std::span<float> column(std::int64_t i) {
    return {values.data() + i * static_cast<std::int64_t>(rows.size()), rows.size()};
  }
};

// Called once for each column and batch, on any thread and at the same time for several columns:
// must not call PostgreSQL.
using ColumnWork = std::function<void(std::int64_t column, std::span<RerunBlock> blocks)>;

class LayerRerun {
 public:
  // Blocks of one batch, at most.
  static constexpr std::size_t kBatchBlocks = 16;

  // Operations of a row that give the layers, each computed once; a layer of the whole model needs
  // all networks.
  static double FlopsPerRow(const std::vector<Layer> &layers, std::span<const std::size_t> asked);

  // Threads that so many operations are shared out to: 1 where waking others takes longer.
  static std::int32_t ThreadsFor(double flops) noexcept;

  // `choice` must outlive it. Throws Error(kNotSupported) where `logged` is no model;
  // Error(kCorruptData) where the logged rows do not fit it; what LoggedInputs throws. Cost: a copy
  // of the weights, unless the session ran this model lately.
  LayerRerun(CatalogSession &catalog, const LoggedRow &logged, std::shared_ptr<const Model> model,
             std::vector<RerunLayer> layers, const RowChoice &choice);

  const std::vector<Layer> &layers() const noexcept { return pass_->layers(); }

  // The next blocks, at most `most` and kBatchBlocks, ascending; none at the end. They are valid
  // until the next call. `each_column` may be null. Throws Error(kCorruptData) with the block's
  // name; PgError, also on cancel, within some 10 ms of work.
  std::span<RerunBlock> Next(std::size_t most, const ColumnWork &each_column);

  // Blocks that a batch may have so that its values stay within some 64 MB. >= 1.
  std::size_t batch_blocks() const noexcept { return batch_blocks_; }

  // What was done so far: wall time of reading inputs, time of the passes summed over threads.
  const RerunWork &work() const noexcept { return work_; }
  double input_seconds() const noexcept { return input_seconds_; }
  double pass_seconds() const noexcept { return pass_seconds_; }

 private:
  struct Input {
    std::vector<std::int32_t> ids;
    std::vector<float> values;
    std::vector<double> labels;
  };
  struct Piece {
    std::size_t block = 0;  // of the batch
    std::int64_t first = 0;
    std::int64_t rows = 0;
  };

  void ReadInputs(std::size_t count);
  std::vector<Piece> Pieces() const;
  void RunPiece(const Piece &piece, LayerPass *pass);
  void RunAll(const std::vector<Piece> &pieces, const ColumnWork &each_column);

  std::shared_ptr<const Model> model_;
  std::shared_ptr<LayerPass> pass_;
  std::vector<RerunLayer> asked_;
  std::int64_t columns_ = 0;
  double flops_per_row_ = 0;
  const RowChoice &choice_;
  std::string model_name_;  // for messages
  LoggedInputs reader_;
  std::size_t batch_blocks_ = 1;
  std::size_t next_ = 0;  // into choice_.blocks()
  InputBlock read_;
  std::vector<Input> inputs_;       // [blocks of the batch]
  std::vector<RerunBlock> blocks_;  // of the batch
  RerunWork work_;
  double input_seconds_ = 0;
  double pass_seconds_ = 0;
};

}  // namespace trails::pg
