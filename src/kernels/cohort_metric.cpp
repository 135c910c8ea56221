#include "kernels/cohort_metric.h"

#include <algorithm>

namespace trails::kernels {

CohortLabels DescribeLabels(std::span<const double> labels) {
  CohortLabels described = {.labels = labels.data(),
                            .rows = static_cast<std::int64_t>(labels.size())};
  if (labels.empty()) return described;
  const auto count = static_cast<double>(labels.size());
  double mean = 0;
  for (const double label : labels) mean += label / count;
  for (const double label : labels) described.variance += (label - mean) * (label - mean) / count;
  const auto [least, greatest] = std::minmax_element(labels.begin(), labels.end());
  described.constant = *least == *greatest;
  return described;
}

}  // namespace trails::kernels
