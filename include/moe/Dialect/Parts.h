//===- Parts.h - Which part of the model an op belongs to -------*- C++ -*-===//
//
// A part of a layer, such as "blocks.3.attn.qkv", is the location of the ops
// that compute it, from the import to the loops.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_PARTS_H
#define MOE_DIALECT_PARTS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Location.h"

namespace mlir::moe {

/// The part's name; empty if `location` has none.
StringRef partOf(Location location);

/// As long as it lives, a builder's ops belong to a part.
class PartScope {
public:
  /// The part of an op that is there.
  PartScope(ImplicitLocOpBuilder &builder, Location location)
      : builder(builder), outer(builder.getLoc()) {
    builder.setLoc(location);
  }
  /// The part called `name`.
  PartScope(ImplicitLocOpBuilder &builder, const Twine &name);
  ~PartScope() { builder.setLoc(outer); }
  PartScope(const PartScope &) = delete;
  PartScope &operator=(const PartScope &) = delete;

  /// The part `name` of the one that the builder is at; that itself, if it has
  /// no name.
  static PartScope within(ImplicitLocOpBuilder &builder, const Twine &name);

private:
  ImplicitLocOpBuilder &builder;
  Location outer;
};

} // namespace mlir::moe

#endif // MOE_DIALECT_PARTS_H
