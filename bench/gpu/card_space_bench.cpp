// The full space scored on a card: all candidates of mlp20 by the TFMEMs that have kernels, beside
// the CPU's scorer on all its threads.
//
//   card_space_bench [--tiny] [--json=PATH]
//
// Prints a table in Markdown. Ends with status 1 when the two disagree on which candidate is the
// best by synflow. --tiny: sizes for the emulation; its times mean nothing.
//
// May touch: src/core, but for Torch; {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <thread>

#include "card_entry.h"
#include "core/placement/placement.h"
#include "core/random.h"
#include "measured.h"
#include "named_space.h"

namespace trails::bench {
namespace {

ScoringBatch SomeBatch(std::int32_t inputs) {
  RandomStream random(1);
  ScoringBatch batch{.rows = 32,
                     .inputs = inputs,
                     .outputs = 2,
                     .regression = false,
                     .x = {},
                     .labels = {},
                     .targets = {}};
  for (std::int32_t i = 0; i < batch.rows * inputs; ++i) {
    batch.x.push_back(static_cast<float>(random.Normal()));
  }
  for (std::int32_t i = 0; i < batch.rows; ++i) batch.labels.push_back(i % 2);
  return batch;
}

std::size_t Best(const std::vector<double> &scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

int Run(const Arguments &arguments) {
  const SearchSpace space =
      arguments.tiny ? SearchSpace{.name = "tiny", .widths = {8, 16, 24}, .max_layers = 2}
                     : SpaceNamed("mlp20");
  const std::vector<Tfmem> six = {Tfmem::kWeightNorm,  Tfmem::kSynflow, Tfmem::kExpressFlow,
                                  Tfmem::kNasWotPlain, Tfmem::kNasWot,  Tfmem::kJacflow};
  const auto threads = static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
  const int repeats = arguments.tiny ? 1 : 5;
  const std::unique_ptr<Card> card = OpenCard();
  fmt::print("{}\n\n| inputs | card, s | CPU, {} threads, s |\n|---|---|---|\n",
             Describe(card->facts()), threads);
  int status = 0;
  std::vector<std::string> rows;
  for (const std::int32_t inputs : arguments.tiny ? std::vector{20} : std::vector{180, 760}) {
    const ScoringBatch batch = SomeBatch(inputs);
    Progress progress;
    RunControl control;
    control.progress = &progress;
    const auto never = Clock::time_point::max();
    SpaceScores there, here;
    const auto score_there = [&] {
      there = card->ScoreFullSpace(space, six, batch, inputs, 2, 1, 0, never, control);
    };
    score_there();  // libraries load their kernels
    const double card_seconds = MedianSeconds(repeats, score_there);
    const double cpu_seconds = MedianSeconds(repeats, [&] {
      here = ScoreFullSpace(space, six, batch, inputs, 2, 1, 0, threads, never, control);
    });
    if (Best(there.of(Tfmem::kSynflow)) != Best(here.of(Tfmem::kSynflow))) status = 1;
    fmt::print("| {} | {:.4f} | {:.4f} |\n", inputs, card_seconds, cpu_seconds);
    rows.push_back(JsonObject()
                       .Add("inputs", inputs)
                       .Add("candidates", static_cast<double>(SpaceSize(space)))
                       .Add("card_seconds", card_seconds)
                       .Add("cpu_seconds", cpu_seconds)
                       .Add("cpu_threads", threads)
                       .Text());
  }
  if (!arguments.json.empty()) {
    WriteFile(arguments.json, JsonObject()
                                  .Add("bench", "full_space")
                                  .AddRaw("card", FactsOf(card->facts()).Text())
                                  .AddRaw("spaces", JsonArray(rows))
                                  .Text());
  }
  if (status != 0) fmt::print("card and CPU disagree on the best by synflow\n");
  return status;
}

}  // namespace
}  // namespace trails::bench

int main(int argc, char **argv) {
  try {
    return trails::bench::Run(trails::bench::Parse(argc, argv));
  } catch (const trails::Error &error) {
    fmt::print(stderr, "card_space_bench: {}: {} {}\n", error.what(), error.detail(), error.hint());
    return 1;
  } catch (const std::exception &error) {
    fmt::print(stderr, "card_space_bench: {}\n", error.what());
    return 1;
  }
}
