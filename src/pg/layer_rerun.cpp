#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/layer_rerun.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "core/data/parallel_for.h"
#include "pg/engine_call.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

// Below this the backend works alone: some 5 ms, and a thread takes 0.1 ms to start.
constexpr double kLeastFlopsForThreads = 2e8;
// Of one piece of work, between two looks for a cancel.
constexpr double kPieceFlops = 4e8;
constexpr std::int64_t kLeastPieceRows = 32;
constexpr std::size_t kBatchBytes = std::size_t{64} << 20;

using Seconds = std::chrono::duration<double>;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

// The pass of a model that this session has run lately: packing the weights takes longer than
// running a row. Two, since diagnoses compare two models.
std::shared_ptr<LayerPass> PassOf(const std::shared_ptr<const Model> &model) {
  constexpr std::size_t kMostPasses = 2;
  struct Known {
    std::shared_ptr<const Model> model;
    std::shared_ptr<LayerPass> pass;
  };
  static auto *const known = new std::vector<Known>;  // never destroyed
  const auto found = std::ranges::find(*known, model, &Known::model);
  if (found != known->end()) {
    std::rotate(known->begin(), found, found + 1);
    return known->front().pass;
  }
  known->insert(known->begin(), {model, std::make_shared<LayerPass>(model)});
  if (known->size() > kMostPasses) known->pop_back();
  return known->front().pass;
}

// Passes over the same weights, one for each thread that works.
class PassPool {
 public:
  explicit PassPool(const LayerPass &original) : original_(original) {}

  std::unique_ptr<LayerPass> Take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return std::make_unique<LayerPass>(original_);
    auto pass = std::move(free_.back());
    free_.pop_back();
    return pass;
  }
  void Give(std::unique_ptr<LayerPass> pass) {
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(pass));
  }

 private:
  const LayerPass &original_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<LayerPass>> free_;
};

void RequireModel(const LoggedRow &logged) {
  if (logged.kind == LoggedKind::kModel) return;
  throw Error(ErrorKind::kNotSupported, fmt::format("\"{}\" is no model", logged.name),
              "Only the layers of a model can be run again.");
}

// A checksum tells that bytes are those that were written, not that a model can use them: an id
// outside its embedding table would be read from elsewhere.
void CheckIds(const InputBlock &block, const Fields &fields, const std::string &model) {
  const auto slots = static_cast<std::size_t>(fields.categorical());
  std::size_t slot = 0;
  for (const Field &field : fields.fields) {
    if (field.kind != FieldKind::kCategorical) continue;
    for (std::size_t at = slot; at < block.ids.size(); at += slots) {
      const std::int32_t id = block.ids[at];
      if (id >= field.first_id && id < field.first_id + field.ids) continue;
      throw Error(ErrorKind::kCorruptData, "logged rows have an id that their model does not know",
                  fmt::format("It is in rows {} to {} of model \"{}\".", block.first_row + 1,
                              block.first_row + block.rows, model),
                  "Drop what was logged of the model, and log it again.");
    }
    ++slot;
  }
}

void CheckColumns(const Model &model, const LoggedInputs &inputs, const std::string &name) {
  if (inputs.categorical() == model.fields.categorical() &&
      inputs.numeric() == model.fields.numeric()) {
    return;
  }
  throw Error(ErrorKind::kCorruptData, "logged rows have other columns than their model",
              fmt::format("They are {} ids and {} numbers; model \"{}\" has {} and {}.",
                          inputs.categorical(), inputs.numeric(), name, model.fields.categorical(),
                          model.fields.numeric()),
              "Drop what was logged of the model, and log it again.");
}

}  // namespace

double LayerRerun::FlopsPerRow(const std::vector<Layer> &layers,
                               std::span<const std::size_t> asked) {
  double whole = 0;
  std::vector<double> networks;
  for (const std::size_t index : asked) {
    const Layer &layer = layers.at(index);
    if (layer.network < 0) {
      whole = std::max(whole, layer.flops_per_row);
      continue;
    }
    const auto network = static_cast<std::size_t>(layer.network);
    if (networks.size() <= network) networks.resize(network + 1);
    networks[network] = std::max(networks[network], layer.flops_per_row);
  }
  double parts = 0;
  for (const double flops : networks) parts += flops;
  return std::max(whole, parts);
}

std::int32_t LayerRerun::ThreadsFor(double flops) noexcept {
  return flops < kLeastFlopsForThreads ? 1 : EngineThreads();
}

LayerRerun::LayerRerun(CatalogSession &catalog, const LoggedRow &logged,
                       std::shared_ptr<const Model> model, std::vector<RerunLayer> layers,
                       const RowChoice &choice)
    : model_((RequireModel(logged), std::move(model))),
      pass_(PassOf(model_)),
      asked_(std::move(layers)),
      choice_(choice),
      model_name_(logged.name),
      reader_(catalog, logged.dataset, choice.blocks()) {
  CheckColumns(*model_, reader_, model_name_);
  std::vector<std::size_t> indices;
  for (const RerunLayer &layer : asked_) {
    indices.push_back(layer.layer);
    columns_ += static_cast<std::int64_t>(layer.columns.size());
  }
  flops_per_row_ = FlopsPerRow(pass_->layers(), indices);
  const std::size_t block_bytes =
      static_cast<std::size_t>(kBlockRows * std::max<std::int64_t>(columns_, 1)) * sizeof(float);
  batch_blocks_ = std::clamp<std::size_t>(kBatchBytes / block_bytes, 1, kBatchBlocks);
}

std::span<RerunBlock> LayerRerun::Next(std::size_t most, const ColumnWork &each_column) {
  const std::size_t left = choice_.blocks().size() - next_;
  const std::size_t count = std::min({left, most, batch_blocks_});
  blocks_.clear();
  if (count == 0) return {};
  ReadInputs(count);
  const std::vector<Piece> pieces = Pieces();
  RunAll(pieces, each_column);
  next_ += count;
  return blocks_;
}

void LayerRerun::ReadInputs(std::size_t count) {
  const auto categorical = static_cast<std::size_t>(reader_.categorical());
  const auto numeric = static_cast<std::size_t>(reader_.numeric());
  inputs_.resize(std::max(inputs_.size(), count));
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    reader_.Read(next_ + i, &read_);
    CheckIds(read_, model_->fields, model_name_);
    input_seconds_ += SecondsSince(start);
    ++work_.blocks;
    RerunBlock block;
    block.index = next_ + i;
    block.first_row = choice_.first_row(block.index);
    block.rows = choice_.RowsOf(block.index);
    block.values.resize(block.rows.size() * static_cast<std::size_t>(columns_));
    Input &input = inputs_[i];
    input.ids.resize(block.rows.size() * categorical);
    input.values.resize(block.rows.size() * numeric);
    input.labels.resize(block.rows.size());
    for (std::size_t row = 0; row < block.rows.size(); ++row) {
      const auto from = static_cast<std::size_t>(block.rows[row]);
      std::copy_n(read_.ids.data() + from * categorical, categorical,
                  input.ids.data() + row * categorical);
      std::copy_n(read_.values.data() + from * numeric, numeric,
                  input.values.data() + row * numeric);
      input.labels[row] = read_.labels[from];
    }
    blocks_.push_back(std::move(block));
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
  }
}

std::vector<LayerRerun::Piece> LayerRerun::Pieces() const {
  const auto piece_rows = static_cast<std::int64_t>(
      std::clamp(kPieceFlops / std::max(flops_per_row_, 1.0), double{kLeastPieceRows},
                 static_cast<double>(kBlockRows)));
  std::vector<Piece> pieces;
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const auto rows = static_cast<std::int64_t>(blocks_[block].rows.size());
    for (std::int64_t first = 0; first < rows; first += piece_rows) {
      pieces.push_back({block, first, std::min(piece_rows, rows - first)});
    }
  }
  return pieces;
}

void LayerRerun::RunPiece(const Piece &piece, LayerPass *pass) {
  const Input &input = inputs_[piece.block];
  RerunBlock &block = blocks_[piece.block];
  const auto rows = static_cast<std::int64_t>(block.rows.size());
  LayerInput given;
  given.ids = input.ids.data() + piece.first * reader_.categorical();
  given.values = input.values.data() + piece.first * reader_.numeric();
  given.labels = input.labels.data() + piece.first;
  given.rows = piece.rows;
  std::vector<LayerRequest> requests;
  std::int64_t column = 0;
  for (const RerunLayer &layer : asked_) {
    LayerRequest request;
    request.layer = layer.layer;
    request.columns = layer.columns;
    request.out = block.values.data() + column * rows + piece.first;
    request.column_stride = rows;
    requests.push_back(request);
    column += static_cast<std::int64_t>(layer.columns.size());
  }
  pass->Run(given, requests);
}

void LayerRerun::RunAll(const std::vector<Piece> &pieces, const ColumnWork &each_column) {
  double flops = 0;
  for (const Piece &piece : pieces) flops += flops_per_row_ * static_cast<double>(piece.rows);
  for (const Piece &piece : pieces) work_.values += piece.rows * columns_;
  work_.flops += flops;
  const std::span<RerunBlock> blocks(blocks_);
  const std::int32_t threads = ThreadsFor(flops);
  if (flops < kLeastFlopsForThreads) {
    const auto start = std::chrono::steady_clock::now();
    for (const Piece &piece : pieces) RunPiece(piece, pass_.get());
    pass_seconds_ += SecondsSince(start);
    if (each_column == nullptr) return;
    for (std::int64_t column = 0; column < columns_; ++column) {
      each_column(column, blocks);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
    return;
  }
  std::atomic<double> pass_seconds{0};
  RunEngine([&](const std::stop_token &stop) {
    PassPool passes(*pass_);
    ParallelFor(static_cast<std::int64_t>(pieces.size()), threads, stop, [&](std::int64_t i) {
      const auto start = std::chrono::steady_clock::now();
      auto pass = passes.Take();
      RunPiece(pieces[static_cast<std::size_t>(i)], pass.get());
      passes.Give(std::move(pass));
      pass_seconds.fetch_add(SecondsSince(start), std::memory_order_relaxed);
    });
    if (each_column == nullptr) return;
    ParallelFor(columns_, threads, stop, [&](std::int64_t column) { each_column(column, blocks); });
  });
  pass_seconds_ += pass_seconds.load();
}

}  // namespace trails::pg
