// The facade: order of phases, seeds, stop. No arithmetic.
#include "trails/engine.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <atomic>
#include <cmath>
#include <string_view>
#include <thread>

#include "core/data/dataset.h"
#include "core/filtering/filter.h"
#include "core/model/artefact.h"
#include "core/refinement/ensemble.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"
#include "core/refinement/successive_halving.h"

namespace trails {

namespace {

constexpr double kFilteringShare = 0.05;  // of the budget, at most

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The choice among the finalists and the floor, and its judgement on the test rows.
struct Verdict {
  std::vector<const Finalist *> members;  // best first
  double valid = kNoMetric;
  double test = kNoMetric;
  double floor_test = kNoMetric;
  bool floor_won = false;
};

// Predictions of every network for the test rows, on options.threads threads.
std::vector<std::vector<float>> PredictTest(const Dataset &data, const kernels::FieldPlan &plan,
                                            const std::vector<const Network *> &networks,
                                            std::int32_t threads, const RunControl &control) {
  std::vector<std::vector<float>> predictions(networks.size());
  std::vector<std::exception_ptr> failures(networks.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    const EngineThreadScope scope;
    for (std::size_t i = next++; i < networks.size(); i = next++) {
      try {
        predictions[i] = PredictRows(data, plan, *networks[i], data.split.test, Interrupt(control));
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::int32_t t = 1; t < threads; ++t) others.emplace_back(work);
    work();
  }
  for (const std::exception_ptr &failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return predictions;
}

Verdict JudgeFinalists(const Dataset &data, const kernels::FieldPlan &plan,
                       const RefinementResult &refined, std::int32_t threads,
                       const RunControl &control) {
  Verdict verdict;
  const std::int32_t outputs = data.target.outputs();
  MeanChoice choice;
  if (!refined.finalists.empty()) {
    choice =
        ChooseMembers(refined.finalists, data.metric, outputs, LabelsOf(data, data.split.valid));
  }
  verdict.valid = choice.valid;
  verdict.floor_won =
      choice.members == 0 || IsBetter(data.metric, refined.floor.valid, choice.valid);
  if (verdict.floor_won) {
    verdict.members = {&refined.floor};
    verdict.valid = refined.floor.valid;
  } else {
    for (std::size_t m = 0; m < choice.members; ++m) {
      verdict.members.push_back(&refined.finalists[m]);
    }
  }
  if (data.split.test.empty()) {
    verdict.floor_test = refined.floor.valid;
    return verdict;
  }
  std::vector<const Network *> networks = {&refined.floor.network};
  if (!verdict.floor_won) {
    for (const Finalist *member : verdict.members) networks.push_back(&member->network);
  }
  const auto predictions = PredictTest(data, plan, networks, threads, control);
  const std::vector<double> labels = LabelsOf(data, data.split.test);
  verdict.floor_test = Judge(data.metric, predictions.front(), outputs, labels);
  verdict.test = verdict.floor_test;
  if (!verdict.floor_won) {
    std::vector<float> sum;
    for (std::size_t m = 1; m < predictions.size(); ++m) AddPredictions(predictions[m], &sum);
    const auto members = static_cast<float>(predictions.size() - 1);
    verdict.test = Judge(data.metric, Scaled(sum, 1.0f / members), outputs, labels);
  }
  return verdict;
}

// What the user should know about how it went.
void AddNotices(const RefinementResult &refined, const Verdict &verdict, const Dataset &data,
                std::vector<Notice> *notices) {
  if (refined.diverged > 0) {
    notices->push_back({NoticeLevel::kDebug,
                        fmt::format("{} candidates diverged and were dropped", refined.diverged),
                        {},
                        {}});
  }
  if (refined.finalists.empty()) {
    if (std::isnan(refined.floor.valid) && refined.trained > refined.diverged) {
      notices->push_back(
          {NoticeLevel::kWarning,
           fmt::format("{} is undefined on the validation rows, the linear model is kept",
                       Name(data.metric)),
           fmt::format("All {} of them have the same target.", data.split.valid.size()),
           "Choose another metric, or a split with more validation rows."});
      return;
    }
    const bool all_diverged = refined.diverged > 0;
    notices->push_back(
        {NoticeLevel::kWarning,
         all_diverged ? "every candidate diverged, the linear model is kept"
                      : "the budget was too short to train a network, the linear model is kept",
         {},
         all_diverged ? "Look for extreme values among the features."
                      : "Raise the budget, or leave out rows by a view."});
    return;
  }
  const bool loses_on_test = !verdict.floor_won && !data.split.test.empty() &&
                             IsBetter(data.metric, verdict.floor_test, verdict.test);
  if (!verdict.floor_won && !loses_on_test) return;
  Notice notice{NoticeLevel::kWarning, "no network beats the linear model on this table", {}, {}};
  notice.detail = verdict.floor_won
                      ? "The linear model is better on the validation rows and was kept."
                      : fmt::format(
                            "The network is better on the validation rows and was kept, but on the "
                            "test rows the linear model has {} {:.5g} and the network {:.5g}.",
                            Name(data.metric), verdict.floor_test, verdict.test);
  notice.hint = "A longer budget, more rows or other features may help.";
  notices->push_back(std::move(notice));
}

class TorchEngine final : public Engine {
 public:
  SelectionResult SelectModel(Table &&table, const SelectionOptions &options,
                              const RunControl &control) override {
    try {
      return Select(std::move(table), options, control);
    } catch (const c10::Error &error) {
      // Torch's what() carries a C++ backtrace; the client gets the first line only.
      const std::string_view words = error.what_without_backtrace();
      const bool out_of_memory = words.find("alloc") != std::string_view::npos ||
                                 words.find("memory") != std::string_view::npos;
      throw Error(out_of_memory ? ErrorKind::kOutOfMemory : ErrorKind::kInternal,
                  out_of_memory ? "out of memory" : "tensor operation failed",
                  std::string(words.substr(0, words.find('\n'))));
    }
  }

  std::string versions() const override {
    return std::string("trails ") + kVersion + ", LibTorch " + TORCH_VERSION;
  }

 private:
  static SelectionResult Select(Table &&table, const SelectionOptions &options,
                                const RunControl &control);
};

SelectionResult TorchEngine::Select(Table &&table, const SelectionOptions &options,
                                    const RunControl &control) {
  SelectionResult result;
  Clock::time_point phase_start = Clock::now();
  result.seconds.reading = std::chrono::duration<double>(phase_start - control.start).count();
  result.rows = table.rows();
  control.progress->Enter(Phase::kEncoding);
  const Dataset data = BuildDataset(std::move(table), options, &result.notices, control.stop);
  const kernels::FieldPlan plan = data.fields.Plan();
  result.seconds.encoding = SecondsSince(phase_start);
  Interrupt(control).Check();

  phase_start = Clock::now();
  control.progress->Enter(Phase::kFiltering);
  const auto filtering_end =
      phase_start + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(kFilteringShare * control.budget_seconds()));
  const std::vector<ScoredCandidate> scored = FilterCandidates(
      options.space, options.n.value_or(kDefaultScored), options.tfmem,
      plan.fields * kEmbeddingWidth, data.target.outputs(), options.seed, options.threads,
      options.plan_is_fixed() ? control.deadline : filtering_end, control);
  result.seconds.filtering = SecondsSince(phase_start);

  phase_start = Clock::now();
  control.progress->Enter(Phase::kRefinement);
  RefinementResult refined = SuccessiveHalving(data, plan, scored, options, control).Run();
  result.seconds.refinement = SecondsSince(phase_start);

  if (refined.finalists.empty() && control.finish != nullptr && control.finish->load()) {
    throw Error(ErrorKind::kCancelled,
                "model selection was cancelled before a network was trained");
  }

  phase_start = Clock::now();
  control.progress->Enter(Phase::kFinal);
  const Verdict verdict = JudgeFinalists(data, plan, refined, options.threads, control);
  AddNotices(refined, verdict, data, &result.notices);
  result.task = data.target.task;
  result.metric = data.metric;
  result.architecture = verdict.members.front()->network.architecture;
  result.members = static_cast<std::int32_t>(verdict.members.size());
  result.valid = verdict.valid;
  result.test = verdict.test;
  result.floor = verdict.floor_test;
  result.floor_valid = refined.floor.valid;
  result.candidates_scored = std::ssize(scored);
  result.candidates_trained = refined.trained;
  result.n = std::ssize(scored);
  result.k = refined.first_rung;
  result.u = refined.first_epochs;
  result.rungs = refined.rungs;
  result.stopped_early = refined.stopped_early;
  result.train_rows = std::ssize(data.split.train);
  result.valid_rows = std::ssize(data.split.valid);
  result.test_rows = std::ssize(data.split.test);
  result.data_hash = data.data_hash;
  result.fields = data.fields.Describe();
  result.candidates = std::move(refined.candidates);
  result.epochs = std::move(refined.epochs);
  Model model{data.fields, data.target, data.metric, {}};
  for (const Finalist *member : verdict.members) model.networks.push_back(member->network);
  result.artefact = WriteArtefact(model);
  result.seconds.final = SecondsSince(phase_start);
  return result;
}

}  // namespace

}  // namespace trails

extern "C" __attribute__((visibility("default"))) trails::Engine *trails_engine_open(
    int contract_version) {
  if (contract_version != trails::kContractVersion) return nullptr;
  // Never destroyed: it may own Torch objects, and exit() must not run their destructors.
  static auto *const engine = new trails::TorchEngine;
  return engine;
}
