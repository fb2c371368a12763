//===- Services.h - What a run is given -------------------------*- C -*-===//
//
// Between the generated code and a run: plain C99, freestanding.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RUNTIME_SERVICES_H
#define MOE_RUNTIME_SERVICES_H

#include "moe/Runtime/Model.h"

/// NAME_options of the C interface: the first fields of MoeServices, which may
/// be null here.
typedef struct MoeOptions {
  void *context;
  MoeParallelFor parallel_for;
  size_t threads;
  const void *(*expert)(void *context, size_t index);
} MoeOptions;

/// What NAME_run_with gives to the variant's run function. Without options or
/// `parallel_for`, the caller's thread does all.
void moe_fill_services(const MoeOptions *options, MoeServices *services);

/// The weights of an expert that lies in a file; null if there is none, or if
/// it is not the one with that id.
const void *moe_find_expert(const MoeServices *services, size_t index,
                            uint64_t id);

#endif // MOE_RUNTIME_SERVICES_H
