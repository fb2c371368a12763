//===- PlaceWeights.cpp - Give each parameter a place ---------------------===//

#include "moe/Transforms/OneModule.h"
#include "moe/Transforms/Passes.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PLACEWEIGHTS
#include "moe/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

struct PlaceWeights : moe::impl::PlaceWeightsBase<PlaceWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyOneModule(module)))
      return signalPassFailure();
    SymbolTable symbols(module);
    llvm::StringMap<int64_t> used;
    auto endOf = [](ParamOp param) {
      RankedTensorType type = param.getTensorType();
      return int64_t(*param.getOffset()) +
             type.getNumElements() * int64_t(type.getElementTypeBitWidth() / 8);
    };
    for (auto param : module.getOps<ParamOp>())
      if (param.getOffset()) {
        int64_t &end = used[param.getSectionName()];
        end = std::max(end, endOf(param));
      }
    auto place = [&](FlatSymbolRefAttr name) -> ParamOp {
      auto param = symbols.lookup<ParamOp>(name.getAttr());
      if (param.getOffset())
        return param;
      // A cache line: no load of a vector is split.
      constexpr int64_t alignment = 64;
      int64_t &end = used[param.getSectionName()];
      end = llvm::alignTo(end, alignment);
      param.setSection(param.getSectionName());
      param.setOffset(end);
      end = endOf(param);
      return param;
    };

    WalkResult result = module.walk([&](WeightsOp op) {
      if (!op.getExpert()) {
        place(op.getParamAttr());
        return WalkResult::advance();
      }
      auto table = symbols.lookup<ParamTableOp>(op.getParamAttr().getAttr());
      ParamOp first;
      for (auto entry : table.getParams().getAsRange<FlatSymbolRefAttr>()) {
        ParamOp param = place(entry);
        if (!first)
          first = param;
        else if (param.getOffset() != first.getOffset()) {
          param.emitOpError()
              << "lies at offset " << *param.getOffset()
              << " of its section, others of table " << table.getSymNameAttr()
              << " at " << *first.getOffset();
          return WalkResult::interrupt();
        }
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    eraseUnused(module);
  }

  /// Tables first, since they name parameters; then parameters until all that
  /// are left are placed or part of a recipe.
  static void eraseUnused(ModuleOp module) {
    for (bool changed = true; changed;) {
      changed = false;
      llvm::DenseSet<StringAttr> named;
      module.walk([&](Operation *op) {
        if (auto get = dyn_cast<GetOp>(op))
          named.insert(get.getParamAttr().getAttr());
        else if (auto weights = dyn_cast<WeightsOp>(op))
          named.insert(weights.getParamAttr().getAttr());
        else if (auto table = dyn_cast<ParamTableOp>(op))
          for (auto entry : table.getParams().getAsRange<FlatSymbolRefAttr>())
            named.insert(entry.getAttr());
      });
      for (Operation &op : llvm::make_early_inc_range(*module.getBody())) {
        if (isa<ParamOp, ParamTableOp>(op) &&
            !named.contains(SymbolTable::getSymbolName(&op))) {
          op.erase();
          changed = true;
        }
      }
    }
  }
};

} // namespace
