//===- DeriveParam.cpp - New parameters from old ones ---------------------===//

#include "moe/Transforms/DeriveParam.h"

using namespace mlir;
using namespace mlir::moe;

Value mlir::moe::getInRecipe(OpBuilder &builder, Location loc, ParamOp param) {
  return GetOp::create(builder, loc, param.getTensorType(), param.getSymName(),
                       Value());
}

/// `name`, or `name` with a number if that is taken.
static std::string uniqueName(SymbolTable &symbols, const std::string &name) {
  std::string unique = name;
  for (unsigned i = 1; symbols.lookup(unique); ++i)
    unique = name + "." + std::to_string(i);
  return unique;
}

ParamOp ParamDeriver::derive(ParamOp base, StringRef suffix, Recipe recipe) {
  std::string name = (base.getSymName() + suffix).str();
  OpBuilder builder(base.getContext());
  builder.setInsertionPointAfter(base);
  Location loc = base.getLoc();
  auto param = ParamOp::create(builder, loc, name, base.getTensorType(),
                               base.getSectionAttr());
  builder.createBlock(&param.getRecipe());
  Value value = recipe(builder, loc, getInRecipe(builder, loc, base));
  YieldOp::create(builder, loc, value);
  param.setType(cast<RankedTensorType>(value.getType()));

  // The text says all: name, section, type and recipe.
  std::string text;
  llvm::raw_string_ostream os(text);
  param->print(os, OpPrintingFlags().useLocalScope());
  auto [it, isNew] = derived.try_emplace(text, param);
  if (!isNew) {
    param.erase();
    return cast<ParamOp>(it->second);
  }
  param.setSymName(uniqueName(symbols, name));
  symbols.insert(param);
  return param;
}

ParamTableOp ParamDeriver::derive(ParamTableOp base, StringRef suffix,
                                  Recipe recipe) {
  std::string name = (base.getSymName() + suffix).str();
  SmallVector<Attribute> entries;
  RankedTensorType type;
  for (auto entry : base.getParams().getAsRange<FlatSymbolRefAttr>()) {
    ParamOp param =
        derive(symbols.lookup<ParamOp>(entry.getAttr()), suffix, recipe);
    entries.push_back(FlatSymbolRefAttr::get(param.getSymNameAttr()));
    type = param.getTensorType();
  }
  OpBuilder builder(base.getContext());
  builder.setInsertionPointAfter(base);
  auto table =
      ParamTableOp::create(builder, base.getLoc(), builder.getStringAttr(name),
                           builder.getArrayAttr(entries), TypeAttr::get(type));
  symbols.insert(table);
  return table;
}

Value ParamDeriver::derive(OpBuilder &builder, Value value, StringRef suffix,
                           Recipe recipe) {
  auto get = value.getDefiningOp<GetOp>();
  Operation *derived;
  Type type;
  if (get.getExpert()) {
    auto table =
        derive(lookup<ParamTableOp>(get.getParamAttr()), suffix, recipe);
    derived = table;
    type = table.getType();
  } else {
    auto param = derive(lookup<ParamOp>(get.getParamAttr()), suffix, recipe);
    derived = param;
    type = param.getType();
  }
  return GetOp::create(builder, get.getLoc(), type,
                       SymbolTable::getSymbolName(derived), get.getExpert());
}
