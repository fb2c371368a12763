//===- Benchmark.cpp - Timing a model -------------------------------------===//

#include "Benchmark.h"

#include "Text.h"

#include <algorithm>

using namespace moe::runtime;

/// Warm-up: for so many runs, and at least so long that a CPU has left its idle
/// frequency.
static constexpr int64_t MinWarmupRuns = 3;
static constexpr int64_t MaxWarmupRuns = 1000;
static constexpr double MinWarmupMilliseconds = 200;

/// Uniform in [-1, 1), the same at every call: xorshift64.
static void fillInput(Array<float> &Input) {
  uint64_t State = 0x9e3779b97f4a7c15u;
  for (float &Value : Input) {
    State ^= State << 13;
    State ^= State >> 7;
    State ^= State << 17;
    Value = static_cast<float>(static_cast<int32_t>(State >> 32)) *
            (1.0f / 2147483648.0f);
  }
}

bool moe::runtime::runBenchmark(const Inference &Run, Sample &On, Workspace &In,
                                bool HasInput, int64_t NumRuns, bool IsJson,
                                Message &Error) {
  Array<double> Times;
  if (!Times.allocate(NumRuns))
    return Error.outOfMemory();
  if (!HasInput)
    fillInput(On.Input);
  Inference::Mode How;
  How.IsShared = true;
  double Warmup = 0;
  for (int64_t I = 0; I < MinWarmupRuns ||
                      (Warmup < MinWarmupMilliseconds && I < MaxWarmupRuns);
       ++I) {
    if (!Run.run(On, In, How, Error))
      return false;
    Warmup += On.Milliseconds;
  }
  if (Run.isProfiled())
    How.NameInProfile = "benchmark";
  for (double &Time : Times) {
    if (!Run.run(On, In, How, Error))
      return false;
    Time = On.Milliseconds;
  }
  std::sort(Times.begin(), Times.end());

  size_t NumThreads = Run.threads().size();
  double Min = Times[0];
  double Median = (Times[(NumRuns - 1) / 2] + Times[NumRuns / 2]) / 2;
  // The nearest rank: the smallest time that 95 of 100 runs do not exceed.
  double P95 = Times[(NumRuns * 95 + 99) / 100 - 1];
  if (!IsJson) {
    printf("min %.4f ms, median %.4f ms, p95 %.4f ms (%lld runs, %zu "
           "thread%s, %s)\n",
           Min, Median, P95, static_cast<long long>(NumRuns), NumThreads,
           NumThreads > 1 ? "s" : "", Run.variant().name);
    return true;
  }
  printf("{\"min_ms\": %.9g, \"median_ms\": %.9g, \"p95_ms\": %.9g, "
         "\"runs\": %lld, \"batch\": 1, \"threads\": %zu, \"cpu\": ",
         Min, Median, P95, static_cast<long long>(NumRuns), NumThreads);
  writeJsonString(stdout, Run.variant().name);
  fputs("}\n", stdout);
  return true;
}
