//===- peak.cpp - The most multiply-adds that a CPU level can do ----------===//
//
// Built with the level's instructions, unlike the rest.
//
//===----------------------------------------------------------------------===//

#include "bench.h"

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

double multiplyAdds(int64_t steps) {
  using Vector __attribute__((vector_size(kLanes * sizeof(float)))) = float;
  // Enough to hide the latency, few enough for 16 registers.
  constexpr int kSums = 12;
  // Opaque, so that no sum is known to equal another.
  Vector sums[kSums] = {};
  for (Vector &sum : sums)
    asm volatile("" : "+x"(sum));
  Vector x = Vector{} + 0.5f, y = Vector{} + 1.0f;
  for (int64_t step = 0; step < steps; ++step)
#pragma GCC unroll 12
    for (Vector &sum : sums)
      sum = sum * x + y;
  for (Vector &sum : sums)
    asm volatile("" : : "x"(sum));
  return 2.0 * kLanes * kSums * static_cast<double>(steps);
}
