// What makes trails.so a module of PostgreSQL. Loading it defines the settings and nothing else,
// so that it may also stand in shared_preload_libraries.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#include "pg/bridge.h"
#include "pg/settings.h"

extern "C" {

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void _PG_init(void) {
  trails::pg::DefineSettings();
}

}  // extern "C"
