//===- GeluTable.cpp - The normal distribution in pieces ------------------===//

#include "moe/Conversion/GeluTable.h"

#include <cmath>

using namespace mlir::moe;

/// The polynomial through f at `count` Chebyshev nodes of [low, high], the
/// lowest coefficient first: within a factor of two of the best one.
template <typename Function>
static llvm::SmallVector<double> interpolate(Function f, int count, double low,
                                             double high) {
  llvm::SmallVector<double> nodes, differences;
  for (int i = 0; i < count; ++i) {
    double cosine = std::cos(M_PI * (i + 0.5) / count);
    nodes.push_back((low + high) / 2 + (high - low) / 2 * cosine);
    differences.push_back(f(nodes.back()));
  }
  // Newton's divided differences, then Horner's scheme to powers.
  for (int order = 1; order < count; ++order)
    for (int i = count; i-- > order;)
      differences[i] =
          (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - order]);
  llvm::SmallVector<double> powers(count, 0.0);
  for (int i = count; i-- > 0;) {
    for (int j = count; j-- > 1;)
      powers[j] = powers[j - 1] - nodes[i] * powers[j];
    powers[0] = differences[i] - nodes[i] * powers[0];
  }
  return powers;
}

const GeluTable &GeluTable::get() {
  static const GeluTable table;
  return table;
}

GeluTable::GeluTable() {
  // Φ(-5.42) is half a unit in the last place of ½.
  limit = 5.42f;
  // A little wider than needed: the limit must not be rounded to another piece.
  width = limit / (float(kPanel) - 0.51f);
  auto q = [](double a) { return 0.5 * std::erf(a * M_SQRT1_2); };
  for (int i = 0; i < kPanel; ++i) {
    llvm::SmallVector<double> powers;
    double center = i * double(width), half = width / 2;
    if (i == 0) {
      // q(a) / a, so that nothing is lost where a is small.
      powers =
          interpolate([&](double a) { return q(a) / a; }, kDegree, 0.0, half);
      powers.insert(powers.begin(), 0.0);
    } else {
      powers = interpolate([&](double r) { return q(center + r); }, kDegree + 1,
                           -half, half);
    }
    for (int d = 0; d <= kDegree; ++d)
      coefficients[d][i] = float(powers[d]);
  }
  // The last one ends at ½, so that GELU of a large negative number is 0.
  float n = std::nearbyint(limit * (1.0f / width));
  float r = std::fma(n, -width, limit);
  for (int attempt = 0; attempt < 8; ++attempt) {
    float value = coefficients[kDegree][kPanel - 1];
    for (int d = kDegree; d-- > 0;)
      value = std::fma(value, r, coefficients[d][kPanel - 1]);
    coefficients[0][kPanel - 1] += 0.5f - value;
  }
}
