// SQL surface of the search spaces.
//
// May touch: src/pg and include/trails. Never Torch.
#include "pg/arguments.h"
#include "pg/bridge.h"
#include "pg/space_catalog.h"

// trails.add_search_space(name name, widths integer[], min_layers integer, max_layers integer)
TRAILS_PG_FUNCTION(trails_add_search_space) {
  trails::SearchSpace space;
  space.name = trails::pg::NameArgument(fcinfo, 0, "name");
  space.widths = trails::pg::IntegersArgument(fcinfo, 1, "widths");
  space.min_layers = trails::pg::IntegerArgument(fcinfo, 2, "min_layers");
  space.max_layers = trails::pg::IntegerArgument(fcinfo, 3, "max_layers");
  trails::pg::AddSearchSpace(space);
  PG_RETURN_VOID();
}

// trails.drop_search_space(name name)
TRAILS_PG_FUNCTION(trails_drop_search_space) {
  trails::pg::DropSearchSpace(trails::pg::NameArgument(fcinfo, 0, "name"));
  PG_RETURN_VOID();
}
