#include "core/card/cohort_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>

#include "core/cohort/folded_layer.h"
#include "core/cohort/initial_weights.h"
#include "core/data/parallel_for.h"
#include "core/refinement/batch_order.h"
#include "kernels/cohort_metric.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr double kBurstSeconds = 0.004;          // two of them are ahead of the host at most
constexpr std::int64_t kLongestBurst = 512;      // mini-batches
constexpr std::int32_t kDrawnByAThread = 4;      // networks, before they go to the card
constexpr std::int64_t kJudgeBytes = 256 << 20;  // of predictions at a time, and of their sorts

struct CardMemory {
  std::int64_t free, total;
};

CardMemory MemoryOfCard() {
  std::size_t free = 0, total = 0;
  CheckCuda(cudaMemGetInfo(&free, &total), "ask for the card's free memory");
  return {static_cast<std::int64_t>(free), static_cast<std::int64_t>(total)};
}

std::int32_t BatchOf(const Dataset &data) {
  return static_cast<std::int32_t>(BatchRows(static_cast<std::int64_t>(data.split.train.size())));
}

}  // namespace

CohortTrainer::CohortTrainer(const Dataset &data, const kernels::FieldPlan &plan,
                             std::shared_ptr<const CardTable> table,
                             const CohortTrainerOptions &options)
    : data_(data),
      plan_(plan),
      table_(std::move(table)),
      options_(options),
      shared_{data, *table_, products_, options.precision} {}

const CohortTrainer::Member &CohortTrainer::At(std::int32_t member) const {
  const auto at = static_cast<std::size_t>(member);
  if (at >= members_.size() || members_[at].dropped) {
    throw Error(ErrorKind::kInternal, "a cohort has no such member");
  }
  return members_[at];
}

GroupShape CohortTrainer::ShapeOf(std::int32_t members, const HiddenWidths &padded) const {
  return {.members = members,
          .padded = padded,
          .batch = BatchOf(data_),
          .outputs = data_.target.outputs(),
          .fields = plan_.fields,
          .numeric = plan_.numeric(),
          .table_rows = plan_.table_rows,
          .train_rows = static_cast<std::int32_t>(data_.split.train.size())};
}

std::int32_t CohortTrainer::Enter(const TrainerOptions &options) {
  if (options.widths.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "a network of a cohort needs a hidden layer");
  }
  Member member;
  member.options = options;
  member.state = MemberState::Of(ShapeOf(1, options.widths), options.widths);
  members_.push_back(std::move(member));
  return static_cast<std::int32_t>(members_.size() - 1);
}

void CohortTrainer::Drop(std::int32_t number) {
  Member &member = At(number);
  member.dropped = true;
  member.storage.reset();
  CohortGroup *const group = member.group;
  if (group == nullptr) return;
  const bool deserted = std::all_of(
      group->members().begin(), group->members().end(),
      [&](std::int32_t other) { return members_[static_cast<std::size_t>(other)].dropped; });
  if (!deserted) return;
  laid_out_.clear();
  std::erase_if(groups_, [&](const auto &held) { return held.get() == group; });
}

std::int64_t CohortTrainer::Bytes(const HiddenWidths &widths) const {
  HiddenWidths padded = widths;
  for (std::int32_t &width : padded) width = PaddedWidth(width);
  return GroupBytes(ShapeOf(1, padded)) + MemberState::Of(ShapeOf(1, widths), widths).numbers() *
                                              static_cast<std::int64_t>(sizeof(float));
}

std::int64_t CohortTrainer::Steps(std::int32_t member) const {
  const Member &of = At(member);
  return of.group != nullptr ? of.group->steps() : of.steps;
}

std::int64_t CohortTrainer::steps_per_epoch() const {
  return ShapeOf(1, {}).order_shape().steps_per_epoch();
}

std::vector<CohortTrainer::GroupPlan> CohortTrainer::PlanGroups(
    const std::vector<std::int32_t> &members, const CardRates &rates, double *waste) const {
  const TableShape shape{.batch = BatchOf(data_),
                         .slots_per_row = plan_.fields,
                         .inputs = plan_.fields * kEmbeddingWidth,
                         .outputs = data_.target.outputs(),
                         .embedding_numbers = std::int64_t{plan_.table_rows} * kEmbeddingWidth};
  std::map<std::tuple<std::int64_t, float, float>, std::vector<std::int32_t>> companies;
  for (const std::int32_t member : members) {
    const TrainerOptions &options = At(member).options;
    companies[{Steps(member), options.learning_rate, options.weight_decay}].push_back(member);
  }
  std::vector<GroupPlan> plans;
  double products = 0, padded_products = 0;
  for (const auto &[key, company] : companies) {
    std::vector<HiddenWidths> widths;
    for (const std::int32_t member : company) widths.push_back(At(member).options.widths);
    const CohortLayout layout = LayOut(widths, shape, rates);
    double of_company = 0;
    for (const HiddenWidths &one : widths) of_company += WorkOnCard(shape, one).multiply_adds;
    products += of_company;
    padded_products += of_company * (1 + layout.waste);
    for (const WidthClass &one : layout.classes) {
      GroupPlan plan{.shape = ShapeOf(static_cast<std::int32_t>(one.members.size()), one.padded),
                     .members = {},
                     .steps = std::get<0>(key)};
      for (const std::int32_t m : one.members) {
        plan.members.push_back(company[static_cast<std::size_t>(m)]);
      }
      plans.push_back(std::move(plan));
    }
  }
  *waste = padded_products / products - 1;
  return plans;
}

std::vector<CohortTrainer::GroupPlan> CohortTrainer::PlanWithinMemory(
    const std::vector<std::int32_t> &members, double *waste) const {
  const auto bytes_of = [](const std::vector<GroupPlan> &plans) {
    std::int64_t bytes = 0;
    for (const GroupPlan &plan : plans) bytes += GroupBytes(plan.shape);
    return bytes;
  };
  const CardMemory memory = MemoryOfCard();
  std::vector<GroupPlan> plans = PlanGroups(members, options_.rates, waste);
  if (bytes_of(plans) <= memory.free) return plans;
  // As if kernels cost nothing: the least padding, hence the least memory.
  CardRates unpadded = options_.rates;
  unpadded.kernel_seconds = 0;
  plans = PlanGroups(members, unpadded, waste);
  if (bytes_of(plans) <= memory.free) return plans;
  throw Error(ErrorKind::kOutOfMemory, "out of memory on the card",
              fmt::format("{} networks need {} bytes in {} groups; {} of {} bytes of the card are "
                          "free.",
                          members.size(), bytes_of(plans), plans.size(), memory.free, memory.total),
              "Set \"device\" to \"cpu\" in options, or train fewer candidates at once (\"k\").");
}

void CohortTrainer::DissolveAll() {
  for (std::unique_ptr<CohortGroup> &group : groups_) {
    std::int64_t numbers = 0;
    for (const std::int32_t number : group->members()) {
      const Member &member = members_[static_cast<std::size_t>(number)];
      if (!member.dropped) numbers += member.state.numbers();
    }
    const auto storage = std::make_shared<CardArray<float>>(numbers);
    std::vector<kernels::BlockCopy> moves;
    float *at = storage->data();
    for (std::int32_t p = 0; p < group->shape().members; ++p) {
      Member &member =
          members_[static_cast<std::size_t>(group->members()[static_cast<std::size_t>(p)])];
      if (member.dropped) continue;
      AppendMoves(Move::kOutOfGroup, group->shape(), group->arrays(), p, member.state, at, &moves);
      member.storage = storage;
      member.numbers = at;
      at += member.state.numbers();
    }
    group->Carry(moves);
    for (const std::int32_t number : group->members()) {
      Member &member = members_[static_cast<std::size_t>(number)];
      member.steps = group->steps();
      member.group = nullptr;
    }
    group.reset();
  }
  groups_.clear();
  laid_out_.clear();
}

std::vector<float> CohortTrainer::DrawValues(const Member &member) const {
  const NetworkSections &sections = member.state.sections;
  std::vector<float> values(static_cast<std::size_t>(sections.count));
  std::vector<InitialLayer> layers;
  for (std::size_t l = 0; l < sections.weights.size(); ++l) {
    const bool hidden = l < sections.hidden();
    const Section &weight = sections.weights[l];
    layers.push_back(
        {.inputs = weight.columns,
         .outputs = weight.rows,
         .weight = values.data() + weight.offset,
         .gamma = hidden ? values.data() + sections.gammas[l].offset : nullptr,
         .beta = values.data() + (hidden ? sections.betas[l].offset : sections.bias.offset)});
  }
  DrawInitialWeights(plan_, member.options, values.data() + sections.table.offset, layers);
  return values;
}

// A batch at a time, so that the host holds no more than a few networks.
void CohortTrainer::DrawNew(const std::vector<std::int32_t> &members, const Interrupt &interrupt) {
  std::vector<Member *> fresh;
  for (const std::int32_t number : members) {
    Member &member = At(number);
    if (!member.storage && member.group == nullptr) fresh.push_back(&member);
  }
  const auto batch = static_cast<std::size_t>(kDrawnByAThread * std::max(options_.threads, 1));
  for (std::size_t first = 0; first < fresh.size(); first += batch) {
    std::vector<std::vector<float>> values(std::min(batch, fresh.size() - first));
    ParallelFor(std::ssize(values), options_.threads, {}, [&](std::int64_t i) {
      interrupt.Check();
      const auto at = static_cast<std::size_t>(i);
      values[at] = DrawValues(*fresh[first + at]);
    });
    for (std::size_t i = 0; i < values.size(); ++i) {
      Member &member = *fresh[first + i];
      auto storage = std::make_shared<CardArray<float>>(member.state.numbers());
      storage->Clear(stream_);
      storage->Upload(values[i], stream_);
      member.numbers = storage->data();
      member.storage = std::move(storage);
    }
    stream_.Synchronize();
  }
}

std::unique_ptr<CohortGroup> CohortTrainer::MakeGroup(const GroupPlan &plan) {
  std::vector<CohortGroup::Entry> entries;
  for (const std::int32_t member : plan.members) {
    entries.push_back({member, &At(member).options});
  }
  auto group = std::make_unique<CohortGroup>(shared_, plan.shape, entries, plan.steps);
  std::vector<kernels::BlockCopy> moves;
  for (std::int32_t p = 0; p < plan.shape.members; ++p) {
    const Member &member = At(plan.members[static_cast<std::size_t>(p)]);
    AppendMoves(Move::kIntoGroup, plan.shape, group->arrays(), p, member.state, member.numbers,
                &moves);
  }
  group->Carry(moves);
  return group;
}

void CohortTrainer::LayOutAnew(const std::vector<std::int32_t> &members,
                               const Interrupt &interrupt) {
  DissolveAll();
  DrawNew(members, interrupt);
  const std::vector<GroupPlan> plans = PlanWithinMemory(members, &waste_);
  for (const GroupPlan &plan : plans) {
    groups_.push_back(MakeGroup(plan));
    for (std::int32_t p = 0; p < plan.shape.members; ++p) {
      Member &member = At(plan.members[static_cast<std::size_t>(p)]);
      member.group = groups_.back().get();
      member.position = p;
      member.storage.reset();
    }
  }
  laid_out_ = members;
}

std::vector<CohortLoss> CohortTrainer::Train(std::span<const std::int32_t> members,
                                             std::int64_t steps, const Interrupt &interrupt) {
  interrupt.Check();
  if (members.empty()) return {};
  std::vector<std::int32_t> sorted(members.begin(), members.end());
  std::sort(sorted.begin(), sorted.end());
  for (const std::int32_t member : sorted) {
    if (At(member).diverged) {
      throw Error(ErrorKind::kInternal, "a member of a cohort can train no more");
    }
  }
  if (sorted != laid_out_) LayOutAnew(sorted, interrupt);
  for (const auto &group : groups_) group->ClearLosses();
  RunSteps(steps, interrupt);
  std::map<const CohortGroup *, std::vector<CohortLoss>> by_group;
  for (const auto &group : groups_) by_group[group.get()] = group->Losses();
  std::vector<CohortLoss> losses;
  for (const std::int32_t number : members) {
    Member &member = At(number);
    losses.push_back(by_group[member.group][static_cast<std::size_t>(member.position)]);
    member.diverged = losses.back().diverged;
  }
  return losses;
}

// Queues bursts of mini-batches, as many as take some milliseconds by what the last ones took.
// While one is queued the card is at work on the one before.
void CohortTrainer::RunSteps(std::int64_t steps, const Interrupt &interrupt) {
  std::int64_t burst = 1, before = 1;
  Clock::time_point start = Clock::now();
  for (std::int64_t done = 0; done < steps;) {
    interrupt.Check();
    burst = std::min(burst, steps - done);
    for (std::int64_t i = 0; i < burst; ++i) {
      for (const auto &group : groups_) group->QueueStep();
    }
    for (const auto &group : groups_) group->MarkAndCatchUp();
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - start).count();
    start = now;
    done += burst;
    const double wanted = static_cast<double>(before) * kBurstSeconds / seconds;
    before = burst;
    burst = static_cast<std::int64_t>(
        std::clamp(wanted, 1.0, static_cast<double>(std::min(2 * burst, kLongestBurst))));
  }
}

void CohortTrainer::JudgeGroup(CohortGroup *group, const std::vector<std::int32_t> &positions,
                               const Interrupt &interrupt, double *values) {
  const std::int64_t rows = table_->valid_labels().rows;
  const std::int32_t outputs = data_.target.outputs();
  const auto bytes_of = [&](std::int64_t count) {
    return count * rows * outputs * static_cast<std::int64_t>(sizeof(float)) +
           static_cast<std::int64_t>(
               kernels::CohortMetricScratch(data_.metric, static_cast<std::int32_t>(count), rows));
  };
  const auto all = static_cast<std::int64_t>(positions.size());
  const std::int64_t room = std::min(kJudgeBytes, MemoryOfCard().free / 2);
  const std::int64_t most =
      std::clamp<std::int64_t>(room / std::max<std::int64_t>(bytes_of(1), 1), 1, all);
  const CardArray<float> predictions(most * rows * outputs);
  const CardBytes scratch(
      kernels::CohortMetricScratch(data_.metric, static_cast<std::int32_t>(most), rows));
  const CardArray<double> on_card(most);
  // Runs of neighbours.
  for (std::int64_t from = 0, end = 0; from < all; from = end) {
    const std::int32_t first = positions[static_cast<std::size_t>(from)];
    while (end < all && end - from < most &&
           positions[static_cast<std::size_t>(end)] - first == end - from) {
      ++end;
    }
    const auto count = static_cast<std::int32_t>(end - from);
    group->Predict(first, count, table_->valid_rows(), rows, predictions.data(), interrupt);
    kernels::CohortMetricCuda(data_.metric, count, outputs, predictions.data(),
                              table_->valid_labels(), scratch.data(), scratch.bytes(),
                              on_card.data(), group->stream().get());
    const std::vector<double> found = on_card.Download(count, group->stream());
    std::copy(found.begin(), found.end(), values + from);
  }
}

template <typename Work>
void CohortTrainer::WithGroup(std::int32_t number, const Interrupt &interrupt, const Work &work) {
  const Member &member = At(number);
  if (member.group != nullptr) {
    work(member.group, member.position);
    return;
  }
  DrawNew({number}, interrupt);
  HiddenWidths padded = member.options.widths;
  for (std::int32_t &width : padded) width = PaddedWidth(width);
  const std::unique_ptr<CohortGroup> alone =
      MakeGroup({.shape = ShapeOf(1, padded), .members = {number}, .steps = member.steps});
  work(alone.get(), 0);
}

std::vector<double> CohortTrainer::Judge(std::span<const std::int32_t> members,
                                         const Interrupt &interrupt) {
  std::vector<double> values(members.size());
  // Places in `members`, by group and position.
  std::map<CohortGroup *, std::map<std::int32_t, std::size_t>> grouped;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Member &member = At(members[i]);
    if (member.group != nullptr) {
      grouped[member.group][member.position] = i;
      continue;
    }
    WithGroup(members[i], interrupt, [&](CohortGroup *group, std::int32_t position) {
      JudgeGroup(group, {position}, interrupt, &values[i]);
    });
  }
  for (const auto &[group, places] : grouped) {
    std::vector<std::int32_t> positions;
    for (const auto &[position, i] : places) positions.push_back(position);
    std::vector<double> found(positions.size());
    JudgeGroup(group, positions, interrupt, found.data());
    auto next = found.begin();
    for (const auto &[position, i] : places) values[i] = *next++;
  }
  return values;
}

std::vector<float> CohortTrainer::Predictions(std::int32_t member,
                                              std::span<const std::int32_t> rows,
                                              const Interrupt &interrupt) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const CardArray<std::int32_t> on_card(count);
  const CardArray<float> predictions(count * data_.target.outputs());
  std::vector<float> found;
  WithGroup(member, interrupt, [&](CohortGroup *group, std::int32_t position) {
    on_card.Upload(rows, group->stream());
    group->Predict(position, 1, on_card.data(), count, predictions.data(), interrupt);
    found = predictions.Download(group->stream());
  });
  return found;
}

Network CohortTrainer::Fold(std::int32_t number) {
  Member &member = At(number);
  const MemberState &state = member.state;
  std::vector<float> numbers(static_cast<std::size_t>(state.numbers()));
  if (member.group != nullptr) {
    const CardArray<float> outside(state.numbers());
    std::vector<kernels::BlockCopy> moves;
    AppendMoves(Move::kOutOfGroup, member.group->shape(), member.group->arrays(), member.position,
                state, outside.data(), &moves);
    outside.Clear(member.group->stream());
    member.group->Carry(moves);
    numbers = outside.Download(member.group->stream());
  } else if (member.storage) {
    CheckCuda(cudaMemcpyAsync(numbers.data(), member.numbers, numbers.size() * sizeof(float),
                              cudaMemcpyDeviceToHost, stream_.get()),
              "copy from the card");
    stream_.Synchronize();
  }  // else it was never trained: all averages are zero
  const NetworkSections &sections = state.sections;
  const float *const averages = numbers.data() + state.averages();
  const float *mean = numbers.data() + state.means();
  const float *var = numbers.data() + state.variances();
  Network network;
  network.architecture = ArchitectureName(state.widths);
  network.embedding_width = kEmbeddingWidth;
  const float *const table = averages + sections.table.offset;
  network.table.assign(table, table + sections.table.numbers());
  kernels::CumulateKnotsCpu(plan_, network.table.data(), kEmbeddingWidth, network.table.data());
  for (std::size_t l = 0; l < sections.weights.size(); ++l) {
    const bool hidden = l < sections.hidden();
    const Section &weight = sections.weights[l];
    network.layers.push_back(
        FoldLayer({.inputs = weight.columns,
                   .outputs = weight.rows,
                   .weight = averages + weight.offset,
                   .gamma = hidden ? averages + sections.gammas[l].offset : nullptr,
                   .beta = averages + (hidden ? sections.betas[l].offset : sections.bias.offset),
                   .mean = mean,
                   .var = var}));
    mean += weight.rows;
    var += weight.rows;
  }
  return network;
}

}  // namespace trails
