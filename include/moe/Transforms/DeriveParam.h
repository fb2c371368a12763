//===- DeriveParam.h - New parameters from old ones -------------*- C++ -*-===//

#ifndef MOE_TRANSFORMS_DERIVEPARAM_H
#define MOE_TRANSFORMS_DERIVEPARAM_H

#include "moe/Dialect/MoE.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::moe {

/// Makes derived parameters: symbols whose value is a recipe over others.
/// Asked twice for the same thing, it answers with the same parameter.
class ParamDeriver {
public:
  /// `recipe` builds the value from that of `base` at the given builder.
  using Recipe = llvm::function_ref<Value(OpBuilder &, Location, Value base)>;

  explicit ParamDeriver(ModuleOp module)
      : module(module), symbols(module.getOperation()) {}

  /// The parameter with that recipe on `base`, in the section of `base`, called
  /// `base` + `suffix` (with a number if another recipe took the name).
  ParamOp derive(ParamOp base, StringRef suffix, Recipe recipe);

  /// The table of `derive(entry)` for each entry of `base`.
  ParamTableOp derive(ParamTableOp base, StringRef suffix, Recipe recipe);

  /// The parameter or table that `symbol` names, or null.
  template <typename OpT> OpT lookup(FlatSymbolRefAttr symbol) {
    return symbols.lookup<OpT>(symbol.getAttr());
  }

  /// Replaces the value of a parameter by a derived one: `value` must be the
  /// result of a moe.get (checked by the caller with `isParam`).
  Value derive(OpBuilder &builder, Value value, StringRef suffix,
               Recipe recipe);

  static bool isParam(Value value) {
    return value && value.getDefiningOp<GetOp>();
  }

private:
  ModuleOp module;
  SymbolTable symbols;
  /// By their text, with the name that they were asked for.
  llvm::StringMap<Operation *> derived;
  llvm::DenseMap<ArrayAttr, Operation *> tables;
};

/// `moe.get` of `param` inside a recipe.
Value getInRecipe(OpBuilder &builder, Location loc, ParamOp param);

} // namespace mlir::moe

#endif // MOE_TRANSFORMS_DERIVEPARAM_H
