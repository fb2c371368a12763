//===- ModelInfo.cpp - What surrounds the generated code ------------------===//

#include "moe/Target/ModelInfo.h"

#include "moe/Runtime/Model.h"

#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::moe;

void mlir::moe::emitCInterface(llvm::Module &module, const ModelSpec &spec,
                               const CompiledModel &compiled) {
  llvm::LLVMContext &context = module.getContext();
  llvm::IRBuilder<> b(context);
  llvm::Type *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
  llvm::PointerType *pointer = b.getPtrTy();

  auto *size = llvm::Function::Create(llvm::FunctionType::get(i64, false),
                                      llvm::Function::ExternalLinkage,
                                      spec.name + "_workspace_size", module);
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "", size));
  b.CreateRet(b.getInt64(compiled.workspaceBytes));

  // What the CPU can do; 0 as long as nobody asked. Two threads that both ask
  // write the same value.
  auto *known = new llvm::GlobalVariable(module, i64, /*isConstant=*/false,
                                         llvm::GlobalValue::InternalLinkage,
                                         b.getInt64(0), spec.name + "_cpu");
  known->setAlignment(llvm::Align(8));
  llvm::Function *probe = module.getFunction("moe_cpu_features");

  auto *run = llvm::Function::Create(
      llvm::FunctionType::get(i32, {pointer, pointer, pointer}, false),
      llvm::Function::ExternalLinkage, spec.name + "_run", module);
  auto block = [&](const char *name) {
    return llvm::BasicBlock::Create(context, name, run);
  };
  llvm::BasicBlock *entry = block("entry"), *load = block("load"),
                   *ask = block("probe"), *choose = block("choose"),
                   *null = block("null");
  SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &argument : run->args())
    arguments.push_back(&argument);
  b.SetInsertPoint(entry);
  llvm::Value *isNull = b.getFalse();
  for (llvm::Value *argument : arguments)
    isNull = b.CreateOr(isNull, b.CreateIsNull(argument));
  b.CreateCondBr(isNull, null, load);
  b.SetInsertPoint(null);
  b.CreateRet(b.getInt32(1));

  b.SetInsertPoint(load);
  llvm::LoadInst *old = b.CreateAlignedLoad(i64, known, llvm::Align(8));
  old->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateCondBr(b.CreateICmpEQ(old, b.getInt64(0)), ask, choose);
  b.SetInsertPoint(ask);
  uint64_t wanted = 0;
  for (const Variant &variant : compiled.variants)
    wanted |= variant.level->features;
  llvm::Value *fresh = b.CreateCall(probe, b.getInt64(wanted));
  b.CreateAlignedStore(fresh, known, llvm::Align(8))
      ->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateBr(choose);

  b.SetInsertPoint(choose);
  llvm::PHINode *features = b.CreatePHI(i64, 2);
  features->addIncoming(old, load);
  features->addIncoming(fresh, ask);
  for (const Variant &variant : compiled.variants) {
    llvm::Value *needed = b.getInt64(variant.level->features);
    llvm::Value *fits = b.CreateICmpEQ(b.CreateAnd(features, needed), needed);
    llvm::BasicBlock *yes = block("run"), *no = block("next");
    b.CreateCondBr(fits, yes, no);
    b.SetInsertPoint(yes);
    b.CreateRet(b.CreateCall(variant.run, arguments));
    b.SetInsertPoint(no);
  }
  b.CreateRet(b.getInt32(2));
}

namespace {

/// Builds constants of the types in moe/Runtime/Model.h.
class InfoBuilder {
public:
  explicit InfoBuilder(llvm::Module &module)
      : module(module), b(module.getContext()) {}

  llvm::Constant *integer(int64_t value) { return b.getInt64(value); }
  llvm::Constant *null() {
    return llvm::ConstantPointerNull::get(b.getPtrTy());
  }
  llvm::Constant *string(StringRef text) {
    return global(
        llvm::ConstantDataArray::getString(module.getContext(), text));
  }
  llvm::Constant *floats(ArrayRef<float> values) {
    return global(llvm::ConstantDataArray::get(module.getContext(), values));
  }
  /// The first byte of a weight section and the one after its last.
  llvm::Constant *range(const WeightSection &section) {
    llvm::Constant *begin = module.getOrInsertGlobal(
        section.symbol, llvm::ArrayType::get(b.getInt8Ty(), 0));
    return llvm::ConstantStruct::getAnon(
        {begin, llvm::ConstantExpr::getGetElementPtr(
                    b.getInt8Ty(), begin, b.getInt64(section.size))});
  }
  /// Values of one type; null for none.
  llvm::Constant *array(ArrayRef<llvm::Constant *> values) {
    if (values.empty())
      return null();
    auto *type = llvm::ArrayType::get(values.front()->getType(), values.size());
    return global(llvm::ConstantArray::get(type, values));
  }
  llvm::Constant *global(llvm::Constant *value) {
    auto *variable = new llvm::GlobalVariable(
        module, value->getType(), /*isConstant=*/true,
        llvm::GlobalValue::PrivateLinkage, value, "moe_info");
    variable->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    return variable;
  }

private:
  llvm::Module &module;
  llvm::IRBuilder<> b;
};

} // namespace

void mlir::moe::emitModelInfo(llvm::Module &module, const ModelSpec &spec,
                              const CompiledModel &compiled) {
  InfoBuilder info(module);
  SmallVector<llvm::Constant *> variants;
  for (const Variant &variant : compiled.variants)
    variants.push_back(llvm::ConstantStruct::getAnon(
        {info.string(variant.level->name),
         info.integer(variant.level->features), variant.run, variant.runTeam}));
  auto labels = llvm::map_to_vector(spec.labels, [&](const std::string &label) {
    return info.string(label);
  });
  int64_t weightBytes = 0;
  SmallVector<llvm::Constant *> shared, experts;
  for (const WeightSection &section : compiled.sections) {
    weightBytes += section.size;
    (section.isExpert() ? experts : shared).push_back(info.range(section));
  }
  bool perPatch = spec.moe && spec.moe->routing == MoESpec::Routing::Patch;

  auto squash = spec.preprocess.squash.value_or(std::pair(0, 0));

  // The fields of MoeModel, in their order.
  llvm::Constant *fields[] = {
      info.integer(MOE_MODEL_ABI_VERSION),
      info.string(spec.name),
      info.string(module.getTargetTriple().str()),
      info.string(compiled.precision),
      info.integer(spec.numChannels),
      info.integer(spec.imageHeight),
      info.integer(spec.imageWidth),
      info.integer(spec.numClasses),
      info.integer(!spec.hasHead),
      info.integer(compiled.workspaceBytes),
      info.integer(compiled.routesOffset),
      info.integer(compiled.numRoutes),
      info.integer(perPatch),
      info.integer(compiled.parameters),
      info.integer(compiled.activeParameters),
      info.integer(compiled.multiplyAdds),
      info.integer(weightBytes),
      info.integer(spec.preprocess.resize.value_or(0)),
      info.integer(squash.first),
      info.integer(squash.second),
      info.integer(spec.preprocess.bicubic),
      info.floats(spec.preprocess.mean),
      info.floats(spec.preprocess.std),
      info.array(labels),
      info.integer(compiled.variants.size()),
      info.array(variants),
      info.array(shared),
      info.integer(experts.size()),
      info.array(experts),
  };
  static_assert(sizeof(MoeModel) == sizeof(fields) / sizeof(*fields) * 8,
                "a field of MoeModel is missing here");
  auto *value = llvm::ConstantStruct::getAnon(fields);
  auto *model = new llvm::GlobalVariable(
      module, value->getType(), /*isConstant=*/true,
      llvm::GlobalValue::ExternalLinkage, value, "moe_model");
  model->setVisibility(llvm::GlobalValue::HiddenVisibility);
}

std::string mlir::moe::makeHeader(const ModelSpec &spec) {
  return llvm::formatv(
      R"(/* {0}: generated by moe-compile. */
#ifndef MOE_MODEL_{0}_H
#define MOE_MODEL_{0}_H

#include <stddef.h>

#define {0}_CHANNELS {1}
#define {0}_HEIGHT {2}
#define {0}_WIDTH {3}
#define {0}_CLASSES {4}

#ifdef __cplusplus
extern "C" {{
#endif

/* Bytes of the workspace that {0}_run needs. */
size_t {0}_workspace_size(void);

/* {5}
 * `input` is float[{0}_CHANNELS][{0}_HEIGHT][{0}_WIDTH], preprocessed as in
 * training; `logits` is float[{0}_CLASSES]; `workspace` is
 * {0}_workspace_size() bytes, aligned to 64. Returns 0; 1 if a pointer is null;
 * 2 if this CPU can run none of the variants that were compiled in.
 * Reentrant: no heap, no locks. Threads need a workspace each. */
int {0}_run(const float *input, float *logits, void *workspace);

#ifdef __cplusplus
}
#endif

#endif /* MOE_MODEL_{0}_H */
)",
      spec.name, spec.numChannels, spec.imageHeight, spec.imageWidth,
      spec.numClasses,
      spec.hasHead ? "Classifies one image."
                   : "Computes an image's features, in place of logits.");
}
