//===- Benchmark.h - Timing a model -----------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_BENCHMARK_H
#define MOE_LIB_RUNTIME_BENCHMARK_H

#include "Inference.h"

namespace moe {
namespace runtime {

/// Times `NumRuns` runs on the input of `On`, or without `HasInput` on fixed
/// noise, after a warm-up, and prints what they took. The timed ones are in the
/// profile, if there is one.
bool runBenchmark(const Inference &Run, Sample &On, Workspace &In,
                  bool HasInput, int64_t NumRuns, bool IsJson, Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_BENCHMARK_H
