//===- Passes.h - moe to moe passes -----------------------------*- C++ -*-===//

#ifndef MOE_TRANSFORMS_PASSES_H
#define MOE_TRANSFORMS_PASSES_H

#include "moe/Dialect/MoE.h"

#include "mlir/Pass/Pass.h"

namespace mlir::moe {

#define GEN_PASS_DECL
#include "moe/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "moe/Transforms/Passes.h.inc"

/// Multiply-adds of one run of `function`, as it is now.
int64_t countMultiplyAdds(Operation *function);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_PASSES_H
