//===- Inference.cpp - Running the model ----------------------------------===//

#include "Inference.h"

#include "moe/Runtime/CpuFeatures.h"

#include <cstring>
#include <time.h>

using namespace moe::runtime;

static bool canRun(const MoeVariant &Variant) {
  return (Variant.features & ~moe_cpu_features(Variant.features)) == 0;
}

const MoeVariant *moe::runtime::findVariant(const MoeModel &Model) {
  for (int64_t I = 0; I < Model.num_variants; ++I)
    if (canRun(Model.variants[I]))
      return &Model.variants[I];
  return nullptr;
}

const MoeVariant *moe::runtime::findVariant(const MoeModel &Model,
                                            const char *Name, Message &Error) {
  for (int64_t I = 0; I < Model.num_variants; ++I) {
    const MoeVariant &Variant = Model.variants[I];
    if (strcmp(Variant.name, Name) != 0)
      continue;
    if (canRun(Variant))
      return &Variant;
    Error.set("--cpu-variant: this CPU cannot run '%s'", Name);
    return nullptr;
  }
  Error.set("--cpu-variant: unknown variant '%s'; --info lists them", Name);
  return nullptr;
}

bool Inference::allocate(Message &Error) {
  constexpr size_t Alignment = 64;
  size_t Size = (Model.workspace_bytes + Alignment - 1) / Alignment * Alignment;
  Workspace =
      static_cast<char *>(aligned_alloc(Alignment, Size ? Size : Alignment));
  if (!Workspace ||
      !Input.allocate(Model.channels * Model.height * Model.width) ||
      !Logits.allocate(Model.classes))
    return Error.outOfMemory();
  return true;
}

bool Inference::run(Message &Error) {
  timespec Start, End;
  clock_gettime(CLOCK_MONOTONIC, &Start);
  int Status =
      Threads.size() > 1
          ? Variant.run_team(Input.data(), Logits.data(), Workspace, &Threads)
          : Variant.run(Input.data(), Logits.data(), Workspace);
  clock_gettime(CLOCK_MONOTONIC, &End);
  Milliseconds =
      (End.tv_sec - Start.tv_sec) * 1e3 + (End.tv_nsec - Start.tv_nsec) * 1e-6;
  if (Status != 0)
    return Error.set("the model failed with status %d", Status);
  return true;
}

const MoeRoute *Inference::routes() const {
  return reinterpret_cast<const MoeRoute *>(Workspace + Model.routes_offset);
}
