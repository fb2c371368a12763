//===- Registry.h - Dialects, passes and pipelines --------------*- C++ -*-===//

#ifndef MOE_DRIVER_REGISTRY_H
#define MOE_DRIVER_REGISTRY_H

#include "mlir/IR/DialectRegistry.h"

namespace mlir::moe {

/// Registers every dialect of the compiler, with the interfaces that its passes
/// need.
void registerAllDialects(DialectRegistry &registry);

/// Registers every pass, MLIR's own that help with debugging, and the named
/// pipelines.
void registerAllPasses();

} // namespace mlir::moe

#endif // MOE_DRIVER_REGISTRY_H
