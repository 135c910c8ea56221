// How well the cost model knows what a mini-batch takes: trains networks of many sizes on one
// thread, and prints each beside the model's prediction, the errors before any measurement, after
// one and after ten, and the built-in constants that would fit best.
//
// The quickest of several tries counts, in rounds over all networks, so that what else runs on the
// machine does not.
//
// May touch: Torch, src/core.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/coordinator/cost_model.h"
#include "core/refinement/calibration.h"
#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"
#include "micro/drawn_data.h"

namespace trails {
namespace {

constexpr int kRounds = 6;
constexpr double kSecondsOfATry = 0.02;
constexpr int kLearntSteps = 100;  // that a measurement of the model stands for
constexpr int kDraws = 200;        // of the candidates that are measured first

// Ends of the built-in spaces, and what lies between.
const std::vector<const char *> kArchitectures = {"16",
                                                  "64",
                                                  "128",
                                                  "384",
                                                  "16-16",
                                                  "32-192",
                                                  "96-128",
                                                  "128-128",
                                                  "384-16",
                                                  "16-384",
                                                  "384-384",
                                                  "64-32-16",
                                                  "192-64-32",
                                                  "96-96-96",
                                                  "256-256-256",
                                                  "384-16-384",
                                                  "8-8-8-8",
                                                  "16-16-16-16",
                                                  "64-64-64-64",
                                                  "16-32-64-128",
                                                  "8-512-8-512",
                                                  "128-64-32-8",
                                                  "208-144-80-240",
                                                  "256-192-128-96",
                                                  "384-384-384-384",
                                                  "512-8-8-512",
                                                  "512-512-8-8",
                                                  "512-512-512-512"};

struct Measured {
  TableShape shape;
  std::string name;
  HiddenWidths widths;
  double seconds = std::numeric_limits<double>::infinity();  // a mini-batch
};

// Of this thread's work: a shared machine takes threads off their cores.
double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double TrySeconds(Trainer *trainer, const Interrupt &interrupt) {
  const double start = ThreadSeconds();
  double seconds = 0;
  int steps = 0;
  do {
    trainer->Train(1, interrupt);
    ++steps;
    seconds = ThreadSeconds() - start;
  } while (seconds < kSecondsOfATry);
  return seconds / steps;
}

std::vector<Measured> Measure(const DrawnData &drawn) {
  const RunControl control;
  const Interrupt interrupt(control);
  std::vector<Measured> all;
  for (const char *name : kArchitectures) {
    all.push_back({ShapeOf(drawn.data, drawn.plan), name, ParseArchitecture(name)});
  }
  for (int round = 0; round < kRounds; ++round) {
    for (Measured &m : all) {
      Trainer trainer(drawn.data, drawn.plan, {.widths = m.widths, .dropout = 0.2f, .seed = 1});
      trainer.Train(2, interrupt);
      m.seconds = std::min(m.seconds, TrySeconds(&trainer, interrupt));
    }
  }
  return all;
}

double Error(const CostModel &model, const Measured &m) {
  return std::abs(model.TrainingStepSeconds(m.widths) / m.seconds - 1);
}

struct Errors {
  double median = 0, p90 = 0, most = 0;
};

// Of the candidates that were not learnt, over draws of the `learnt` ones.
Errors ErrorsAfter(const std::vector<Measured> &table, std::size_t learnt) {
  RandomStream random(7);
  std::vector<std::size_t> order(table.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> errors;
  for (int draw = 0; draw < kDraws; ++draw) {
    random.Shuffle(order.data(), std::ssize(order));
    CostModel model(table.front().shape);
    for (std::size_t i = 0; i < learnt; ++i) {
      model.Learn(table[order[i]].widths, kLearntSteps, kLearntSteps * table[order[i]].seconds);
    }
    for (std::size_t i = learnt; i < order.size(); ++i) {
      errors.push_back(Error(model, table[order[i]]));
    }
  }
  std::sort(errors.begin(), errors.end());
  return {errors[errors.size() / 2], errors[errors.size() * 9 / 10], errors.back()};
}

// Least squares of the relative errors, no constant below zero: coordinate descent.
std::array<double, 5> BestConstants(const std::vector<Measured> &all) {
  const auto rows = std::ssize(all);
  Eigen::MatrixXd shares(rows, 5);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const Measured &m = all[static_cast<std::size_t>(i)];
    const StepWork work = TrainingWork(m.shape, m.widths);
    shares.row(i) << work.batches, work.slots, work.units, work.multiply_adds, work.parameters;
    shares.row(i) /= m.seconds;
  }
  const Eigen::VectorXd scales = shares.colwise().norm();
  const Eigen::MatrixXd columns = shares * scales.cwiseInverse().asDiagonal();
  Eigen::VectorXd x = Eigen::VectorXd::Zero(5);
  for (int sweep = 0; sweep < 100'000; ++sweep) {
    for (Eigen::Index k = 0; k < 5; ++k) {
      const double gradient = columns.col(k).dot(columns * x - Eigen::VectorXd::Ones(rows));
      x(k) = std::max(0.0, x(k) - gradient);
    }
  }
  std::array<double, 5> constants{};
  for (Eigen::Index k = 0; k < 5; ++k) constants[static_cast<std::size_t>(k)] = x(k) / scales(k);
  return constants;
}

void Report(const char *name, const std::vector<Measured> &table) {
  fmt::print("\n{}: ms a mini-batch of {} rows, one thread\n", name, table.front().shape.batch);
  fmt::print("{:>18} {:>9} {:>9} {:>7}\n", "architecture", "measured", "built-in", "error");
  for (const Measured &m : table) {
    const CostModel model(m.shape);
    const double predicted = model.TrainingStepSeconds(m.widths);
    fmt::print("{:>18} {:9.3f} {:9.3f} {:6.0f}%\n", m.name, 1e3 * m.seconds, 1e3 * predicted,
               100 * (predicted / m.seconds - 1));
  }
  fmt::print("relative error of the others  median    p90    max\n");
  for (const std::size_t learnt : {0, 1, 10}) {
    const Errors errors = ErrorsAfter(table, learnt);
    fmt::print("after {:>2} measured candidates {:6.1f}% {:5.1f}% {:5.1f}%\n", learnt,
               100 * errors.median, 100 * errors.p90, 100 * errors.most);
  }
}

void Run() {
  const EngineThreadScope scope;
  const std::vector<Measured> adult = Measure(DrawAdult());
  const std::vector<Measured> frappe = Measure(DrawFrappe());
  Report("adult", adult);
  Report("frappe", frappe);
  std::vector<Measured> all = adult;
  all.insert(all.end(), frappe.begin(), frappe.end());
  fmt::print("\nconstants that fit best, seconds: {:.3g}\n", fmt::join(BestConstants(all), ", "));
}

}  // namespace
}  // namespace trails

int main() {
  try {
    trails::Run();
    return EXIT_SUCCESS;
  } catch (const std::exception &error) {
    fmt::print(stderr, "cost_model_bench: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
