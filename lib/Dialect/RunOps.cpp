//===- RunOps.cpp - Ops that say where a run is ---------------------------===//

#include "moe/Dialect/MoE.h"

using namespace mlir;
using namespace mlir::moe;

LogicalResult MarkOp::verify() {
  auto module = (*this)->getParentOfType<ModuleOp>();
  auto parts =
      module ? module->getAttrOfType<ArrayAttr>("moe.parts") : ArrayAttr();
  int64_t count = parts ? parts.size() : 0, part = getPart();
  if (part < -1 || part >= count)
    return emitOpError() << "expected the number of one of " << count
                         << " parts or -1, found " << part;
  return success();
}
