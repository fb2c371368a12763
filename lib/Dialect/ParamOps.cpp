//===- ParamOps.cpp - Parameters and their tables -------------------------===//

#include "moe/Dialect/MoE.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::moe;

void ParamOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                    RankedTensorType type, StringAttr section) {
  state.addAttribute(getSymNameAttrName(state.name),
                     builder.getStringAttr(name));
  state.addAttribute(getTypeAttrName(state.name), TypeAttr::get(type));
  if (section)
    state.addAttribute(getSectionAttrName(state.name), section);
  state.addRegion();
}

LogicalResult ParamOp::verify() {
  IntegerAttr offset = getOffsetAttr();
  if (offset && offset.getInt() < 0)
    return emitOpError() << "offset must not be negative, found "
                         << offset.getInt();
  // What follows the parameter in its section has a place, too.
  constexpr int64_t maxOffset = int64_t(1) << 60;
  if (offset && offset.getInt() > maxOffset)
    return emitOpError() << "offset must not exceed " << maxOffset << ", found "
                         << offset.getInt();
  if (!isDerived() && !getTensorType().getElementType().isF32())
    return emitOpError() << "expected f32 without a recipe, found "
                         << getType();
  return success();
}

LogicalResult ParamOp::verifyRegions() {
  if (!isDerived())
    return success();
  Block &body = getRecipe().front();
  for (Operation &op : body.without_terminator()) {
    auto get = dyn_cast<GetOp>(op);
    if (!isa<WeightExprOpInterface>(op) && (!get || get.getExpert()))
      return op.emitOpError() << "is no weight expression, in the recipe of "
                              << getSymNameAttr();
  }
  auto yield = body.empty() ? YieldOp() : dyn_cast<YieldOp>(body.back());
  if (!yield || yield.getValue().getType() != getType())
    return emitOpError() << "recipe must yield a " << getType();
  return success();
}

LogicalResult ParamTableOp::verify() {
  if (getParams().empty())
    return emitOpError() << "needs at least one parameter";
  return success();
}

LogicalResult
ParamTableOp::verifySymbolUses(SymbolTableCollection &symbolTables) {
  for (auto name : getParams().getAsRange<FlatSymbolRefAttr>()) {
    auto param = symbolTables.lookupNearestSymbolFrom<ParamOp>(*this, name);
    if (!param)
      return emitOpError() << name << " is no moe.param";
    if (param.getType() != getType())
      return emitOpError() << name << " has type " << param.getType()
                           << ", the table's is " << getType();
  }
  return success();
}

/// Checks that `name` is a parameter, or with `indexed` a table of them, of
/// type `type`.
static LogicalResult verifyReference(Operation *op, FlatSymbolRefAttr name,
                                     bool indexed, Type type,
                                     SymbolTableCollection &symbolTables) {
  Operation *symbol = symbolTables.lookupNearestSymbolFrom(op, name);
  Type found;
  if (auto param = dyn_cast_or_null<ParamOp>(symbol); param && !indexed)
    found = param.getType();
  else if (auto table = dyn_cast_or_null<ParamTableOp>(symbol);
           table && indexed)
    found = table.getType();
  else
    return op->emitOpError()
           << name << " is no " << (indexed ? "moe.param_table" : "moe.param");
  if (found != type)
    return op->emitOpError()
           << name << " has type " << found << ", the result's is " << type;
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbolTables) {
  return verifyReference(*this, getParamAttr(), bool(getExpert()), getType(),
                         symbolTables);
}

LogicalResult WeightsOp::verifySymbolUses(SymbolTableCollection &symbolTables) {
  MemRefType type = getType();
  if (!type.getLayout().isIdentity())
    return emitOpError() << "expected the default layout, found " << type;
  return verifyReference(
      *this, getParamAttr(), bool(getExpert()),
      RankedTensorType::get(type.getShape(), type.getElementType()),
      symbolTables);
}
