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

namespace {
/// What the model's questions during a run are about.
struct RunContext {
  const MoeModel &Model;
  Team &Threads;
  ExpertFiles *Files;
  ReadAhead *Pages;
  Profile *Trace; ///< null if the run is not in it
  Message &Error;
};
} // namespace

static void runByTeam(void *Context, size_t Parts, MoeTask Task,
                      void *Arguments) {
  static_cast<RunContext *>(Context)->Threads.forEach(Parts, Task, Arguments);
}

static void runAlone(void *, size_t Parts, MoeTask Task, void *Arguments) {
  for (size_t Part = 0; Part < Parts; ++Part)
    Task(Arguments, Part);
}

static const void *findExpert(void *Context, size_t Index) {
  auto *Self = static_cast<RunContext *>(Context);
  return Self->Files->find(Index, Self->Error);
}

static void markPart(void *Context, int64_t Part, int64_t Expert) {
  auto *Self = static_cast<RunContext *>(Context);
  if (Self->Pages && Expert >= 0)
    Self->Pages->want(Self->Model.parts[Part].layer, Expert);
  if (Self->Trace)
    Self->Trace->mark(Part, Expert);
}

int Inference::call(Sample &On, Workspace &In, const Mode &How,
                    Message &Error) const {
  const float *Input = On.Input.data();
  float *Logits = On.Logits.data();
  bool IsShared = How.IsShared && Threads.size() > 1;
  if (!IsShared && !How.NameInProfile && !Files && !Pages && Variant.run &&
      How.Stage == MOE_STAGE_ALL)
    return Variant.run(Input, Logits, In.data());
  RunContext Context = {
      Model, Threads, Files, Pages, How.NameInProfile ? Trace : nullptr, Error};
  MoeServices Services = {};
  Services.context = &Context;
  Services.parallel_for = IsShared ? runByTeam : runAlone;
  Services.threads = IsShared ? Threads.size() : 1;
  Services.expert = Files ? findExpert : nullptr;
  Services.mark = How.NameInProfile || Pages ? markPart : nullptr;
  Services.stage = How.Stage;
  return Variant.run_with(Input, Logits, In.data(), &Services);
}

bool Inference::run(Sample &On, Workspace &In, const Mode &How,
                    Message &Error) const {
  if (How.NameInProfile)
    Trace->beginImage(How.NameInProfile);
  timespec Start, End;
  clock_gettime(CLOCK_MONOTONIC, &Start);
  int Status = call(On, In, How, Error);
  clock_gettime(CLOCK_MONOTONIC, &End);
  double Milliseconds =
      (End.tv_sec - Start.tv_sec) * 1e3 + (End.tv_nsec - Start.tv_nsec) * 1e-6;
  if (How.Stage == MOE_STAGE_EXPERTS)
    Milliseconds += On.Milliseconds;
  On.Milliseconds = Milliseconds;
  if (Status == 0 && How.Stage != MOE_STAGE_ROUTE && Model.num_routes > 0)
    memcpy(On.Routes.data(), In.routes(Model),
           Model.num_routes * sizeof(MoeRoute));
  if (How.NameInProfile)
    Trace->endImage(Status == 0 ? &On : nullptr);
  // What an expert lacks has been said already.
  if (Status == MOE_NO_EXPERT && Files)
    return false;
  if (Status != 0)
    return Error.set("the model failed with status %d", Status);
  return true;
}
