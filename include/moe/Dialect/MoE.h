//===- MoE.h - The moe dialect ----------------------------------*- C++ -*-===//

#ifndef MOE_DIALECT_MOE_H
#define MOE_DIALECT_MOE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::moe {

/// The most elements that a tensor may have, so that sums and small multiples
/// of sizes fit in an int64_t. No specification can ask for as many.
inline constexpr int64_t kMaxElements = int64_t(1) << 40;

/// Whether a static shape has 1 to kMaxElements elements.
bool hasModelSize(ShapedType type);

/// Whether `scale` and its inverse are positive numbers in f32 too.
bool isScale(double scale);

} // namespace mlir::moe

#include "moe/Dialect/MoEDialect.h.inc"
#include "moe/Dialect/MoEEnums.h.inc"
#include "moe/Dialect/MoEOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "moe/Dialect/MoEAttrs.h.inc"
#define GET_OP_CLASSES
#include "moe/Dialect/MoEOps.h.inc"

namespace mlir::moe {

/// Channels of a panel. Activations and packed weights come in lanes of this
/// many channels on every target: one AVX-512 register, two AVX2, four NEON or
/// SSE ones.
inline constexpr int64_t kPanel = 16;

/// What a soft router adds to a sum of squares before it divides by its root.
inline constexpr double kSlotEpsilon = 1e-6;

/// Panels that `channels` channels fill, the last one perhaps in part.
inline int64_t numPanels(int64_t channels) {
  return (channels + kPanel - 1) / kPanel;
}

} // namespace mlir::moe

#endif // MOE_DIALECT_MOE_H
