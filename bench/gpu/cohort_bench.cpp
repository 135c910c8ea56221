// Candidates of mlp20 that train together on a card: rows a second of one and of all of them, and
// how many models a minute that makes.
//
//   cohort_bench [--tiny] [--json=PATH]
//
// A model is trained for four passes over the training rows, as in the first rung of a plan. Beside
// it stand bench/gpu/one_by_one.py (the same networks in PyTorch on the card, one after the other)
// and trainer_bench (one thread of the CPU). Prints a table in Markdown. --tiny: sizes for the
// emulation; its times mean nothing.
//
// May touch: src/core, but for Torch; {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>

#include "card_entry.h"
#include "core/cohort/cohort.h"
#include "core/filtering/filter.h"
#include "core/placement/placement.h"
#include "core/refinement/batch_order.h"
#include "drawn_shapes.h"
#include "measured.h"
#include "named_space.h"

namespace trails::bench {
namespace {

constexpr double kPasses = 4;

struct Plan {
  std::vector<std::int64_t> members;
  std::int64_t warm_up;
  std::int64_t steps;
  int repeats;
};

struct Speed {
  double seconds = 0;  // of one mini-batch of all
  double judging = 0;  // of a look at all
  double bytes = 0;    // of the card's memory
};

Speed Train(Card *card, const Drawn &drawn, Precision precision, std::int64_t members,
            const SearchSpace &space, const Plan &plan) {
  const RunControl control;
  const Interrupt interrupt(control);
  const std::int64_t free_before = card->facts().free_bytes;
  const std::unique_ptr<Cohort> cohort = card->MakeCohort(drawn.data, drawn.plan, precision, 4);
  std::vector<std::int32_t> numbers;
  for (const HiddenWidths &widths : SampleCandidates(space, members, 1)) {
    numbers.push_back(cohort->Enter(
        {.widths = widths, .dropout = 0.2f, .seed = static_cast<std::uint64_t>(numbers.size())}));
  }
  (void)cohort->Train(numbers, plan.warm_up, interrupt);
  Speed speed;
  speed.seconds =
      MedianSeconds(plan.repeats, [&] { (void)cohort->Train(numbers, plan.steps, interrupt); }) /
      static_cast<double>(plan.steps);
  speed.judging = MedianSeconds(1, [&] { (void)cohort->Judge(numbers, interrupt); });
  speed.bytes = static_cast<double>(free_before - card->facts().free_bytes);
  return speed;
}

std::string Row(const Shape &shape, const Drawn &drawn, Precision precision, std::int64_t members,
                const Speed &speed) {
  const std::int64_t training = std::ssize(drawn.data.split.train);
  const double rows = static_cast<double>(members * BatchRows(training)) / speed.seconds;
  const double models = 60 * rows / (kPasses * static_cast<double>(training));
  fmt::print("| {} | {} | {} | {:.3f} | {:.0f} | {:.0f} | {:.0f} | {:.1f} | {:.0f} |\n", shape.name,
             Name(precision), members, 1e3 * speed.seconds, 1e-3 * rows,
             1e-3 * rows / static_cast<double>(members), models, 1e3 * speed.judging,
             1e-6 * speed.bytes);
  return JsonObject()
      .Add("data", std::string(shape.name))
      .Add("precision", std::string(Name(precision)))
      .Add("members", static_cast<double>(members))
      .Add("step_seconds", speed.seconds)
      .Add("rows_per_second", rows)
      .Add("rows_per_second_of_one", rows / static_cast<double>(members))
      .Add("models_per_minute", models)
      .Add("judging_seconds", speed.judging)
      .Add("card_bytes", speed.bytes)
      .Text();
}

void Run(const Arguments &arguments) {
  const Plan plan =
      arguments.tiny ? Plan{.members = {2}, .warm_up = 1, .steps = 1, .repeats = 1}
                     : Plan{.members = {1, 32, 100, 500}, .warm_up = 5, .steps = 40, .repeats = 3};
  const std::vector<Shape> shapes =
      arguments.tiny ? std::vector<Shape>{{"tiny", {3, 5}, 200}} : kShapes;
  const SearchSpace space = arguments.tiny
                                ? SearchSpace{.name = "tiny", .widths = {8, 16}, .max_layers = 2}
                                : SpaceNamed("mlp20");
  const std::vector<Precision> precisions =
      arguments.tiny ? std::vector{Precision::kFp32}
                     : std::vector{Precision::kFp32, Precision::kTf32, Precision::kBf16};
  const std::unique_ptr<Card> card = OpenCard();
  fmt::print("{}\n\n", Describe(card->facts()));
  fmt::print(
      "| data | precision | members | ms a step | thousand rows/s | of one | models/min | ms a "
      "look "
      "| MB |\n|---|---|---|---|---|---|---|---|---|\n");
  std::vector<std::string> rows;
  for (const Shape &shape : shapes) {
    const Drawn drawn = Draw(shape);
    for (const Precision precision : precisions) {
      for (const std::int64_t members : plan.members) {
        const Speed speed = Train(card.get(), drawn, precision, members, space, plan);
        rows.push_back(Row(shape, drawn, precision, members, speed));
      }
    }
  }
  if (arguments.json.empty()) return;
  WriteFile(arguments.json, JsonObject()
                                .Add("bench", "cohort")
                                .AddRaw("card", FactsOf(card->facts()).Text())
                                .AddRaw("cohorts", JsonArray(rows))
                                .Text());
}

}  // namespace
}  // namespace trails::bench

int main(int argc, char **argv) {
  try {
    trails::bench::Run(trails::bench::Parse(argc, argv));
  } catch (const trails::Error &error) {
    fmt::print(stderr, "cohort_bench: {}: {} {}\n", error.what(), error.detail(), error.hint());
    return 1;
  } catch (const std::exception &error) {
    fmt::print(stderr, "cohort_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
