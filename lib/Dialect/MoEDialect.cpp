//===- MoEDialect.cpp - Registration of the moe dialect -------------------===//

#include "moe/Dialect/MoE.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::moe;

bool mlir::moe::hasModelSize(ShapedType type) {
  int64_t count = 1;
  for (int64_t size : type.getShape()) {
    if (size < 1 || size > kMaxElements / count)
      return false;
    count *= size;
  }
  return true;
}

/// The types of attention's operands, between commas: four without the bias of
/// the fused projection, five with it, and four more with norms. An optional
/// group could not tell.
static ParseResult parseAttentionTypes(OpAsmParser &parser, Type &tokens,
                                       Type &qkvWeight, Type &qkvBias,
                                       Type &projWeight, Type &projBias,
                                       SmallVectorImpl<Type> &norms) {
  SmallVector<Type> types;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseTypeList(types))
    return failure();
  size_t count = types.size();
  if (count != 4 && count != 5 && count != 8 && count != 9)
    return parser.emitError(location)
           << "expected 4 or 5 operand types, or 4 more with norms, found "
           << count;
  bool hasBias = count % 4 == 1;
  tokens = types[0];
  qkvWeight = types[1];
  if (hasBias)
    qkvBias = types[2];
  projWeight = types[2 + hasBias];
  projBias = types[3 + hasBias];
  norms.assign(types.begin() + 4 + hasBias, types.end());
  return success();
}

static void printAttentionTypes(OpAsmPrinter &printer, Operation *, Type tokens,
                                Type qkvWeight, Type qkvBias, Type projWeight,
                                Type projBias, TypeRange norms) {
  printer << tokens << ", " << qkvWeight << ", ";
  if (qkvBias)
    printer << qkvBias << ", ";
  printer << projWeight << ", " << projBias;
  for (Type norm : norms)
    printer << ", " << norm;
}

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
