//===- CpuOption.h - The option `cpu` of passes -----------------*- C++ -*-===//

#ifndef MOE_LIB_CONVERSION_CPUOPTION_H
#define MOE_LIB_CONVERSION_CPUOPTION_H

#include "moe/Target/CpuTable.h"

#include "mlir/IR/Operation.h"

namespace mlir::moe {

/// The row of the CPU table called `name`; null after an error about `op`.
inline const CpuLevel *cpuOption(Operation *op, StringRef name) {
  const CpuLevel *level = findCpuLevel(name);
  if (!level)
    op->emitError() << "unknown CPU '" << name << "'";
  return level;
}

} // namespace mlir::moe

#endif // MOE_LIB_CONVERSION_CPUOPTION_H
