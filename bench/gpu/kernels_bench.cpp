// Each kernel by itself: the median of CUDA-event times, and its share of what a copy, or a
// product, reaches on the same card.
//
//   kernels_bench [--tiny] [--json=PATH]
//
// Prints a table in Markdown. --tiny: sizes for the emulation; its times mean nothing.
//
// May touch: src/core/card, src/kernels, {fmt}.
#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "kernel_case.h"
#include "measured.h"
#include "trails/error.h"

namespace trails::bench {
namespace {

// A working set that stays in a card's second cache is not measured against memory.
constexpr double kCacheBytes = 50e6;

std::string Row(const KernelCase &kernel, double seconds, const Ceilings &ceilings) {
  const double bytes = kernel.bytes / seconds;
  const double products = kernel.multiply_adds / seconds;
  const double share = std::max(bytes / ceilings.copy_bytes_per_second,
                                products / ceilings.fp32_multiply_adds_per_second);
  fmt::print("| {} | {} | {:.1f} | {:.0f} | {:.2f} | {:.0f} %{} |\n", kernel.name, kernel.shape,
             1e6 * seconds, 1e-9 * bytes, 2e-12 * products, 100 * share,
             kernel.bytes < kCacheBytes ? ", in cache" : "");
  return JsonObject()
      .Add("kernel", kernel.name)
      .Add("shape", kernel.shape)
      .Add("seconds", seconds)
      .Add("bytes", kernel.bytes)
      .Add("multiply_adds", kernel.multiply_adds)
      .Add("bytes_per_second", bytes)
      .Add("multiply_adds_per_second", products)
      .Add("share_of_ceiling", share)
      .Text();
}

void Run(const Arguments &arguments) {
  const CardSession session;
  const CardStream stream;
  const Ceilings ceilings = MeasureCeilings(arguments.tiny, stream);
  fmt::print("copy {:.0f} GB/s, products {:.1f} TFLOP/s in float32, {:.1f} in TF32\n\n",
             1e-9 * ceilings.copy_bytes_per_second, 2e-12 * ceilings.fp32_multiply_adds_per_second,
             2e-12 * ceilings.tf32_multiply_adds_per_second);
  fmt::print(
      "| kernel | shape | us | GB/s | TFLOP/s | of the ceiling |\n|---|---|---|---|---|---|\n");
  std::vector<std::string> rows;
  std::vector<KernelCase> cases = CohortKernelCases(arguments.tiny);
  for (KernelCase &kernel : TableKernelCases(arguments.tiny)) cases.push_back(std::move(kernel));
  for (KernelCase &kernel : TrieKernelCases(arguments.tiny)) cases.push_back(std::move(kernel));
  for (const KernelCase &kernel : cases) {
    const double seconds =
        MedianSeconds(stream, arguments.tiny ? kTinyEffort : Effort{}, kernel.run);
    rows.push_back(Row(kernel, seconds, ceilings));
  }
  if (arguments.json.empty()) return;
  WriteFile(arguments.json,
            JsonObject()
                .Add("bench", "kernels")
                .Add("copy_bytes_per_second", ceilings.copy_bytes_per_second)
                .Add("fp32_multiply_adds_per_second", ceilings.fp32_multiply_adds_per_second)
                .Add("tf32_multiply_adds_per_second", ceilings.tf32_multiply_adds_per_second)
                .AddRaw("kernels", JsonArray(rows))
                .Text());
}

}  // namespace
}  // namespace trails::bench

int main(int argc, char **argv) {
  try {
    trails::bench::Run(trails::bench::Parse(argc, argv));
  } catch (const trails::Error &error) {
    fmt::print(stderr, "kernels_bench: {}: {} {}\n", error.what(), error.detail(), error.hint());
    return 1;
  } catch (const std::exception &error) {
    fmt::print(stderr, "kernels_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
