//===- MoEDialect.cpp - Registration of the moe dialect -------------------===//

#include "moe/Dialect/MoE.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::moe;

#include "moe/Dialect/MoEDialect.cpp.inc"
#include "moe/Dialect/MoEEnums.cpp.inc"
#include "moe/Dialect/MoEOpInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "moe/Dialect/MoEAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "moe/Dialect/MoEOps.cpp.inc"

void MoEDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "moe/Dialect/MoEAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "moe/Dialect/MoEOps.cpp.inc"
      >();
}
