//===- AddPause.cpp - Let a run stop in front of the first expert ---------===//

#include "moe/Conversion/Passes.h"
#include "moe/Import/ImportModel.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::moe {
#define GEN_PASS_DEF_ADDPAUSE
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

struct AddPause : moe::impl::AddPauseBase<AddPause> {
  void runOnOperation() override {
    func::FuncOp run = getOperation();
    if (run.getName() != kRunFunction || run.isExternal() ||
        run->hasAttr(kTokenRoutesAttr) || !run.getBody().hasOneBlock())
      return;
    Operation *first = firstExpert(run.front());
    SmallVector<Value> numbers;
    if (first && findNumbers(*first, numbers))
      addPause(first, numbers);
  }

  /// The first op in `body` that reads an expert's weights, or has one inside
  /// that does.
  static Operation *firstExpert(Block &body) {
    auto module = body.getParentOp()->getParentOfType<ModuleOp>();
    SymbolTable symbols(module);
    for (Operation &op : body) {
      bool reads = op.walk([&](WeightsOp weights) {
                       if (weights.getExpert())
                         return WalkResult::interrupt();
                       auto param = symbols.lookup<ParamOp>(weights.getParam());
                       return param && isExpertSection(param.getSectionName())
                                  ? WalkResult::interrupt()
                                  : WalkResult::advance();
                     }).wasInterrupted();
      if (reads)
        return &op;
    }
    return nullptr;
  }

  /// The numbers that are computed before `first` and used from there on. False
  /// if there are other values that cannot be made anew.
  static bool findNumbers(Operation &first, SmallVectorImpl<Value> &numbers) {
    Block *body = first.getBlock();
    for (Operation &op : llvm::make_range(body->begin(), first.getIterator()))
      for (Value result : op.getResults()) {
        bool isUsed = llvm::any_of(result.getUsers(), [&](Operation *user) {
          return !body->findAncestorOpInBlock(*user)->isBeforeInBlock(&first);
        });
        if (!isUsed || op.hasTrait<OpTrait::ConstantLike>())
          continue;
        if (result.getType().isIntOrIndexOrFloat())
          numbers.push_back(result);
        else if (!isa<MemRefType>(result.getType()) || !isPlace(op))
          return false;
      }
    return true;
  }

  /// Whether memory is where it is in every run.
  static bool isPlace(Operation &op) {
    return isa<memref::AllocOp, memref::GetGlobalOp, WeightsOp>(op) ||
           (isa<ViewLikeOpInterface>(op) &&
            llvm::all_of(op.getOperands().drop_front(), [](Value operand) {
              return matchPattern(operand, m_Constant());
            }));
  }

  static void addPause(Operation *first, ArrayRef<Value> numbers) {
    // Of no part of the model.
    ImplicitLocOpBuilder b(UnknownLoc::get(first->getContext()), first);
    SmallVector<Value> places;
    for (Value number : numbers) {
      places.push_back(
          memref::AllocOp::create(b, MemRefType::get({}, number.getType())));
      memref::StoreOp::create(b, number, places.back());
    }
    auto pause = PauseOp::create(b);
    for (auto [i, place] : llvm::enumerate(places)) {
      Value number = numbers[i];
      Value kept = memref::LoadOp::create(b, place);
      number.replaceUsesWithIf(kept, [&](OpOperand &use) {
        Operation *user =
            pause->getBlock()->findAncestorOpInBlock(*use.getOwner());
        return pause->isBeforeInBlock(user);
      });
    }
  }
};

} // namespace
