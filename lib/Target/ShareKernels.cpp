//===- ShareKernels.cpp - Kernels shared among threads --------------------===//

#include "moe/Target/ShareKernels.h"

#include "moe/Conversion/Passes.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;

namespace {

/// What the threads need to call one kernel.
struct SharedKernel {
  StructType *arguments; ///< of the kernel, one after the other
  Function *task;        ///< a MoeTask on such a structure
  AllocaInst *place;     ///< in the run function; calls do not overlap
};

/// void task(void *arguments, int64_t part, int64_t parts): calls the kernel on
/// its part of the loop. Parts differ by one iteration at most.
Function *makeTask(Function &kernel, StructType *type, int64_t step) {
  Module &module = *kernel.getParent();
  LLVMContext &context = module.getContext();
  Type *i64 = Type::getInt64Ty(context);
  auto *task = Function::Create(
      FunctionType::get(Type::getVoidTy(context),
                        {PointerType::get(context, 0), i64, i64}, false),
      GlobalValue::InternalLinkage, kernel.getName() + "_task", module);
  task->copyAttributesFrom(&kernel);
  task->setLinkage(GlobalValue::InternalLinkage);
  IRBuilder<> b(BasicBlock::Create(context, "", task));
  Value *part = task->getArg(1), *parts = task->getArg(2);
  SmallVector<Value *> arguments;
  for (unsigned i = 0; i < type->getNumElements(); ++i)
    arguments.push_back(b.CreateLoad(
        type->getElementType(i), b.CreateStructGEP(type, task->getArg(0), i)));
  Value *first = arguments[0], *last = arguments[1], *by = b.getInt64(step);
  Value *one = b.getInt64(1);
  // The last iteration may be shorter than a step.
  Value *trips = b.CreateUDiv(
      b.CreateAdd(b.CreateSub(last, first), b.CreateSub(by, one)), by);
  auto boundary = [&](Value *index) {
    Value *at = b.CreateUDiv(b.CreateMul(trips, index), parts);
    Value *bound = b.CreateAdd(first, b.CreateMul(at, by));
    return b.CreateBinaryIntrinsic(Intrinsic::umin, bound, last);
  };
  arguments[0] = boundary(part);
  arguments[1] = boundary(b.CreateAdd(part, one));
  b.CreateCall(&kernel, arguments);
  b.CreateRetVoid();
  return task;
}

class TeamRun {
public:
  explicit TeamRun(Function &run) : run(run), context(run.getContext()) {}

  Function *create() {
    SmallVector<Type *> parameters(run.getFunctionType()->params());
    parameters.push_back(PointerType::get(context, 0));
    auto *type = FunctionType::get(run.getReturnType(), parameters, false);
    team = Function::Create(type, run.getLinkage(), run.getName() + "_team",
                            *run.getParent());
    ValueToValueMapTy map;
    for (auto [from, to] : zip(run.args(), team->args()))
      map[&from] = &to;
    SmallVector<ReturnInst *> returns;
    CloneFunctionInto(team, &run, map,
                      CloneFunctionChangeType::LocalChangesOnly, returns);
    team->setVisibility(run.getVisibility());
    SmallVector<std::pair<CallInst *, int64_t>> calls;
    for (BasicBlock &block : *team)
      for (Instruction &instruction : block)
        if (auto *call = dyn_cast<CallInst>(&instruction))
          if (int64_t step = stepOf(*call))
            calls.push_back({call, step});
    for (auto [call, step] : calls)
      share(*call, step);
    return team;
  }

private:
  /// Of the kernel's loop; 0 if it is none that is shared.
  static int64_t stepOf(CallInst &call) {
    int64_t step = 0;
    if (Function *kernel = call.getCalledFunction())
      kernel->getFnAttribute(mlir::moe::kParallelStepAttr)
          .getValueAsString()
          .getAsInteger(10, step);
    return step;
  }

  void share(CallInst &call, int64_t step) {
    Function &kernel = *call.getCalledFunction();
    SharedKernel &shared = kernels[&kernel];
    if (!shared.task) {
      shared.arguments =
          StructType::get(context, kernel.getFunctionType()->params());
      shared.task = makeTask(kernel, shared.arguments, step);
      IRBuilder<> entry(&team->getEntryBlock(), team->getEntryBlock().begin());
      shared.place = entry.CreateAlloca(shared.arguments);
    }
    IRBuilder<> b(&call);
    for (auto [i, argument] : enumerate(call.args()))
      b.CreateStore(argument,
                    b.CreateStructGEP(shared.arguments, shared.place, i));
    // MoeTeam's first field is the function that shares.
    Value *self = team->getArg(team->arg_size() - 1);
    Type *pointer = PointerType::get(context, 0);
    auto *type = FunctionType::get(Type::getVoidTy(context),
                                   {pointer, pointer, pointer}, false);
    b.CreateCall(type, b.CreateLoad(pointer, self),
                 {self, shared.task, shared.place});
    call.eraseFromParent();
  }

  Function &run;
  LLVMContext &context;
  Function *team = nullptr;
  MapVector<Function *, SharedKernel> kernels;
};

} // namespace

Function *mlir::moe::addTeamRun(Function &run) { return TeamRun(run).create(); }
