//===- FakeModel.c - A model whose answers are known --------------*- C -*-===//
//
// Takes the place of generated code in the tests of the runtime. Its logits are
// what its input is, one class per element, so that a test sees every bit of
// the preprocessing. FAKE_* variables of the environment choose its shape and
// what it does; the tests set them, the runtime knows nothing of them.
//
//===----------------------------------------------------------------------===//

// The runtime sees a constant; here it is filled before main.
#define moe_model moe_model_declared
#include "moe/Runtime/Model.h"
#undef moe_model

#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 16, NUM_ROUTES = 4, ROUTES_OFFSET = 64 };
#define IMPOSSIBLE_FEATURE (UINT64_C(1) << 62)

MoeModel moe_model;

static float Mean[MAX_CHANNELS], StdDev[MAX_CHANNELS];
static const char **Labels;
static int64_t Failing;
/// If set, the only first value of an input that does not fail.
static const char *Only;

static int run(const float *Input, float *Logits, void *Workspace) {
  if ((uintptr_t)Workspace % 64 != 0)
    return 99;
  if (Only && Input[0] != strtof(Only, NULL))
    return 8;
  memcpy(Logits, Input, moe_model.classes * sizeof(float));
  MoeRoute Routes[NUM_ROUTES] = {
      {1, 3, 0.1f, 1}, {1, 0, 0.0f, 0}, {2, 1, 0.75f, 5}, {2, 2, 0.25f, 2}};
  memcpy((char *)Workspace + ROUTES_OFFSET, Routes, sizeof Routes);
  return Failing;
}

static int64_t setting(const char *Name, int64_t Default) {
  const char *Text = getenv(Name);
  return Text ? atoll(Text) : Default;
}

/// Counts how often each part was asked for, and by how many threads.
static void countPart(void *Arguments, int64_t Part, int64_t Parts) {
  int64_t *Counts = (int64_t *)Arguments;
  if (Parts <= 64 && Part < Parts)
    ++Counts[Part];
}

/// Like run; fails if a part of some rounds of work is left out or done twice.
static int runTeam(const float *Input, float *Logits, void *Workspace,
                   MoeTeam *Team) {
  int64_t Counts[64] = {0};
  for (int I = 0; I < 100; ++I)
    Team->share(Team, countPart, Counts);
  for (int I = 0; I < 64; ++I)
    if (Counts[I] != (I < setting("FAKE_THREADS", 1) ? 100 : 0))
      return 7;
  return run(Input, Logits, Workspace);
}

static const MoeVariant Variants[] = {
    {"fantastic", IMPOSSIBLE_FEATURE, run, runTeam},
    {"plain", 0, run, runTeam},
    {"plainer", 0, run, runTeam},
};

// No section begins at odd addresses, but advice that the kernel refuses must
// not matter.
static const char Weights[9];
static const MoeWeights Shared = {Weights, Weights + 1};
static const MoeWeights Experts[] = {{Weights + 1, Weights + 5},
                                     {Weights + 5, Weights + 9}};

static void readFloats(const char *Name, float Default, float *Values) {
  const char *Text = getenv(Name);
  for (int I = 0; I < MAX_CHANNELS; ++I) {
    char *End = NULL;
    Values[I] = Text ? strtof(Text, &End) : Default;
    if (Text)
      Text = *End == ',' ? End + 1 : End;
  }
}

__attribute__((constructor)) static void fill(void) {
  MoeModel *M = &moe_model;
  M->abi_version = setting("FAKE_ABI", MOE_MODEL_ABI_VERSION);
  M->name = "fake_model";
  M->target = "x86_64-linux-gnu";
  M->precision = "f32";
  M->channels = setting("FAKE_CHANNELS", 3);
  M->height = setting("FAKE_HEIGHT", 4);
  M->width = setting("FAKE_WIDTH", 4);
  M->classes = M->channels * M->height * M->width;
  M->features = setting("FAKE_FEATURES", 0);
  M->workspace_bytes = ROUTES_OFFSET + NUM_ROUTES * sizeof(MoeRoute);
  M->routes_offset = ROUTES_OFFSET;
  M->num_routes = setting("FAKE_ROUTES", NUM_ROUTES);
  M->per_patch = setting("FAKE_PER_PATCH", 0);
  M->parameters = 1000;
  M->active_parameters = 600;
  M->multiply_adds = 5000000000;
  M->weight_bytes = 4000;
  M->resize = setting("FAKE_RESIZE", 0);
  M->resize_height = setting("FAKE_RESIZE_HEIGHT", 0);
  M->resize_width = setting("FAKE_RESIZE_WIDTH", 0);
  M->bicubic = setting("FAKE_BICUBIC", 0);
  readFloats("FAKE_MEAN", 0, Mean);
  readFloats("FAKE_STD", 1, StdDev);
  M->mean = Mean;
  M->std_dev = StdDev;
  const char *Label = getenv("FAKE_LABEL");
  if (Label) {
    // Never freed: it lives as long as the process.
    Labels = malloc(M->classes * sizeof *Labels);
    for (int64_t I = 0; Labels && I < M->classes; ++I)
      Labels[I] = Label;
    M->labels = Labels;
  }
  Failing = setting("FAKE_FAILING", 0);
  Only = getenv("FAKE_ONLY");
  M->num_variants = setting("FAKE_VARIANTS", 3);
  M->variants = Variants;
  M->shared = &Shared;
  M->num_experts = sizeof Experts / sizeof *Experts;
  M->experts = Experts;
}
