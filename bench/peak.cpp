//===- peak.cpp - Prints the most multiply-adds of one core, in GFLOP/s ---===//
//
// Linked with kernels/peak.cpp, which is built with a CPU level's instructions.
//
//===----------------------------------------------------------------------===//

#include "kernels/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

int main() {
  using Clock = std::chrono::steady_clock;
  auto secondsSince = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 0;
  for (Clock::time_point begin = Clock::now(); secondsSince(begin) < 0.1;) {
    Clock::time_point start = Clock::now();
    double operations = multiplyAdds(100000);
    best = std::max(best, operations / secondsSince(start));
  }
  std::printf("%.2f\n", best * 1e-9);
}
