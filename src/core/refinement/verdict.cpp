#include "core/refinement/verdict.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <exception>
#include <thread>

#include "core/data/metrics.h"
#include "core/interrupt.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"

namespace trails {

namespace {

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

// The smallest network that is good enough by itself; null where there is none.
const Finalist *CheapestGoodEnough(const Dataset &data, const RefinementResult &refined,
                                   const std::optional<double> &stop_at) {
  const Finalist *cheapest = nullptr;
  if (!stop_at) return cheapest;
  for (const Finalist &finalist : refined.finalists) {
    if (IsBetter(data.metric, *stop_at, finalist.valid)) continue;
    if (cheapest == nullptr || NetworkBytes(finalist.network) < NetworkBytes(cheapest->network)) {
      cheapest = &finalist;
    }
  }
  return cheapest;
}

// The members and their validation metric.
void ChooseByValidation(const Dataset &data, const RefinementResult &refined,
                        const JudgeOptions &options, Verdict *verdict) {
  MeanChoice choice;
  const Finalist *const cheapest = CheapestGoodEnough(data, refined, options.stop_at);
  if (cheapest != nullptr) {
    choice = {1, cheapest->valid};
    verdict->members = {cheapest};
  } else if (!refined.finalists.empty()) {
    choice = ChooseMembers(refined.finalists, data.metric, data.target.outputs(),
                           LabelsOf(data, data.split.valid));
    for (std::size_t m = 0; m < choice.members; ++m) {
      verdict->members.push_back(&refined.finalists[m]);
    }
  }
  verdict->valid = choice.valid;
  verdict->floor_won =
      choice.members == 0 ||
      (options.floor_may_win && IsBetter(data.metric, refined.floor.valid, choice.valid));
  if (verdict->floor_won) {
    verdict->members = {&refined.floor};
    verdict->valid = refined.floor.valid;
  }
}

}  // namespace

Verdict JudgeFinalists(const Dataset &data, const kernels::FieldPlan &plan,
                       const RefinementResult &refined, const JudgeOptions &options,
                       const RunControl &control) {
  Verdict verdict;
  const std::int32_t outputs = data.target.outputs();
  ChooseByValidation(data, refined, options, &verdict);
  if (data.split.test.empty()) {
    verdict.floor_test = refined.floor.valid;
    return verdict;
  }
  std::vector<const Network *> networks = {&refined.floor.network};
  if (!verdict.floor_won) {
    for (const Finalist *member : verdict.members) networks.push_back(&member->network);
  }
  const auto predictions = PredictTest(data, plan, networks, options.threads, control);
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

void AddVerdictNotices(const RefinementResult &refined, const Verdict &verdict, const Dataset &data,
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
  const bool loses_on_valid =
      !verdict.floor_won && IsBetter(data.metric, refined.floor.valid, verdict.valid);
  const bool loses_on_test = !verdict.floor_won && !data.split.test.empty() &&
                             IsBetter(data.metric, verdict.floor_test, verdict.test);
  if (!verdict.floor_won && !loses_on_valid && !loses_on_test) return;
  Notice notice{NoticeLevel::kWarning, "no network beats the linear model on this table", {}, {}};
  if (verdict.floor_won) {
    notice.detail = "The linear model is better on the validation rows and was kept.";
  } else if (loses_on_valid) {
    // Only where this very network was asked for.
    notice.message = "the network does not beat a linear model on this table";
    notice.detail =
        fmt::format("On the validation rows the linear model has {} {:.5g} and the network {:.5g}.",
                    Name(data.metric), refined.floor.valid, verdict.valid);
  } else {
    notice.message = "the linear model is better than the network on the test rows";
    notice.detail = fmt::format(
        "The network is better on the validation rows and was kept, but on the test rows the "
        "linear model has {} {:.5g} and the network {:.5g}.",
        Name(data.metric), verdict.floor_test, verdict.test);
  }
  notice.hint = "A longer budget, more rows or other features may help.";
  notices->push_back(std::move(notice));
}

}  // namespace trails
