#include "core/cohort/sections.h"

namespace trails {

std::vector<Section> NetworkSections::All() const {
  std::vector<Section> all = {table};
  for (const std::vector<Section> *list : {&weights, &gammas, &betas}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  all.push_back(bias);
  return all;
}

NetworkSections SectionsOf(std::int64_t members, std::int64_t table_rows, std::int64_t inputs,
                           const HiddenWidths &widths, std::int64_t outputs) {
  NetworkSections sections;
  sections.members = members;
  const auto next = [&](std::int64_t rows, std::int64_t columns) {
    const Section section{sections.count, rows, columns};
    constexpr std::int64_t kStep = NetworkSections::kSectionNumbers;
    sections.count += (members * rows * columns + kStep - 1) / kStep * kStep;
    return section;
  };
  sections.table = next(table_rows, kEmbeddingWidth);
  for (const std::int32_t width : widths) {
    sections.weights.push_back(next(width, inputs));
    inputs = width;
  }
  sections.weights.push_back(next(outputs, inputs));
  sections.decaying = sections.count;
  for (const std::int32_t width : widths) sections.gammas.push_back(next(1, width));
  for (const std::int32_t width : widths) sections.betas.push_back(next(1, width));
  sections.bias = next(1, outputs);
  return sections;
}

}  // namespace trails
