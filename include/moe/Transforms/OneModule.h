//===- OneModule.h - A model is in one module -------------------*- C++ -*-===//

#ifndef MOE_TRANSFORMS_ONEMODULE_H
#define MOE_TRANSFORMS_ONEMODULE_H

#include "mlir/IR/BuiltinOps.h"

namespace mlir::moe {

/// Fails, with an error, if there are modules within `module`: passes walk over
/// all of it, and look parameters up in it.
inline LogicalResult verifyOneModule(ModuleOp module) {
  WalkResult result = module.walk([&](ModuleOp inner) {
    if (inner == module)
      return WalkResult::advance();
    inner.emitOpError("within another module: expected the model in one");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_ONEMODULE_H
