//===- OutlineKernels.cpp - One function for loop nests that are alike ----===//

#include "moe/Conversion/Passes.h"
#include "moe/Import/ImportModel.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::moe {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Ops that belong to the run function: what they name differs between loop
/// nests that are alike otherwise.
bool staysOutside(Operation *op) {
  return isa<WeightsOp, memref::ViewOp, memref::GetGlobalOp,
             scf::IndexSwitchOp>(op);
}

/// Ops that a run of `op` executes, where loop bounds are known; an unknown
/// loop counts once.
uint64_t countOps(Operation *op) {
  uint64_t count = 0;
  for (Region &region : op->getRegions())
    for (Operation &inner : region.getOps())
      count = llvm::SaturatingAdd(count, uint64_t(1), countOps(&inner));
  auto loop = dyn_cast<scf::ForOp>(op);
  std::optional<llvm::APInt> trips =
      loop ? loop.getStaticTripCount() : std::nullopt;
  return trips ? llvm::SaturatingMultiply(count, trips->getLimitedValue())
               : count;
}

/// Ops that are some ten microseconds of work. Less is not worth sharing: what
/// another core has computed before must first come out of its cache.
constexpr uint64_t kWorthSharing = 100000;

/// The constant step of a loop whose iterations are worth sharing among
/// threads.
std::optional<int64_t> sharedStep(scf::ForOp loop) {
  std::optional<llvm::APInt> trips = loop.getStaticTripCount();
  std::optional<int64_t> step = getConstantIntValue(loop.getStep());
  if (!loop->hasAttr(kParallelAttr) || !trips || trips->ule(1) || !step ||
      countOps(loop) < kWorthSharing)
    return std::nullopt;
  return step;
}

/// Whether an address says all about memory of that type.
bool isArgument(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  return type.hasStaticShape() &&
         succeeded(type.getStridesAndOffset(strides, offset)) &&
         !ShapedType::isDynamic(offset);
}

struct OutlineKernels : moe::impl::OutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto run = module.lookupSymbol<func::FuncOp>(kRunFunction);
    if (!run || run.isExternal())
      return;
    SmallVector<scf::ForOp> nests;
    run.walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
      bool mixed = loop.walk([](Operation *op) {
                         return staysOutside(op) ? WalkResult::interrupt()
                                                 : WalkResult::advance();
                       })
                       .wasInterrupted();
      if (mixed || loop->getNumResults() != 0)
        return WalkResult::advance();
      nests.push_back(loop);
      return WalkResult::skip();
    });
    for (scf::ForOp nest : nests)
      if (failed(outline(nest, module)))
        return signalPassFailure();
    // Buffers on the stack, once for each call, not for each iteration.
    module.walk([](memref::AllocaOp alloca) {
      auto function = alloca->getParentOfType<func::FuncOp>();
      if (!function || alloca->getNumOperands() != 0)
        return;
      alloca->moveBefore(&function.front(), function.front().begin());
    });
  }

  LogicalResult outline(scf::ForOp nest, ModuleOp module) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(nest.getRegion(), captured);
    for (Value bound : nest->getOperands())
      captured.insert(bound);
    // A view whose size or place is known at run time only is no argument: it
    // is made anew of what it views.
    SmallVector<Operation *> views;
    for (bool changed = true; changed;) {
      changed = false;
      for (Value value : captured) {
        auto type = dyn_cast<MemRefType>(value.getType());
        if (!type || isArgument(type))
          continue;
        Operation *view = value.getDefiningOp();
        if (!isa_and_nonnull<ViewLikeOpInterface>(view))
          return nest.emitOpError()
                 << "cannot be outlined: it uses memory of type " << type
                 << ", which is no view of memory of a known shape";
        views.push_back(view);
        captured.remove(value);
        captured.insert_range(view->getOperands());
        changed = true;
        break;
      }
    }

    // Constants go along, all else becomes an argument; so do the bounds of a
    // loop that threads may share.
    std::optional<int64_t> step = sharedStep(nest);
    SmallVector<Value> arguments;
    if (step)
      arguments = {nest.getLowerBound(), nest.getUpperBound()};
    SmallVector<Operation *> constants;
    for (Value value : captured) {
      Operation *def = value.getDefiningOp();
      if (def && def->hasTrait<OpTrait::ConstantLike>())
        constants.push_back(def);
      else
        arguments.push_back(value);
    }
    OpBuilder b(module.getContext());
    Location loc = nest.getLoc();
    auto function = func::FuncOp::create(
        loc, "kernel", b.getFunctionType(ValueRange(arguments).getTypes(), {}));
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    IRMapping map;
    for (auto [i, value] : llvm::enumerate(arguments))
      if (!step || i > 1)
        map.map(value, entry->getArgument(i));
    for (Operation *constant : constants)
      b.clone(*constant, map);
    for (Operation *view : llvm::reverse(views))
      b.clone(*view, map);
    auto clone = cast<scf::ForOp>(b.clone(*nest, map));
    if (step) {
      clone.setLowerBound(entry->getArgument(0));
      clone.setUpperBound(entry->getArgument(1));
      function->setAttr("passthrough",
                        b.getArrayAttr(b.getStrArrayAttr(
                            {kParallelStepAttr, std::to_string(*step)})));
    }
    func::ReturnOp::create(b, loc);

    std::string text;
    llvm::raw_string_ostream os(text);
    function->print(os, OpPrintingFlags().useLocalScope());
    auto [it, isNew] = kernels.try_emplace(text, nullptr);
    if (isNew) {
      std::string name;
      do {
        name = "kernel_" + std::to_string(numNames++);
      } while (module.lookupSymbol(name));
      function.setName(name);
      function.setPrivate();
      module.push_back(function);
      it->second = function;
    } else {
      function.erase();
    }
    b.setInsertionPoint(nest);
    func::CallOp::create(b, loc, it->second, arguments);
    nest.erase();
    return success();
  }

  llvm::StringMap<func::FuncOp> kernels;
  unsigned numNames = 0;
};

} // namespace
