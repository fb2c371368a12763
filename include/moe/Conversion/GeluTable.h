//===- GeluTable.h - The normal distribution in pieces ----------*- C++ -*-===//

#ifndef MOE_CONVERSION_GELUTABLE_H
#define MOE_CONVERSION_GELUTABLE_H

#include "moe/Dialect/MoE.h"

#include <array>

namespace mlir::moe {

/// q(a) = Φ(a) - ½ for 0 <= a <= limit, as a polynomial in a - i · width for
/// each i: for a where that is at most half a width off. Good to 1e-7, and
/// exactly ½ at the limit, evaluated with multiply-adds in f32.
struct GeluTable {
  static constexpr int kDegree = 4;

  float width, limit;
  /// [degree][i].
  std::array<std::array<float, kPanel>, kDegree + 1> coefficients;

  static const GeluTable &get();

private:
  GeluTable();
};

} // namespace mlir::moe

#endif // MOE_CONVERSION_GELUTABLE_H
