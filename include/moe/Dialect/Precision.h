//===- Precision.h - What matrix products multiply --------------*- C++ -*-===//

#ifndef MOE_DIALECT_PRECISION_H
#define MOE_DIALECT_PRECISION_H

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mlir::moe {

/// What the factors of a matrix product are: f32, bf16, or 8-bit integers with
/// scales.
enum class Precision { F32, BF16, Int8 };

/// As in `--precision` and the specification.
inline llvm::StringRef precisionName(Precision precision) {
  static constexpr llvm::StringLiteral names[] = {"f32", "bf16", "int8"};
  return names[static_cast<int>(precision)];
}

/// The precision of that name, if it is one.
inline std::optional<Precision> parsePrecision(llvm::StringRef name) {
  for (Precision known : {Precision::F32, Precision::BF16, Precision::Int8})
    if (name == precisionName(known))
      return known;
  return std::nullopt;
}

} // namespace mlir::moe

#endif // MOE_DIALECT_PRECISION_H
