//===- GeluTableTest.cpp - The pieces fit together ------------------------===//

#include "moe/Conversion/GeluTable.h"

#include <gtest/gtest.h>

#include <cmath>

using mlir::moe::GeluTable;
using mlir::moe::kPanel;

namespace {

/// As the generated code evaluates it.
float evaluate(const GeluTable &table, float a) {
  float n = std::nearbyint(a * (1.0f / table.width));
  float r = std::fma(n, -table.width, a);
  int piece = int(n);
  EXPECT_GE(piece, 0);
  EXPECT_LT(piece, kPanel);
  float value = table.coefficients[GeluTable::kDegree][piece];
  for (int d = GeluTable::kDegree; d-- > 0;)
    value = std::fma(value, r, table.coefficients[d][piece]);
  return value;
}

TEST(GeluTable, IsTheNormalDistribution) {
  const GeluTable &table = GeluTable::get();
  for (int i = 0; i <= 100000; ++i) {
    float a = table.limit * (float(i) / 100000);
    double exact = 0.5 * std::erf(a * M_SQRT1_2);
    ASSERT_NEAR(evaluate(table, a), exact, 1e-7) << a;
  }
}

TEST(GeluTable, LosesNothingNearZero) {
  const GeluTable &table = GeluTable::get();
  for (float a : {0.0f, 1e-30f, 1e-6f, 1e-3f, 0.1f}) {
    double exact = 0.5 * std::erf(a * M_SQRT1_2);
    EXPECT_NEAR(evaluate(table, a), exact, 4e-7 * exact) << a;
  }
}

TEST(GeluTable, EndsAtExactlyOneHalf) {
  const GeluTable &table = GeluTable::get();
  EXPECT_EQ(evaluate(table, table.limit), 0.5f);
}

} // namespace
