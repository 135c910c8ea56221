// The settings trails.* (GUCs), as the rest of src/pg and src/sql sees them.
//
// | setting              | who may set | default  | meaning                                     |
// |----------------------|-------------|----------|---------------------------------------------|
// | trails.threads       | everyone    | 0        | engine threads of one run; 0: every core    |
// | trails.max_threads   | superuser   | 0        | upper bound of trails.threads; 0: none      |
// | trails.memory_limit  | superuser   | 0        | memory of one run, unit kB; 0: 75 % of what |
// |                      |             |          | the machine or its control group has        |
// | trails.on_cancel     | everyone    | 'cancel' | 'cancel', or 'keep': see engine_call.h      |
// | trails.device        | everyone    | 'auto'   | where phases run: core/placement            |
// | trails.cuda_precision | everyone   | 'tf32'   | how a card multiplies                       |
// | trails.gamma_min     | everyone    | 10       | seconds that a GB of the cache must save    |
// | trails.intermediate_scheme | everyone | 'f16'  | scheme of what is logged                    |
// | trails.intermediate_max_bytes | superuser | 0  | bytes of the cache, unit kB; 0: no bound    |
//
// Every other name with the prefix is refused (MarkGUCPrefixReserved).
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "core/intermediates/scheme.h"
#include "trails/options.h"

namespace trails::pg {

enum class OnCancel : std::uint8_t { kCancel, kKeep };

// Defines the settings. Called by _PG_init alone, hence plain C: may ereport.
void DefineSettings();

// Engine threads that a run may use now: trails.threads, or the cores that this process may run on
// and its control group pays for; at most trails.max_threads. >= 1.
std::int32_t EngineThreads() noexcept;

// Bytes that a run may use now: trails.memory_limit, or 75 % of the smaller of the machine's
// memory and the control group's limit. > 0.
std::int64_t MemoryLimitBytes() noexcept;

// What the first cancel does to a run that is in the engine. While rows are read nothing is there
// to be kept, and while the result is stored it must be whole or not at all: there, as everywhere
// else, a cancel is an error.
OnCancel CancelBehaviour() noexcept;

// Where phases run, and how a card multiplies, unless a call's options say otherwise.
Device DefaultDevice() noexcept;
trails::Precision CudaPrecision() noexcept;

// Seconds that a gigabyte of materialised values must save; 0: everything is materialised. >= 0.
double GammaMin() noexcept;

// How the intermediates of a model are stored that is logged now.
Scheme IntermediateScheme();

// Bytes that materialised values may take; 0: no bound.
std::int64_t IntermediateMaxBytes() noexcept;

}  // namespace trails::pg
