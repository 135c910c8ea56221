// May touch: src/kernels.
#include "kernels/trie_flows.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/flow_product.h"

namespace trails::kernels {
namespace {

// The vector kernels store whole vectors at multiples of 64 bytes.
struct alignas(64) Lanes {
  double rows[kSumParts];
};

// The next layer's columns of 16 rows: y [columns][16] to next [next columns][slots].
void StoreNext(const TrieFlows &of, const double *y, const double *bias, std::ptrdiff_t slots,
               double *next) {
  const FlowColumns &from = of.columns;
  const FlowColumns &to = of.next_columns;
  for (std::int32_t i = 0; i < kBlock; ++i) {
    const auto at = [&](std::int32_t column) { return y[column * kBlock + i]; };
    const auto put = [&](std::int32_t column, double value) { next[column * slots + i] = value; };
    put(0, at(0) + bias[i]);
    if (to.missed >= 0) {
      put(to.missed, (from.missed >= 0 ? at(from.missed) : 0.0) + of.layer * bias[i]);
    }
    if (from.perturbed < 0) continue;
    for (std::int32_t flow = from.flows; flow < from.perturbed; ++flow) {
      put(to.flows + flow - from.flows, at(flow));
    }
    if (of.layer >= 2) put(to.perturbed - 1, at(0));
    for (std::int32_t column = 0; column < kPerturbedColumns; ++column) {
      put(to.perturbed + column, at(from.perturbed + column));
    }
  }
}

}  // namespace

void TrieFlowsCpu(const TrieLayer &layer, const TrieFlows &of) {
  const std::ptrdiff_t inputs = std::ptrdiff_t{layer.column_blocks} * kBlock;
  const std::ptrdiff_t slots = std::ptrdiff_t{layer.row_blocks} * kBlock;
  const std::ptrdiff_t tile = std::ptrdiff_t{of.columns.count} * kBlock;  // of a stop
  std::vector<Lanes> product(static_cast<std::size_t>(layer.widths * tile / kSumParts));
  std::vector<Lanes> running(static_cast<std::size_t>(layer.widths * of.columns.sums));
  std::int64_t output = 0;
  for (std::int64_t i = 0; i < layer.inputs; ++i) {
    const bool all = layer.prefixes == nullptr;
    const std::int64_t input = all ? i : layer.prefixes[i] / layer.widths;
    const std::int32_t first = all ? 0 : layer.prefixes[i] % layer.widths;
    const Stops stops{layer.stop_blocks + first, all ? layer.widths : 1};
    const double bias_scale = of.nodes != nullptr ? 1.0 / of.nodes[input].scale : 1.0;
    for (std::int32_t block = 0; block < layer.row_blocks; ++block) {
      FlowProduct(layer.panel + block * inputs * kBlock, of.x + input * of.columns.count * inputs,
                  of.columns.count, inputs, stops, product[0].rows);
      std::fill(running.begin(), running.end(), Lanes{});
      AddFlowSums(product[0].rows, stops.count, of.columns.count, of.columns.perturbed >= 0,
                  of.outflow + std::ptrdiff_t{block} * kBlock, running[0].rows);
      double bias[kBlock];
      for (std::ptrdiff_t row = 0; row < kBlock; ++row) {
        bias[row] = bias_scale * of.bias[block * kBlock + row];
      }
      for (std::int32_t stop = 0; stop < stops.count; ++stop) {
        ReadFlowSums(running[0].rows + std::ptrdiff_t{stop} * of.columns.sums * kSumParts,
                     of.columns.sums,
                     of.row_sums + ((output + stop) * layer.row_blocks + block) * of.columns.sums);
        if (of.next == nullptr) continue;
        StoreNext(of, product[0].rows + stop * tile, bias, slots,
                  of.next + (output + stop) * of.next_columns.count * slots +
                      std::ptrdiff_t{block} * kBlock);
      }
    }
    output += stops.count;
  }
}

void TrieFlowSumsCpu(const TrieFlowSums &of) {
  std::vector<double> sums(static_cast<std::size_t>(of.numbers));
  for (std::int64_t output = 0; output < of.outputs; ++output) {
    const double *from = of.row_sums + output * of.row_blocks * of.numbers;
    double *to = of.sums + output * of.widths * of.numbers;
    std::ranges::fill(sums, 0.0);
    std::int32_t block = 0;
    for (std::int32_t width = 0; width < of.widths; ++width) {
      for (; block < of.stop_blocks[width]; ++block) {
        for (double &sum : sums) sum += *from++;
      }
      to = std::ranges::copy(sums, to).out;
    }
  }
}

}  // namespace trails::kernels
