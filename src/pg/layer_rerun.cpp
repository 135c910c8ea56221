#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/layer_rerun.h"

extern "C" {
#include "miscadmin.h"
}

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/data/parallel_for.h"
#include "pg/engine_call.h"
#include "pg/settings.h"

namespace trails::pg {

namespace {

// Below this the backend works alone: some 5 ms, and a thread takes 0.1 ms to start.
constexpr double kLeastOperationsForThreads = 2e8;
// Operations that take as long as a value that is given out, taken through its scheme, or looked at
// by a ColumnWork.
constexpr double kValueOperations = 40;
constexpr double kQuantisedOperations = 40;
constexpr double kColumnWorkOperations = 80;
// Of one piece of work, between two looks for a cancel.
constexpr double kPieceFlops = 4e8;
constexpr std::int64_t kLeastPieceRows = 32;

using Seconds = std::chrono::duration<double>;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

std::int64_t WeightBytes(const Model &model) {
  std::size_t weights = 0;
  for (const Network &network : model.networks) {
    for (const DenseLayer &layer : network.layers) weights += layer.weight.size();
  }
  return static_cast<std::int64_t>(weights * sizeof(float));
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
  auto pass = RunOnBytes(WeightBytes(*model), [&](const std::stop_token &stop) {
    return std::make_shared<LayerPass>(model, stop);
  });
  known->insert(known->begin(), {model, std::move(pass)});
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

std::int32_t LayerRerun::ThreadsFor(double operations) noexcept {
  return operations < kLeastOperationsForThreads ? 1 : EngineThreads();
}

double LayerRerun::BatchOperations(const RerunWork &work) noexcept {
  double operations = work.flops + kValueOperations * static_cast<double>(work.values);
  for (const std::int64_t values : work.quantised) {
    operations += kQuantisedOperations * static_cast<double>(values);
  }
  const double batches = static_cast<double>(work.blocks) / static_cast<double>(kBatchBlocks);
  return operations / std::max(batches, 1.0);
}

LayerRerun::LayerRerun(CatalogSession &catalog, const LoggedRow &logged,
                       std::shared_ptr<const Model> model, std::vector<RerunLayer> layers,
                       const RowChoice &choice)
    : model_(
          (RequireModel(logged, "Only the layers of a model can be run again."), std::move(model))),
      pass_(PassOf(model_)),
      asked_(std::move(layers)),
      choice_(choice),
      model_name_(logged.name),
      begun_(std::chrono::steady_clock::now()),
      reader_(catalog, logged.dataset, choice.blocks()) {
  CheckColumns(*model_, reader_, model_name_);
  std::vector<std::size_t> indices;
  for (const RerunLayer &layer : asked_) {
    indices.push_back(layer.layer);
    for (std::size_t i = 0; i < layer.columns.size(); ++i) {
      columns_.push_back(layer.first + static_cast<std::int64_t>(i));
    }
  }
  flops_per_row_ = FlopsPerRow(pass_->layers(), indices);
  for (const Field &field : model_->fields.fields) {
    if (field.kind != FieldKind::kCategorical) continue;
    first_ids_.push_back(field.first_id);
    ids_.push_back(static_cast<std::uint32_t>(field.ids));
  }
  work_.queries = 1;
  times_.input = SecondsSince(begun_);
}

std::size_t LayerRerun::batch_blocks() const noexcept {
  const auto blocks = std::max<std::int64_t>(std::ssize(choice_.blocks()), 1);
  const auto most = static_cast<std::int64_t>(kBatchBlocks);
  const RerunWork batch = WorkOf(choice_.rows() * std::min(blocks, most) / blocks);
  return ThreadsFor(BatchOperations(batch)) == 1 ? 1 : kBatchBlocks;
}

void LayerRerun::Run(std::span<const ValueBlock> blocks, const ColumnWork &each_column) {
  ReadInputs(blocks);
  std::vector<Piece> pieces = Pieces(blocks);
  std::int64_t rows = 0;
  for (const ValueBlock &block : blocks) rows += std::ssize(block.rows);
  RerunWork work = WorkOf(rows);
  work.blocks = std::ssize(blocks);
  for (const ValueBlock &block : blocks) {
    work.inputs += choice_.block_rows(block.index) * InputColumns(*model_);
  }
  double operations = BatchOperations(work);
  if (each_column != nullptr) {
    operations += kColumnWorkOperations * static_cast<double>(work.values);
  }
  if (operations < kLeastOperationsForThreads) {
    for (Piece &piece : pieces) RunPiece(blocks[piece.block], pass_.get(), &piece);
    for (const std::int64_t column : columns_) {
      if (each_column == nullptr) break;
      each_column(column, blocks);
      CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
  } else {
    const std::int32_t threads = ThreadsFor(operations);
    RunEngine([&](const std::stop_token &stop) {
      PassPool passes(*pass_);
      ParallelFor(std::ssize(pieces), threads, stop, [&](std::int64_t i) {
        Piece &piece = pieces[static_cast<std::size_t>(i)];
        auto pass = passes.Take();
        RunPiece(blocks[piece.block], pass.get(), &piece);
        passes.Give(std::move(pass));
      });
      if (each_column == nullptr) return;
      ParallelFor(std::ssize(columns_), threads, stop, [&](std::int64_t i) {
        each_column(columns_[static_cast<std::size_t>(i)], blocks);
      });
    });
  }
  work_.Add(work);
  for (const Piece &piece : pieces) times_.Add(piece.times);
}

RerunWork LayerRerun::WorkOf(std::int64_t rows) const noexcept {
  RerunWork work;
  work.flops = flops_per_row_ * static_cast<double>(rows);
  work.values = rows * std::ssize(columns_);
  for (const RerunLayer &layer : asked_) {
    if (layer.quantisers.empty()) continue;
    const auto scheme = static_cast<std::size_t>(layer.quantisers.front()->kind());
    work.quantised[scheme] += rows * std::ssize(layer.columns);
  }
  return work;
}

void LayerRerun::ReadInputs(std::span<const ValueBlock> blocks) {
  inputs_.resize(std::max(inputs_.size(), blocks.size()));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    reader_.Read(blocks[i].index, blocks[i].rows, &inputs_[i]);
    CheckIds(inputs_[i], choice_.block_rows(blocks[i].index));
    times_.input += SecondsSince(start);
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
  }
}

// A checksum tells that bytes are those that were written, not that a model can use them: an id
// outside its embedding table would be read from elsewhere.
void LayerRerun::CheckIds(const InputBlock &block, std::int64_t block_rows) const {
  const std::size_t slots = ids_.size();
  bool are_known = true;
  for (std::size_t at = 0; at < block.ids.size(); at += slots) {
    const std::int32_t *const row = block.ids.data() + at;
    bool is_known = true;  // of all slots, without a branch for each
    for (std::size_t slot = 0; slot < slots; ++slot) {
      const auto id =
          static_cast<std::uint32_t>(row[slot]) - static_cast<std::uint32_t>(first_ids_[slot]);
      is_known &= id < ids_[slot];
    }
    are_known &= is_known;
  }
  if (are_known) return;
  throw Error(ErrorKind::kCorruptData, "logged rows have an id that their model does not know",
              fmt::format("It is in rows {} to {} of model \"{}\".", block.first_row + 1,
                          block.first_row + block_rows, model_name_),
              "Drop what was logged of the model, and log it again.");
}

std::vector<LayerRerun::Piece> LayerRerun::Pieces(std::span<const ValueBlock> blocks) const {
  const auto piece_rows = static_cast<std::int64_t>(
      std::clamp(kPieceFlops / std::max(flops_per_row_, 1.0), double{kLeastPieceRows},
                 static_cast<double>(kBlockRows)));
  std::vector<Piece> pieces;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    const auto rows = std::ssize(blocks[block].rows);
    for (std::int64_t first = 0; first < rows; first += piece_rows) {
      pieces.push_back({block, first, std::min(piece_rows, rows - first)});
    }
  }
  return pieces;
}

void LayerRerun::RunPiece(const ValueBlock &block, LayerPass *pass, Piece *piece) {
  const InputBlock &input = inputs_[piece->block];
  const auto rows = std::ssize(block.rows);
  const auto start = std::chrono::steady_clock::now();
  LayerInput given;
  given.ids = input.ids.data() + piece->first * reader_.categorical();
  given.values = input.values.data() + piece->first * reader_.numeric();
  given.labels = input.labels.data() + piece->first;
  given.rows = piece->rows;
  std::vector<LayerRequest> requests;
  for (const RerunLayer &layer : asked_) {
    LayerRequest request;
    request.layer = layer.layer;
    request.columns = layer.columns;
    request.out = block.values + layer.first * rows + piece->first;
    request.column_stride = rows;
    requests.push_back(request);
  }
  pass->Run(given, requests);
  piece->times.pass = SecondsSince(start);
  for (const RerunLayer &layer : asked_) {
    if (layer.quantisers.empty()) continue;
    const auto begun = std::chrono::steady_clock::now();
    std::int64_t column = layer.first;
    for (const Quantiser *const quantiser : layer.quantisers) {
      quantiser->RoundTrip(block.column(column++).subspan(static_cast<std::size_t>(piece->first),
                                                          static_cast<std::size_t>(piece->rows)));
    }
    piece->times.quantised[static_cast<std::size_t>(layer.quantisers.front()->kind())] +=
        SecondsSince(begun);
  }
}

}  // namespace trails::pg
