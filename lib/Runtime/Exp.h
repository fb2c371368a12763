//===- Exp.h - The exponential function without libm ------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_EXP_H
#define MOE_LIB_RUNTIME_EXP_H

#include <cstdint>
#include <cstring>

namespace moe {
namespace runtime {

/// e^X for X <= 0, to a few units in the last place of a double; 0 below the
/// smallest normal double. NaN for NaN.
inline double expOfNegative(double X) {
  if (X < -708)
    return 0;
  if (!(X < 0))
    return X == 0 ? 1 : X;
  // X = K ln 2 + R with |R| <= ln 2 / 2; ln 2 in two parts, the first of which
  // has trailing zeros, so that K * High is exact.
  constexpr double InverseLn2 = 1.4426950408889634;
  constexpr double Ln2High = 6.93147180369123816490e-01;
  constexpr double Ln2Low = 1.90821492927058770002e-10;
  auto K = static_cast<int64_t>(X * InverseLn2 - 0.5);
  double R =
      (X - static_cast<double>(K) * Ln2High) - static_cast<double>(K) * Ln2Low;
  // Taylor to R^13 / 13!: the rest is below 2^-56.
  double Sum = 1;
  for (int N = 13; N >= 1; --N)
    Sum = 1 + Sum * R / N;
  uint64_t Bits = static_cast<uint64_t>(K + 1023) << 52;
  double PowerOf2;
  memcpy(&PowerOf2, &Bits, sizeof PowerOf2);
  return Sum * PowerOf2;
}

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_EXP_H
