//===- Benchmark.h - Timing a model -----------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_BENCHMARK_H
#define MOE_LIB_RUNTIME_BENCHMARK_H

#include "Inference.h"

namespace moe {
namespace runtime {

/// Times `NumRuns` runs on one fixed input, after a warm-up, and prints what
/// they took.
bool runBenchmark(Inference &Run, const MoeVariant &Variant, int64_t NumRuns,
                  bool IsJson, Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_BENCHMARK_H
