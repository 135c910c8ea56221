// What READ and RERUN take on this server: learned by this session, shared through
// trails.cost_rate.
//
// The first READ and the first RERUN of a session teach nothing: they meet cold caches and make
// what later ones find made.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "core/intermediates/read_or_rerun.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// The rates as this session knows them; its first call looks into trails.cost_rate if it can.
const CostRates &CurrentRates(CatalogSession &catalog);

// What was measured of one READ, or one RERUN: see CostRates::Learn.
void LearnRead(const ReadWork &work, double seconds);
void LearnRerun(const RerunWork &work, const RerunTimes &times);

// A query was run since reading codes of that scheme is expected to take longer: see
// CostRates::ForgetRead. Not kStats.
void ForgetRead(SchemeKind scheme);

// Writes the rates that have changed by more than a tenth since they were read or written, where
// the transaction may and no other one is writing them. Throws PgError.
void KeepRates(CatalogSession &catalog);

}  // namespace trails::pg
