//===- Services.c - What a run is given -------------------------*- C -*-===//
//
// Only compiled to bitcode, which the compiler links into every object. Needs
// no C library.
//
//===----------------------------------------------------------------------===//

#include "moe/Runtime/Services.h"

static void runInTurn(void *context, size_t parts, MoeTask task,
                      void *arguments) {
  (void)context;
  for (size_t part = 0; part < parts; ++part)
    task(arguments, part);
}

void moe_fill_services(const MoeOptions *options, MoeServices *services) {
  static const MoeOptions none = {0, 0, 0, 0};
  if (!options)
    options = &none;
  services->context = options->context;
  services->parallel_for =
      options->parallel_for ? options->parallel_for : runInTurn;
  services->threads =
      options->parallel_for && options->threads ? options->threads : 1;
  services->expert = options->expert;
  services->mark = 0;
  services->stage = MOE_STAGE_ALL;
}

const void *moe_find_expert(const MoeServices *services, size_t index,
                            uint64_t id) {
  const MoeExpertHeader *header;
  if (!services->expert)
    return 0;
  header = (const MoeExpertHeader *)services->expert(services->context, index);
  if (!header || header->id != id)
    return 0;
  for (size_t i = 0; i < sizeof header->magic; ++i)
    if (header->magic[i] != MOE_EXPERT_MAGIC[i])
      return 0;
  return header + 1;
}
