// The full-space scorer over all 160,000 candidates of mlp20, beside plain LibTorch modules that
// score one candidate after the other, in one run and on the same threads.
//
// Usage: full_space_bench [--sets=forward,gradients,...] [--inputs=100,430] [--threads=1,2]
//                         [--targets=best,AVX2,SCALAR] [--candidates=300] [--repeats=5] [--seed=1]
// Prints Markdown, and what it says of the bars; status 1 when one is missed. Timings want an idle
// machine: where CPU seconds are far from wall seconds times threads, it was not. All seven
// gradient TFMEMs take half a minute a repeat on two cores of AVX-512, several on others.
//
// May touch: src/core, src/kernels, Google Highway.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/filtering/full_space.h"
#include "core/filtering/ranking.h"
#include "core/random.h"
#include "correlation.h"
#include "fma_peak.h"
#include "hwy/targets.h"
#include "kernels/stopped_product.h"
#include "named_space.h"
#include "torch_scoring.h"
#include "trails/error.h"

namespace trails::bench {
namespace {

const SearchSpace kMlp20 = SpaceNamed("mlp20");
constexpr std::int32_t kOutputs = 2;

struct MetricSet {
  std::string_view name;
  std::vector<Tfmem> tfmems;
};

const std::vector<MetricSet> kSets = {
    {"weight_norm", {Tfmem::kWeightNorm}},
    {"flows", {Tfmem::kSynflow, Tfmem::kExpressFlow}},
    {"nas_wot_plain", {Tfmem::kNasWotPlain}},
    {"nas_wot", {Tfmem::kNasWot}},
    {"forward",
     {Tfmem::kWeightNorm, Tfmem::kSynflow, Tfmem::kExpressFlow, Tfmem::kNasWotPlain, Tfmem::kNasWot,
      Tfmem::kJacflow}},
    {"grad_norm", {Tfmem::kGradNorm, Tfmem::kFisher, Tfmem::kGradPlain}},
    {"snip", {Tfmem::kGradNorm, Tfmem::kFisher, Tfmem::kGradPlain, Tfmem::kSnip}},
    {"ntk",
     {Tfmem::kGradNorm, Tfmem::kFisher, Tfmem::kGradPlain, Tfmem::kNtkTrace, Tfmem::kNtkCondNum}},
    {"grasp", {Tfmem::kGradNorm, Tfmem::kFisher, Tfmem::kGradPlain, Tfmem::kGrasp}},
    {"gradients",
     {Tfmem::kGradNorm, Tfmem::kFisher, Tfmem::kGradPlain, Tfmem::kSnip, Tfmem::kNtkTrace,
      Tfmem::kNtkCondNum, Tfmem::kGrasp}},
};

struct Choice {
  std::vector<std::string> sets = {"weight_norm", "flows", "nas_wot_plain", "nas_wot", "forward"};
  std::vector<std::int64_t> inputs = {100, 430};
  std::vector<std::int64_t> threads = {1, 2};
  std::vector<std::string> targets = {"best"};
  std::int64_t candidates = 300;
  std::int64_t repeats = 5;
  std::int64_t seed = 1;
};

std::vector<std::string> Split(std::string_view words) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = words.find(',');
    parts.emplace_back(words.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    words.remove_prefix(comma + 1);
  }
}

std::int64_t Number(std::string_view word) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < 1) {
    throw Error(ErrorKind::kInvalidArgument, fmt::format("not a positive number: \"{}\"", word));
  }
  return number;
}

std::vector<std::int64_t> Numbers(std::string_view words) {
  std::vector<std::int64_t> numbers;
  for (const std::string &word : Split(words)) numbers.push_back(Number(word));
  return numbers;
}

Choice ParseChoice(int count, char **words) {
  Choice choice;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const std::size_t equals = word.find('=');
    const std::string_view flag = word.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    if (flag == "--sets") {
      choice.sets = Split(value);
    } else if (flag == "--inputs") {
      choice.inputs = Numbers(value);
    } else if (flag == "--threads") {
      choice.threads = Numbers(value);
    } else if (flag == "--targets") {
      choice.targets = Split(value);
    } else if (flag == "--candidates") {
      choice.candidates = Number(value);
    } else if (flag == "--repeats") {
      choice.repeats = Number(value);
    } else if (flag == "--seed") {
      choice.seed = Number(value);
    } else {
      throw Error(ErrorKind::kInvalidArgument, fmt::format("unknown flag \"{}\"", word));
    }
  }
  return choice;
}

const MetricSet &SetNamed(std::string_view name) {
  for (const MetricSet &set : kSets) {
    if (set.name == name) return set;
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("no set \"{}\"", name));
}

// Makes Highway choose this level of the CPU from now on; "best" is the CPU's own.
void ChooseTarget(std::string_view name) {
  hwy::SetSupportedTargetsForTest(0);
  if (name != "best") {
    std::int64_t found = 0;
    std::string known = "best";
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
      known += fmt::format(", {}", hwy::TargetName(target));
      if (name == hwy::TargetName(target)) found = target;
    }
    if (found == 0) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("no target \"{}\" on this CPU, known are {}", name, known));
    }
    hwy::SetSupportedTargetsForTest(found);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

// Rows as the papers' tables give them: each field picks one of its own ids, whose embedding has
// the initial law. 10 fields of 5,382 ids in all are frappe, 43 of 369 the diabetes table.
ScoringBatch DrawRows(std::int32_t inputs, std::uint64_t seed) {
  constexpr std::int32_t kEmbedding = 10;
  const std::int32_t fields = inputs / kEmbedding;
  const std::int64_t ids = fields <= 10 ? 5'382 : 369;
  const double bound = std::sqrt(6.0 / static_cast<double>(ids + kEmbedding));
  RandomStream random(seed);
  std::vector<float> table(static_cast<std::size_t>(ids * kEmbedding));
  for (float &value : table) value = random.Symmetric(bound);
  ScoringBatch batch;
  batch.rows = kScoringRows;
  batch.inputs = fields * kEmbedding;
  batch.outputs = kOutputs;
  for (std::int32_t row = 0; row < batch.rows; ++row) {
    for (std::int32_t field = 0; field < fields; ++field) {
      const std::int64_t first = field * ids / fields;
      const std::int64_t id = first + random.Below((field + 1) * ids / fields - first);
      const auto at = table.begin() + id * kEmbedding;
      batch.x.insert(batch.x.end(), at, at + kEmbedding);
    }
    batch.labels.push_back(static_cast<std::int32_t>(random.Below(kOutputs)));
  }
  return batch;
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A line of /proc/self/status that counts kB, in MB.
double StatusMegabytes(const std::string &name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  throw Error(ErrorKind::kInternal, fmt::format("the kernel does not tell {}", name));
}

// Memory that was resident at the worst moment since the object began, above what was then.
class PeakMemory {
 public:
  PeakMemory() {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    before_ = StatusMegabytes("VmRSS");
  }
  double megabytes() const { return StatusMegabytes("VmHWM") - before_; }

 private:
  double before_ = 0;
};

struct Timing {
  double fastest = 0, median = 0;  // wall, s
  double cpu = 0;                  // of the fastest, s
  double peak_megabytes = 0;
  SpaceScores scores;
};

Timing TimeFullSpace(const std::vector<Tfmem> &tfmems, const ScoringBatch &batch, std::int64_t seed,
                     std::int64_t threads, std::int64_t repeats) {
  Timing timing;
  Progress progress;
  RunControl control;
  control.progress = &progress;
  std::vector<std::pair<double, double>> runs;  // wall, CPU
  for (std::int64_t run = 0; run < repeats; ++run) {
    timing.scores = SpaceScores();
    const PeakMemory memory;
    const double cpu = CpuSeconds();
    const Clock::time_point start = Clock::now();
    timing.scores =
        ScoreFullSpace(kMlp20, tfmems, batch, batch.inputs, kOutputs,
                       static_cast<std::uint64_t>(seed), static_cast<int>(run),
                       static_cast<std::int32_t>(threads), Clock::time_point::max(), control);
    const double wall = std::chrono::duration<double>(Clock::now() - start).count();
    runs.emplace_back(wall, CpuSeconds() - cpu);
    timing.peak_megabytes = std::max(timing.peak_megabytes, memory.megabytes());
  }
  std::sort(runs.begin(), runs.end());
  timing.fastest = runs.front().first;
  timing.median = runs[runs.size() / 2].first;
  timing.cpu = runs.front().second;
  return timing;
}

// Spearman's correlation; invalid scores rank last on both sides.
double Agreement(const std::vector<double> &a, const std::vector<double> &b) {
  return Correlation(Ranks(a, true), Ranks(b, true));
}

// Does what the bars of docs/benchmarks.md ask, and remembers.
class Bars {
 public:
  void AtMost(const std::string &what, double value, double bar) { Add(what, value, bar, true); }
  void AtLeast(const std::string &what, double value, double bar) { Add(what, value, bar, false); }
  // Prints them; whether all hold.
  bool Print() const {
    if (lines_.empty()) return true;
    fmt::print("\n| bar | measured | asked | |\n|---|---|---|---|\n");
    for (const std::string &line : lines_) fmt::print("{}\n", line);
    return all_hold_;
  }

 private:
  void Add(const std::string &what, double value, double bar, bool at_most) {
    const bool holds = at_most ? value <= bar : value >= bar;
    all_hold_ = all_hold_ && holds;
    lines_.push_back(fmt::format("| {} | {:.3g} | {} {:.3g} | {} |", what, value,
                                 at_most ? "at most" : "at least", bar, holds ? "kept" : "MISSED"));
  }

  std::vector<std::string> lines_;
  bool all_hold_ = true;
};

struct Row {
  std::string target;
  const MetricSet &set;
  std::int64_t inputs, threads;
  Timing timing;
  double torch_seconds;  // a candidate, wall
  double ratio;          // of wall times, the whole space by LibTorch extrapolated
};

void AddBars(const Row &row, Bars *bars) {
  const std::string what = fmt::format("{}, {}, {} inputs, {} threads", row.set.name, row.target,
                                       row.inputs, row.threads);
  const bool wide = row.target == "AVX3" || row.target == "AVX3_DL";
  if (row.set.name == "forward") {
    if (wide) bars->AtLeast(what + ": times LibTorch", row.ratio, 1000);
    if (wide && row.threads == 2) bars->AtMost(what + ": s", row.timing.median, 0.6);
    if (row.target == "AVX2" && row.threads == 2)
      bars->AtMost(what + ": s", row.timing.median, 1.5);
    bars->AtMost(what + ": MB", row.timing.peak_megabytes, 48);
  }
  if (wide && row.set.name == "grad_norm") bars->AtLeast(what + ": times LibTorch", row.ratio, 16);
  if (wide && row.set.name == "snip") bars->AtLeast(what + ": times LibTorch", row.ratio, 9);
  if (row.set.name == "gradients") {
    if (wide && row.threads == 2) bars->AtMost(what + ": s", row.timing.median, 35);
    bars->AtMost(what + ": MB", row.timing.peak_megabytes, 80);
  }
}

void AddSpeedups(const std::vector<Row> &rows, Bars *bars) {
  for (const Row &one : rows) {
    for (const Row &two : rows) {
      const bool same =
          &one.set == &two.set && one.inputs == two.inputs && one.target == two.target;
      const bool barred = one.set.name == "forward" || one.set.name == "gradients";
      if (!same || !barred || one.threads != 1 || two.threads != 2) continue;
      bars->AtLeast(fmt::format("{}, {}, {} inputs: two threads to one", one.set.name, one.target,
                                one.inputs),
                    one.timing.fastest / two.timing.fastest, 1.9);
    }
  }
}

std::vector<HiddenWidths> DrawCandidates(std::int64_t count, std::uint64_t seed,
                                         std::vector<std::int64_t> *indices) {
  RandomStream random(seed);
  std::vector<HiddenWidths> candidates;
  for (std::int64_t i = 0; i < count; ++i) {
    indices->push_back(random.Below(SpaceSize(kMlp20)));
    candidates.push_back(CandidateAt(kMlp20, indices->back()));
  }
  return candidates;
}

void PrintAgreement(const Row &row, const TorchScoring &torch,
                    const std::vector<std::int64_t> &indices) {
  std::string line;
  for (std::size_t i = 0; i < row.set.tfmems.size(); ++i) {
    const std::vector<double> &all = row.timing.scores.of(row.set.tfmems[i]);
    std::vector<double> same;
    for (const std::int64_t index : indices) same.push_back(all[static_cast<std::size_t>(index)]);
    line += fmt::format(" {} {:.3f}", Name(row.set.tfmems[i]), Agreement(same, torch.scores[i]));
  }
  // Between other draws of the weights: what agrees with itself agrees here (fullspace noise).
  fmt::print(stderr, "{} inputs, rank agreement with LibTorch:{}\n", row.inputs, line);
}

void PrintRow(const Row &row, const TorchScoring &torch, std::int64_t candidates) {
  const auto size = static_cast<double>(SpaceSize(kMlp20));
  const double cpu_seconds = torch.cpu_seconds / static_cast<double>(candidates);
  fmt::print(
      "| {} | {} | {} | {} | {:.3f} | {:.3f} | {:.3f} | {:.2f} | {:.0f} | {:.3f} ({:.3f}) "
      "| {:.0f} % | {:.0f} | {:.0f} | {:.0f} |\n",
      row.set.name, row.inputs, row.threads, row.target, row.timing.fastest, row.timing.median,
      row.timing.cpu, 1e6 * row.timing.median / size, row.timing.peak_megabytes,
      1e3 * row.torch_seconds, 1e3 * cpu_seconds, 100 * torch.construction_share, row.ratio,
      row.ratio * (1 - torch.construction_share), cpu_seconds * size / row.timing.cpu);
  std::fflush(stdout);
}

// Returns whether every bar that was measured holds.
bool MeasureSpace(const Choice &choice) {
  std::vector<Row> rows;
  Bars bars;
  const auto seed = static_cast<std::uint64_t>(choice.seed);
  std::vector<std::int64_t> indices;
  const std::vector<HiddenWidths> candidates = DrawCandidates(choice.candidates, seed, &indices);
  fmt::print(
      "| set | inputs | threads | target | s, fastest | median of {} | CPU s | us a candidate | "
      "peak MB | LibTorch ms a candidate (CPU) | of it construction | ratio | without "
      "construction | of CPU |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
      choice.repeats);
  for (const std::string &name : choice.sets) {
    const MetricSet &set = SetNamed(name);
    for (const std::int64_t inputs : choice.inputs) {
      const ScoringBatch batch = DrawRows(static_cast<std::int32_t>(inputs), seed);
      for (const std::int64_t threads : choice.threads) {
        // The first candidates pay for what Torch sets up once.
        ScoreByTorch({candidates.begin(), candidates.begin() + 1}, set.tfmems, batch, 1);
        const TorchScoring torch =
            ScoreByTorch(candidates, set.tfmems, batch, static_cast<std::int32_t>(threads));
        const double torch_seconds = torch.wall_seconds / static_cast<double>(choice.candidates);
        for (const std::string &target : choice.targets) {
          ChooseTarget(target);
          Row row{hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets()),
                  set,
                  batch.inputs,
                  threads,
                  TimeFullSpace(set.tfmems, batch, choice.seed, threads, choice.repeats),
                  torch_seconds,
                  0};
          row.ratio = torch_seconds * static_cast<double>(SpaceSize(kMlp20)) / row.timing.median;
          PrintRow(row, torch, choice.candidates);
          PrintAgreement(row, torch, indices);
          AddBars(row, &bars);
          row.timing.scores = SpaceScores();
          rows.push_back(std::move(row));
        }
      }
    }
  }
  AddSpeedups(rows, &bars);
  return bars.Print();
}

// The kernel that most of the time is spent in, over one row block and all widths of mlp20.
void MeasureProduct(const Choice &choice) {
  const UnitGrid grid(kMlp20.widths);
  const std::int32_t columns = grid.slots();
  AlignedFloats panel(static_cast<std::size_t>(columns) * kernels::kBlock);
  AlignedFloats x(static_cast<std::size_t>(columns) * kScoringRows);
  AlignedFloats z(static_cast<std::size_t>(grid.count()) * kScoringRows * kernels::kBlock);
  RandomStream random(1);
  for (std::size_t i = 0; i < panel.size(); ++i) panel.data()[i] = random.Symmetric(1);
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = random.Symmetric(1);
  const kernels::Stops stops{grid.blocks().data(), grid.count()};
  const double flops = 2.0 * kernels::kBlock * columns * kScoringRows;
  fmt::print(
      "\n| target | StoppedProduct, GFLOP/s | multiply-adds in registers | share |\n"
      "|---|---|---|---|\n");
  for (const std::string &target : choice.targets) {
    ChooseTarget(target);
    constexpr int kRounds = 2'000;
    double best = 0;
    for (int attempt = 0; attempt < 20; ++attempt) {
      const double start = CpuSeconds();
      for (int round = 0; round < kRounds; ++round) {
        kernels::StoppedProduct(panel.data(), x.data(), stops, kScoringRows, z.data());
      }
      const double seconds = CpuSeconds() - start;
      best = std::max(best, 1e-9 * flops * kRounds / seconds);
    }
    const double peak = FmaPeak(0.3);
    fmt::print("| {} | {:.1f} | {:.1f} | {:.0f} % |\n",
               hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets()), best, peak,
               100 * best / peak);
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace trails::bench

int main(int count, char **words) {
  try {
    const trails::bench::Choice choice = trails::bench::ParseChoice(count, words);
    trails::bench::MeasureProduct(choice);
    return trails::bench::MeasureSpace(choice) ? 0 : 1;
  } catch (const std::exception &error) {
    fmt::print(stderr, "full_space_bench: {}\n", error.what());
    return 2;
  }
}
