#include "core/cohort/layout.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

namespace trails {

namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

struct Merge {
  double gain = kNone;  // seconds a mini-batch
  std::size_t with = 0;
};

HiddenWidths Padded(const HiddenWidths &widths) {
  HiddenWidths padded = widths;
  for (std::int32_t &width : padded) width = PaddedWidth(width);
  return padded;
}

HiddenWidths Widest(const HiddenWidths &a, const HiddenWidths &b) {
  HiddenWidths widest = a;
  for (std::size_t l = 0; l < widest.size(); ++l) widest[l] = std::max(a[l], b[l]);
  return widest;
}

// Merges classes of one depth.
class Merger {
 public:
  Merger(std::vector<WidthClass> classes, const TableShape &shape, const CardRates &rates)
      : classes_(std::move(classes)), shape_(shape), rates_(rates) {
    for (const WidthClass &one : classes_) {
      seconds_.push_back(Seconds(one.padded, one.members.size()));
    }
    best_.resize(classes_.size());
    for (std::size_t i = 0; i < classes_.size(); ++i) FindBest(i);
  }

  std::vector<WidthClass> Run() {
    while (MergeOnce()) {
    }
    return std::move(classes_);
  }

  double Seconds(const HiddenWidths &padded, std::size_t members) const {
    const CardWork work = WorkOnCard(shape_, padded);
    return static_cast<double>(KernelsOfStep(padded.size())) * rates_.kernel_seconds +
           static_cast<double>(members) * (work.multiply_adds / rates_.multiply_adds_per_second +
                                           work.bytes / rates_.bytes_per_second);
  }

 private:
  double GainOf(std::size_t i, std::size_t j) const {
    const WidthClass &a = classes_[i];
    const WidthClass &b = classes_[j];
    return seconds_[i] + seconds_[j] -
           Seconds(Widest(a.padded, b.padded), a.members.size() + b.members.size());
  }

  // The best merge of class i with a later one.
  void FindBest(std::size_t i) {
    best_[i] = {};
    for (std::size_t j = i + 1; j < classes_.size(); ++j) {
      const double gain = GainOf(i, j);
      if (gain > best_[i].gain) best_[i] = {gain, j};
    }
  }

  bool MergeOnce() {
    const auto found = std::max_element(
        best_.begin(), best_.end(), [](const Merge &a, const Merge &b) { return a.gain < b.gain; });
    if (found == best_.end() || found->gain <= 0) return false;
    const auto into = static_cast<std::size_t>(found - best_.begin());
    const std::size_t from = found->with;
    WidthClass &to = classes_[into];
    to.padded = Widest(to.padded, classes_[from].padded);
    to.members.insert(to.members.end(), classes_[from].members.begin(),
                      classes_[from].members.end());
    seconds_[into] = Seconds(to.padded, to.members.size());
    const auto at = static_cast<std::ptrdiff_t>(from);
    classes_.erase(classes_.begin() + at);
    seconds_.erase(seconds_.begin() + at);
    best_.erase(best_.begin() + at);
    Refresh(into, from);
    return true;
  }

  // After class `from` went into class `into` and those behind it moved up.
  void Refresh(std::size_t into, std::size_t from) {
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      Merge &best = best_[i];
      if (i == into || best.with == into || best.with == from) {
        FindBest(i);
        continue;
      }
      if (best.with > from) --best.with;
      if (i >= into) continue;
      const double gain = GainOf(i, into);
      if (gain > best.gain) best = {gain, into};
    }
  }

  std::vector<WidthClass> classes_;
  std::vector<double> seconds_;  // [classes]
  std::vector<Merge> best_;      // [classes]
  const TableShape &shape_;
  const CardRates &rates_;
};

double ProductsOf(const TableShape &shape, const HiddenWidths &widths) {
  return WorkOnCard(shape, widths).multiply_adds;
}

}  // namespace

CardRates DataSheetRates(Precision precision) noexcept {
  CardRates rates{
      .kernel_seconds = 1.5e-6, .multiply_adds_per_second = 0, .bytes_per_second = 3.35e12};
  switch (precision) {
    case Precision::kFp32: rates.multiply_adds_per_second = 67e12 / 2; break;
    case Precision::kTf32: rates.multiply_adds_per_second = 495e12 / 2; break;
    case Precision::kBf16: rates.multiply_adds_per_second = 989e12 / 2; break;
  }
  return rates;
}

CardWork WorkOnCard(const TableShape &shape, const HiddenWidths &widths) noexcept {
  // Floats through memory: a unit's product is written, then read by the norm, which writes h; h is
  // read by two products and its gradient written by one; the norm's backward pass reads that and
  // the product and writes dz, which two products read. An input is gathered and read by two
  // products, its gradient written and scattered. A parameter has the 36 bytes of AdamW, three
  // reads and a write by products.
  constexpr double kUnit = 11, kInput = 6, kWeight = 13, kTableNumber = 15;
  double weights = 0, units = 0, inputs = shape.inputs;
  for (const std::int32_t width : widths) {
    weights += inputs * width;
    units += width;
    inputs = width;
  }
  weights += inputs * shape.outputs;
  const auto batch = static_cast<double>(shape.batch);
  const double floats = batch * (kUnit * units + kInput * shape.inputs + 4.0 * shape.outputs) +
                        kWeight * weights +
                        kTableNumber * static_cast<double>(shape.embedding_numbers);
  return {.multiply_adds = 3 * batch * weights, .bytes = 4 * floats};
}

std::int64_t KernelsOfStep(std::size_t layers) noexcept {
  // Step, knots, gather, loss, three products of the output layer, two for the scatter, the table's
  // gradient, AdamW; a hidden layer: three products, norm forward and backward.
  return 11 + 5 * static_cast<std::int64_t>(layers);
}

CohortLayout LayOut(std::span<const HiddenWidths> members, const TableShape &shape,
                    const CardRates &rates) {
  std::map<std::size_t, std::map<HiddenWidths, std::vector<std::int32_t>>> by_depth;
  for (std::size_t m = 0; m < members.size(); ++m) {
    by_depth[members[m].size()][Padded(members[m])].push_back(static_cast<std::int32_t>(m));
  }
  CohortLayout layout;
  double padded_products = 0, products = 0;
  for (auto &[depth, distinct] : by_depth) {
    std::vector<WidthClass> start;
    for (auto &[widths, list] : distinct) start.push_back({widths, std::move(list)});
    Merger merger(std::move(start), shape, rates);
    std::vector<WidthClass> merged = merger.Run();
    for (WidthClass &one : merged) std::sort(one.members.begin(), one.members.end());
    std::sort(merged.begin(), merged.end(), [](const WidthClass &a, const WidthClass &b) {
      return a.members.front() < b.members.front();
    });
    for (WidthClass &one : merged) {
      layout.step_seconds += merger.Seconds(one.padded, one.members.size());
      padded_products += static_cast<double>(one.members.size()) * ProductsOf(shape, one.padded);
      layout.classes.push_back(std::move(one));
    }
  }
  for (const HiddenWidths &widths : members) products += ProductsOf(shape, widths);
  layout.waste = products > 0 ? padded_products / products - 1 : 0;
  return layout;
}

}  // namespace trails
