//===- RunWith.cpp - The run function with services -----------------------===//

#include "moe/Target/RunWith.h"

#include "moe/Conversion/Passes.h"
#include "moe/Runtime/Model.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace mlir::moe;

namespace {

/// What the threads need to call one kernel.
struct SharedKernel {
  StructType *arguments; ///< the number of parts, then the kernel's arguments
  Function *task;        ///< a MoeTask on such a structure
  AllocaInst *place;     ///< in the run function; calls do not overlap
};

/// void task(void *arguments, size_t part): calls the kernel on its part of the
/// loop. Parts differ by one iteration at most.
Function *makeTask(Function &kernel, StructType *type, int64_t step) {
  Module &module = *kernel.getParent();
  LLVMContext &context = module.getContext();
  Type *i64 = Type::getInt64Ty(context);
  auto *task = Function::Create(
      FunctionType::get(Type::getVoidTy(context),
                        {PointerType::get(context, 0), i64}, false),
      GlobalValue::InternalLinkage, kernel.getName() + "_task", module);
  task->copyAttributesFrom(&kernel);
  task->setLinkage(GlobalValue::InternalLinkage);
  IRBuilder<> b(BasicBlock::Create(context, "", task));
  SmallVector<Value *> fields;
  for (unsigned i = 0; i < type->getNumElements(); ++i)
    fields.push_back(b.CreateLoad(type->getElementType(i),
                                  b.CreateStructGEP(type, task->getArg(0), i)));
  Value *part = task->getArg(1), *parts = fields.front();
  MutableArrayRef<Value *> arguments = MutableArrayRef(fields).drop_front();
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

/// The calls of `name` in `function`.
SmallVector<CallInst *> callsOf(Function &function, StringRef name) {
  SmallVector<CallInst *> calls;
  for (Instruction &instruction : instructions(function))
    if (auto *call = dyn_cast<CallInst>(&instruction))
      if (Function *callee = call->getCalledFunction();
          callee && callee->getName() == name)
        calls.push_back(call);
  return calls;
}

/// The copy in the making.
class RunWith {
public:
  explicit RunWith(Function &run)
      : run(run), context(run.getContext()),
        pointer(PointerType::get(context, 0)), i64(Type::getInt64Ty(context)) {}

  RunFunctions create();

private:
  void copy();
  void shareKernels();
  void share(CallInst &call, int64_t step);
  void callMarks();
  void findExperts();
  bool pause();

  Value *services() { return with->getArg(with->arg_size() - 1); }
  /// A field of MoeServices.
  Value *service(IRBuilder<> &b, size_t offset) {
    Type *type = offset == offsetof(MoeServices, threads) ||
                         offset == offsetof(MoeServices, stage)
                     ? i64
                     : pointer;
    return b.CreateLoad(
        type, b.CreateConstGEP1_64(b.getInt8Ty(), services(), offset));
  }
  FunctionType *function(ArrayRef<Type *> arguments, Type *result = nullptr) {
    return FunctionType::get(result ? result : Type::getVoidTy(context),
                             arguments, false);
  }

  Function &run;
  LLVMContext &context;
  Type *pointer, *i64;
  Function *with = nullptr;
  MapVector<Function *, SharedKernel> kernels;
};

} // namespace

void RunWith::copy() {
  SmallVector<Type *> parameters(run.getFunctionType()->params());
  parameters.push_back(pointer);
  with = Function::Create(function(parameters, run.getReturnType()),
                          run.getLinkage(), "with." + run.getName(),
                          *run.getParent());
  ValueToValueMapTy map;
  for (auto [from, to] : zip(run.args(), with->args()))
    map[&from] = &to;
  SmallVector<ReturnInst *> returns;
  CloneFunctionInto(with, &run, map, CloneFunctionChangeType::LocalChangesOnly,
                    returns);
  with->setVisibility(run.getVisibility());
}

/// The step of the kernel's loop; 0 if it is none that is shared.
static int64_t stepOf(CallInst &call) {
  int64_t step = 0;
  if (Function *kernel = call.getCalledFunction())
    kernel->getFnAttribute(kParallelStepAttr)
        .getValueAsString()
        .getAsInteger(10, step);
  return step;
}

void RunWith::shareKernels() {
  SmallVector<std::pair<CallInst *, int64_t>> calls;
  for (Instruction &instruction : instructions(*with))
    if (auto *call = dyn_cast<CallInst>(&instruction))
      if (int64_t step = stepOf(*call))
        calls.push_back({call, step});
  for (auto [call, step] : calls)
    share(*call, step);
}

void RunWith::share(CallInst &call, int64_t step) {
  Function &kernel = *call.getCalledFunction();
  SharedKernel &shared = kernels[&kernel];
  if (!shared.task) {
    SmallVector<Type *> fields{i64};
    append_range(fields, kernel.getFunctionType()->params());
    shared.arguments = StructType::get(context, fields);
    shared.task = makeTask(kernel, shared.arguments, step);
    IRBuilder<> entry(&with->getEntryBlock(), with->getEntryBlock().begin());
    shared.place = entry.CreateAlloca(shared.arguments);
  }
  IRBuilder<> b(&call);
  auto store = [&](Value *value, unsigned field) {
    b.CreateStore(value,
                  b.CreateStructGEP(shared.arguments, shared.place, field));
  };
  Value *threads = service(b, offsetof(MoeServices, threads));
  store(threads, 0);
  for (auto [i, argument] : enumerate(call.args()))
    store(argument, i + 1);
  b.CreateCall(function({pointer, i64, pointer, pointer}),
               service(b, offsetof(MoeServices, parallel_for)),
               {service(b, offsetof(MoeServices, context)), threads,
                shared.task, shared.place});
  call.eraseFromParent();
}

void RunWith::callMarks() {
  for (CallInst *call : callsOf(*with, kMarkFunction)) {
    IRBuilder<> b(call);
    Value *mark = service(b, offsetof(MoeServices, mark));
    Instruction *then =
        SplitBlockAndInsertIfThen(b.CreateIsNotNull(mark), call, false);
    b.SetInsertPoint(then);
    b.CreateCall(function({pointer, i64, i64}), mark,
                 {service(b, offsetof(MoeServices, context)),
                  call->getArgOperand(0), call->getArgOperand(1)});
    call->eraseFromParent();
  }
}

void RunWith::findExperts() {
  Module &module = *run.getParent();
  for (CallInst *call : callsOf(*with, kExpertFunction)) {
    IRBuilder<> b(call);
    FunctionCallee find = module.getOrInsertFunction(
        "moe_find_expert", function({pointer, i64, i64}, pointer));
    Value *ids = module.getOrInsertGlobal(kExpertIds, ArrayType::get(i64, 0));
    Value *index = call->getArgOperand(0);
    Value *id = b.CreateLoad(i64, b.CreateGEP(i64, ids, index));
    Value *weights = b.CreateCall(find, {services(), index, id});
    Instruction *then = SplitBlockAndInsertIfThen(b.CreateIsNull(weights), call,
                                                  /*Unreachable=*/true);
    ReplaceInstWithInst(then,
                        ReturnInst::Create(context, b.getInt32(MOE_NO_EXPERT)));
    call->replaceAllUsesWith(weights);
    call->eraseFromParent();
  }
}

/// Whether `instruction` computes an address or the like, of nothing that a run
/// changes.
static bool isPlace(const Instruction &instruction) {
  return isa<GetElementPtrInst, InsertValueInst, ExtractValueInst, CastInst,
             BinaryOperator>(instruction);
}

/// At the pause, a run of MOE_STAGE_ROUTE ends and one of MOE_STAGE_EXPERTS
/// begins. What lies in the workspace is there for both; addresses are computed
/// again. False, and nothing is changed, if the second one needs more.
bool RunWith::pause() {
  SmallVector<CallInst *> calls = callsOf(*with, kPauseFunction);
  if (calls.size() != 1)
    return false;
  Instruction *pause = calls.front();
  BasicBlock *entry = &with->getEntryBlock();
  BasicBlock *second = SplitBlock(pause->getParent(), pause->getNextNode());
  SmallPtrSet<BasicBlock *, 32> secondBlocks;
  for (SmallVector<BasicBlock *> open{second}; !open.empty();) {
    BasicBlock *block = open.pop_back_val();
    if (secondBlocks.insert(block).second)
      append_range(open, successors(block));
  }
  // What the second part uses of the first, operands first.
  SetVector<Instruction *> needed;
  bool isPossible = !secondBlocks.contains(entry);
  auto need = [&](auto &&self, Instruction *used) -> void {
    if (isa<AllocaInst>(used) || needed.contains(used))
      return;
    isPossible &= isPlace(*used);
    if (!isPossible)
      return;
    for (Value *operand : used->operands())
      if (auto *other = dyn_cast<Instruction>(operand))
        self(self, other);
    needed.insert(used);
  };
  for (BasicBlock *block : secondBlocks)
    for (Instruction &instruction : *block)
      for (Value *operand : instruction.operands())
        if (auto *other = dyn_cast<Instruction>(operand);
            other && !secondBlocks.contains(other->getParent()))
          need(need, other);
  if (!isPossible)
    return false;

  DenseMap<Value *, Instruction *> again;
  IRBuilder<> b(second, second->begin());
  for (Instruction *instruction : needed) {
    Instruction *copy = instruction->clone();
    for (Use &operand : copy->operands())
      if (Instruction *other = again.lookup(operand.get()))
        operand.set(other);
    again[instruction] = b.Insert(copy);
  }
  for (Instruction *instruction : needed)
    instruction->replaceUsesWithIf(again[instruction], [&](Use &use) {
      return secondBlocks.contains(
          cast<Instruction>(use.getUser())->getParent());
    });

  auto *start = BasicBlock::Create(context, "", with, entry);
  for (Instruction &instruction : make_early_inc_range(*entry))
    if (isa<AllocaInst>(instruction))
      instruction.moveBefore(*start, start->end());
  b.SetInsertPoint(start);
  Value *stage = service(b, offsetof(MoeServices, stage));
  b.CreateCondBr(b.CreateICmpEQ(stage, b.getInt64(MOE_STAGE_EXPERTS)), second,
                 entry);
  // The first part's last block falls through to the second.
  BasicBlock *first = pause->getParent();
  b.SetInsertPoint(pause);
  auto *stop = BasicBlock::Create(context, "", with, second);
  b.CreateCondBr(b.CreateICmpEQ(stage, b.getInt64(MOE_STAGE_ROUTE)), stop,
                 second);
  first->getTerminator()->eraseFromParent();
  b.SetInsertPoint(stop);
  // To whoever measures, the part before ends here.
  Function *mark = run.getParent()->getFunction(kMarkFunction);
  if (mark)
    b.CreateCall(mark, {b.getInt64(-1), b.getInt64(-1)});
  b.CreateRet(b.getInt32(0));
  return true;
}

RunFunctions RunWith::create() {
  copy();
  bool needsFiles = !callsOf(run, kExpertFunction).empty();
  shareKernels();
  bool hasStages = pause();
  callMarks();
  findExperts();
  for (Function *function : {&run, with})
    for (StringRef name : {kMarkFunction, kPauseFunction})
      for (CallInst *call : callsOf(*function, name))
        call->eraseFromParent();
  if (needsFiles)
    run.eraseFromParent();
  return {needsFiles ? nullptr : &run, with, hasStages};
}

RunFunctions mlir::moe::addRunWith(Function &run) {
  return RunWith(run).create();
}
