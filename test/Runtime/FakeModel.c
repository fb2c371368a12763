//===- FakeModel.c - A model whose answers are known --------------*- C -*-===//
//
// Takes the place of generated code in the tests of the runtime. Its logits are
// what its input is, one class per element, so that a test sees every bit of
// the preprocessing. FAKE_* variables of the environment choose its shape and
// what it does; the tests set them, the runtime knows nothing of them.
//
// With FAKE_EXPERTS=N it has blocks 1 and 2 with N experts each. An input's
// first value, rounded down, modulo N is its expert in block 1, the next one
// its expert in block 2; what the experts' files hold is added to its logits.
//
//===----------------------------------------------------------------------===//

#define _POSIX_C_SOURCE 200809L

// The runtime sees a constant; here it is filled before main.
#define moe_model moe_model_declared
#include "moe/Runtime/Model.h"
#undef moe_model

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_CHANNELS = 16,
  MAX_EXPERTS = 16, // of a block
  NUM_ROUTES = 4,
  ROUTES_OFFSET = 64,
  ROUTED_OFFSET = 128, // what MOE_STAGE_ROUTE leaves: the first value
  WORKSPACE_BYTES = 192,
};
#define IMPOSSIBLE_FEATURE (UINT64_C(1) << 62)

MoeModel moe_model;

static float Mean[MAX_CHANNELS], StdDev[MAX_CHANNELS];
static const char **Labels;
static int64_t Failing, NumExperts, Microseconds, Threads;
/// If set, the only first value of an input that does not fail.
static const char *Only;
/// If set, the first value of inputs that fail.
static const char *Refused;
/// Where each stage writes a line, or -1.
static int Log = -1;

static MoeExpertFile ExpertFiles[2 * MAX_EXPERTS];
static char ExpertNames[2 * MAX_EXPERTS][32];

enum { EMBED, ATTENTION, FC1, FC2, HEAD, NUM_PARTS };
static const MoePart Parts[NUM_PARTS] = {
    {"patch_embed", -1, MOE_F32, 1000000, 4000, 0, 0},
    {"blocks.1.attn \"qkv\"", 1, MOE_INT8, 500, 100, 0, 0},
    {"blocks.1.fc1", 1, MOE_F32, 0, 200, 2000, 300},
    {"blocks.2.fc2", 2, MOE_BF16, 3000, 400, 0, 0},
    {"head", -1, MOE_F32, 0, 50, 0, 0},
};

static int64_t setting(const char *Name, int64_t Default) {
  const char *Text = getenv(Name);
  return Text ? atoll(Text) : Default;
}

static void mark(const MoeServices *S, int64_t Part, int64_t Expert) {
  if (S && S->mark)
    S->mark(S->context, Part, Expert);
}

static void spend(int64_t Time) {
  if (Time == 0)
    return;
  struct timespec Rest = {Time / 1000000, Time % 1000000 * 1000};
  nanosleep(&Rest, NULL);
}

static void writeLog(const char *Stage, const MoeRoute *Routes) {
  char Line[64];
  int Length =
      snprintf(Line, sizeof Line, "%s %d\n", Stage, (int)Routes[0].expert);
  if (Log >= 0 && write(Log, Line, Length) != Length)
    abort();
}

static int run(const float *Input, float *Logits, void *Workspace,
               const MoeServices *S) {
  int64_t Stage = S ? S->stage : MOE_STAGE_ALL;
  MoeRoute *Routes = (MoeRoute *)((char *)Workspace + ROUTES_OFFSET);
  float *Routed = (float *)((char *)Workspace + ROUTED_OFFSET);
  if ((uintptr_t)Workspace % 64 != 0)
    return 99;
  if (Stage != MOE_STAGE_EXPERTS) {
    mark(S, EMBED, -1);
    spend(Microseconds);
    mark(S, ATTENTION, -1);
    if ((Only && Input[0] != strtof(Only, NULL)) ||
        (Refused && Input[0] == strtof(Refused, NULL)))
      return 8;
    static const MoeRoute Fixed[NUM_ROUTES] = {
        {1, 3, 0.1f, 1}, {1, 0, 0.0f, 0}, {2, 1, 0.75f, 5}, {2, 2, 0.25f, 2}};
    memcpy(Routes, Fixed, sizeof Fixed);
    if (NumExperts > 0) {
      int First = (int)Input[0] % (int)NumExperts;
      Routes[0] = (MoeRoute){1, First, 0.5f, 3};
      Routes[2] = (MoeRoute){2, (First + 1) % (int)NumExperts, 0.25f, 2};
      Routes[3].tokens = 0;
    }
    *Routed = Input[0];
    writeLog("route", Routes);
  }
  if (Stage != MOE_STAGE_ROUTE) {
    // The other stage must have been here.
    if (memcmp(Routed, Input, sizeof *Routed) != 0)
      return 97;
    writeLog("experts", Routes);
    mark(S, FC1, Routes[0].expert);
    spend(Microseconds);
    memcpy(Logits, Input, moe_model.classes * sizeof(float));
    for (int I = 0; I < 2 && moe_model.expert_files; ++I) {
      if (!S || !S->expert)
        return 96;
      const char *Bytes = (const char *)S->expert(
          S->context, I * NumExperts + Routes[2 * I].expert);
      if (!Bytes)
        return MOE_NO_EXPERT;
      float Value;
      memcpy(&Value, Bytes + sizeof(MoeExpertHeader), sizeof Value);
      Logits[0] += Value;
      if (I == 0)
        mark(S, FC2, Routes[2].expert);
    }
    mark(S, HEAD, -1);
    spend(Microseconds);
  }
  mark(S, -1, -1);
  return Failing;
}

/// How many runs there are, and were at most, at once.
static int NumRunning, MostRunning;

static void beginRun(void) {
  int Now = __atomic_add_fetch(&NumRunning, 1, __ATOMIC_SEQ_CST);
  int Most = __atomic_load_n(&MostRunning, __ATOMIC_SEQ_CST);
  while (Now > Most &&
         !__atomic_compare_exchange_n(&MostRunning, &Most, Now, 0,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    ;
}

static int runCounted(const float *Input, float *Logits, void *Workspace,
                      const MoeServices *S) {
  beginRun();
  int Status = run(Input, Logits, Workspace, S);
  __atomic_sub_fetch(&NumRunning, 1, __ATOMIC_SEQ_CST);
  return Status;
}

/// Into the file FAKE_REPORT: how many runs there were at once, and the most
/// memory that this process had.
__attribute__((destructor)) static void report(void) {
  const char *Path = getenv("FAKE_REPORT");
  FILE *Out = Path ? fopen(Path, "w") : NULL;
  FILE *In = fopen("/proc/self/status", "r");
  char Line[200];
  while (Out && In && fgets(Line, sizeof Line, In))
    if (strncmp(Line, "VmHWM:", 6) == 0)
      fprintf(Out, "{\"kib\": %lld, \"at_once\": %d}\n", atoll(Line + 6),
              MostRunning);
  if (Out)
    fclose(Out);
  if (In)
    fclose(In);
}

static int runAlone(const float *Input, float *Logits, void *Workspace) {
  return runCounted(Input, Logits, Workspace, NULL);
}

/// Counts how often each part was asked for.
static void countPart(void *Arguments, size_t Part) {
  ++((int64_t *)Arguments)[Part];
}

/// Like runAlone; fails if a part of some rounds of work is left out or done
/// twice.
static int runWith(const float *Input, float *Logits, void *Workspace,
                   const MoeServices *S) {
  enum { MAX_PARTS = 67, NUM_ROUNDS = 20 };
  const size_t Sizes[] = {1, S->threads, MAX_PARTS};
  if (S->threads < 1 || (Threads && S->threads != (size_t)Threads))
    return 6;
  for (int Size = 0; Size < 3 && Sizes[Size] <= MAX_PARTS; ++Size) {
    int64_t Counts[MAX_PARTS] = {0};
    for (int I = 0; I < NUM_ROUNDS; ++I)
      S->parallel_for(S->context, Sizes[Size], countPart, Counts);
    for (size_t I = 0; I < MAX_PARTS; ++I)
      if (Counts[I] != (I < Sizes[Size] ? NUM_ROUNDS : 0))
        return 7;
  }
  return runCounted(Input, Logits, Workspace, S);
}

static float runPeak(int64_t Rounds) {
  for (volatile int64_t I = 0; I < Rounds; ++I)
    ;
  return 0;
}

#define PEAKS {{runPeak, 1000}, {NULL, 0}, {runPeak, 4000}}
static MoeVariant Variants[] = {
    {"fantastic", IMPOSSIBLE_FEATURE, runAlone, runWith, PEAKS},
    {"plain", 0, runAlone, runWith, PEAKS},
    {"plainer", 0, runAlone, runWith, PEAKS},
};

// No section begins at odd addresses, but advice that the kernel refuses must
// not matter.
static const char Weights[9];
static const MoeWeights Shared = {Weights, Weights + 1, -1, -1};
static const MoeWeights Experts[] = {{Weights + 1, Weights + 5, 1, 0},
                                     {Weights + 5, Weights + 9, 1, 1}};

static void readFloats(const char *Name, float Default, float *Values) {
  const char *Text = getenv(Name);
  for (int I = 0; I < MAX_CHANNELS; ++I) {
    char *End = NULL;
    Values[I] = Text ? strtof(Text, &End) : Default;
    if (Text)
      Text = *End == ',' ? End + 1 : End;
  }
}

/// Files "expert-0" and so on, of 68 bytes, whose id is 1000 + their number.
static void useFiles(void) {
  MoeModel *M = &moe_model;
  M->num_experts = 2 * NumExperts;
  M->experts = NULL;
  M->experts_mode =
      setting("FAKE_PRELOAD", 0) ? MOE_EXPERTS_PRELOAD : MOE_EXPERTS_FILE;
  M->experts_folder = getenv("FAKE_FILES");
  for (int64_t I = 0; I < M->num_experts; ++I) {
    snprintf(ExpertNames[I], sizeof ExpertNames[I], "expert-%d", (int)I);
    ExpertFiles[I] = (MoeExpertFile){ExpertNames[I], 1000 + I,
                                     sizeof(MoeExpertHeader) + sizeof(float)};
  }
  M->expert_files = ExpertFiles;
  for (size_t I = 0; I < sizeof Variants / sizeof *Variants; ++I)
    Variants[I].run = NULL;
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
  M->workspace_bytes = setting("FAKE_WORKSPACE", WORKSPACE_BYTES);
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
  Refused = getenv("FAKE_REFUSED");
  Microseconds = setting("FAKE_MICROSECONDS", 0);
  Threads = setting("FAKE_THREADS", 0);
  const char *LogPath = getenv("FAKE_LOG");
  if (LogPath)
    Log = open(LogPath, O_WRONLY | O_CREAT | O_APPEND, 0666);
  M->num_variants = setting("FAKE_VARIANTS", 3);
  M->variants = Variants;
  M->shared = &Shared;
  M->num_experts = sizeof Experts / sizeof *Experts;
  M->experts = Experts;
  M->experts_mode =
      setting("FAKE_PRELOAD", 0) ? MOE_EXPERTS_PRELOAD : MOE_EXPERTS_MMAP;
  M->stages = setting("FAKE_STAGES", 0);
  M->num_parts = NUM_PARTS;
  M->parts = Parts;
  NumExperts = setting("FAKE_EXPERTS", 0);
  if (getenv("FAKE_FILES"))
    useFiles();
}
