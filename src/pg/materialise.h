// Makes statistics of layers, and stores column groups, from one RERUN over all rows.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pg/intermediate_reader.h"

namespace trails::pg {

// A layer of one model, at one epoch, with what is known of it.
struct LayerToStore {
  IntermediateRow intermediate;
  std::size_t layer = 0;  // into LayersOf(model)
  double flops_per_row = 0;
  std::shared_ptr<const LayerStatistics> statistics;  // null: not known yet
  std::vector<std::int32_t> groups;                   // first columns, ascending, to be stored
};

// Describes layers of the model that `logged` is.
std::vector<LayerToStore> DescribeLayers(const Model &model,
                                         const std::vector<IntermediateRow> &intermediates);

// Finds the statistics of all layers, makes those that are missing in one pass, and keeps them.
// Throws as ReadIntermediate. Cost: a RERUN, and some 2 ns a value.
void FillStatistics(CatalogSession &catalog, const LoggedRow &logged,
                    const std::shared_ptr<const Model> &model, std::vector<LayerToStore> *layers);

// Stores the groups of all layers in one pass, those apart that are stored already, that another
// transaction is storing, or for which there is no room at that gamma; layers whose statistics are
// null, too. Returns how many groups were stored. no_room, where not null: gets the layers, each
// once, that have a group without room. Throws as ReadIntermediate.
std::int64_t StoreGroups(CatalogSession &catalog, const LoggedRow &logged,
                         const std::shared_ptr<const Model> &model, double gamma,
                         std::vector<LayerToStore> layers,
                         std::vector<std::string> *no_room = nullptr);

}  // namespace trails::pg
