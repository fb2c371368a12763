//===- Parts.cpp - Which part of the model an op belongs to ---------------===//

#include "moe/Dialect/Parts.h"

using namespace mlir;
using namespace mlir::moe;

StringRef mlir::moe::partOf(Location location) {
  // Ops that became one belong to the first one's part.
  auto named = location->findInstanceOf<NameLoc>();
  return named ? named.getName().getValue() : StringRef();
}

static Location namedLoc(MLIRContext *context, const Twine &name) {
  return NameLoc::get(StringAttr::get(context, name));
}

PartScope::PartScope(ImplicitLocOpBuilder &builder, const Twine &name)
    : PartScope(builder, namedLoc(builder.getContext(), name)) {}

PartScope PartScope::within(ImplicitLocOpBuilder &builder, const Twine &name) {
  StringRef outer = partOf(builder.getLoc());
  if (outer.empty())
    return PartScope(builder, builder.getLoc());
  return PartScope(builder, namedLoc(builder.getContext(), outer + "." + name));
}
