//===- ModelInfo.cpp - What surrounds the generated code ------------------===//

#include "moe/Target/ModelInfo.h"

#include "moe/Conversion/Passes.h"
#include "moe/Runtime/Services.h"

#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Adds the functions of the C interface.
class CInterface {
public:
  CInterface(llvm::Module &module, const ModelSpec &spec,
             const CompiledModel &compiled)
      : module(module), spec(spec), compiled(compiled), b(module.getContext()) {
  }
  void emit();

private:
  using Call = function_ref<llvm::Value *(const Variant &)>;

  /// A function NAME_`suffix` that other programs call, positioned in its body.
  llvm::Function *create(StringRef suffix, llvm::Type *result,
                         ArrayRef<llvm::Type *> parameters);
  llvm::BasicBlock *block() {
    return llvm::BasicBlock::Create(module.getContext(), "",
                                    b.GetInsertBlock()->getParent());
  }
  /// Returns `status` from the function if `condition` holds.
  void returnIf(llvm::Value *condition, int status);
  /// Returns from the function if one of its first three arguments is null.
  void checkPointers(llvm::Function *function);
  /// What the CPU can do.
  llvm::Value *features();
  /// Returns what `call` makes of the first variant that the CPU can run.
  void callVariant(Call call);

  /// NAME_`suffix`(index): one of `values`; zero beyond.
  void lookUp(StringRef suffix, ArrayRef<llvm::Constant *> values);

  llvm::Module &module;
  const ModelSpec &spec;
  const CompiledModel &compiled;
  llvm::IRBuilder<> b;
  llvm::GlobalVariable *known = nullptr;
};

} // namespace

llvm::Function *CInterface::create(StringRef suffix, llvm::Type *result,
                                   ArrayRef<llvm::Type *> parameters) {
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(result, parameters, false),
      llvm::Function::ExternalLinkage, spec.name + suffix, module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", function));
  return function;
}

void CInterface::returnIf(llvm::Value *condition, int status) {
  llvm::BasicBlock *yes = block(), *no = block();
  b.CreateCondBr(condition, yes, no);
  b.SetInsertPoint(yes);
  b.CreateRet(b.getInt32(status));
  b.SetInsertPoint(no);
}

void CInterface::checkPointers(llvm::Function *function) {
  llvm::Value *isNull = b.getFalse();
  for (unsigned i = 0; i < 3; ++i)
    isNull = b.CreateOr(isNull, b.CreateIsNull(function->getArg(i)));
  returnIf(isNull, MOE_NULL_POINTER);
}

llvm::Value *CInterface::features() {
  uint64_t wanted = 0;
  for (const Variant &variant : compiled.variants)
    wanted |= variant.level->features;
  llvm::BasicBlock *load = b.GetInsertBlock(), *probe = block(),
                   *done = block();
  llvm::LoadInst *old =
      b.CreateAlignedLoad(b.getInt64Ty(), known, llvm::Align(8));
  old->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateCondBr(b.CreateICmpEQ(old, b.getInt64(0)), probe, done);
  b.SetInsertPoint(probe);
  llvm::Value *fresh =
      b.CreateCall(module.getFunction("moe_cpu_features"), b.getInt64(wanted));
  b.CreateAlignedStore(fresh, known, llvm::Align(8))
      ->setAtomic(llvm::AtomicOrdering::Monotonic);
  b.CreateBr(done);
  b.SetInsertPoint(done);
  llvm::PHINode *features = b.CreatePHI(b.getInt64Ty(), 2);
  features->addIncoming(old, load);
  features->addIncoming(fresh, probe);
  return features;
}

void CInterface::callVariant(Call call) {
  llvm::Value *features = this->features();
  for (const Variant &variant : compiled.variants) {
    llvm::Value *needed = b.getInt64(variant.level->features);
    llvm::Value *fits = b.CreateICmpEQ(b.CreateAnd(features, needed), needed);
    llvm::BasicBlock *yes = block(), *no = block();
    b.CreateCondBr(fits, yes, no);
    b.SetInsertPoint(yes);
    b.CreateRet(call(variant));
    b.SetInsertPoint(no);
  }
  b.CreateRet(b.getInt32(MOE_NO_VARIANT));
}

void CInterface::emit() {
  llvm::Type *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
  llvm::Type *pointer = b.getPtrTy();
  // What the CPU can do; 0 as long as nobody asked. Two threads that both ask
  // write the same value.
  known = new llvm::GlobalVariable(module, i64, /*isConstant=*/false,
                                   llvm::GlobalValue::InternalLinkage,
                                   b.getInt64(0), spec.name + "_cpu");
  known->setAlignment(llvm::Align(8));

  create("_workspace_size", i64, {});
  b.CreateRet(b.getInt64(compiled.workspaceBytes));

  llvm::Function *run = create("_run", i32, {pointer, pointer, pointer});
  checkPointers(run);
  if (compiled.variants.front().code.run)
    callVariant([&](const Variant &variant) {
      return b.CreateCall(variant.code.run,
                          {run->getArg(0), run->getArg(1), run->getArg(2)});
    });
  else
    b.CreateRet(b.getInt32(MOE_NO_EXPERT));

  llvm::Function *with =
      create("_run_with", i32, {pointer, pointer, pointer, pointer});
  checkPointers(with);
  static_assert(sizeof(MoeServices) % 8 == 0, "all of it is words");
  llvm::Value *services =
      b.CreateAlloca(llvm::ArrayType::get(i64, sizeof(MoeServices) / 8));
  b.CreateCall(module.getFunction("moe_fill_services"),
               {with->getArg(3), services});
  callVariant([&](const Variant &variant) {
    return b.CreateCall(variant.code.runWith, {with->getArg(0), with->getArg(1),
                                               with->getArg(2), services});
  });

  if (compiled.expertFiles.empty())
    return;
  SmallVector<llvm::Constant *> names, sizes;
  for (const ExpertFile &expert : compiled.expertFiles) {
    names.push_back(b.CreateGlobalString(expert.name, "", 0, &module));
    sizes.push_back(b.getInt64(expert.bytes));
  }
  lookUp("_expert_file", names);
  lookUp("_expert_size", sizes);
}

void CInterface::lookUp(StringRef suffix, ArrayRef<llvm::Constant *> values) {
  llvm::Type *value = values.front()->getType();
  auto *type = llvm::ArrayType::get(value, values.size());
  auto *table = new llvm::GlobalVariable(
      module, type, /*isConstant=*/true, llvm::GlobalValue::InternalLinkage,
      llvm::ConstantArray::get(type, values), spec.name + suffix + "s");
  llvm::Function *function = create(suffix, value, b.getInt64Ty());
  llvm::Value *index = function->getArg(0);
  llvm::BasicBlock *yes = block(), *no = block();
  b.CreateCondBr(b.CreateICmpULT(index, b.getInt64(values.size())), yes, no);
  b.SetInsertPoint(no);
  b.CreateRet(llvm::Constant::getNullValue(value));
  b.SetInsertPoint(yes);
  b.CreateRet(b.CreateLoad(
      value, b.CreateInBoundsGEP(type, table, {b.getInt64(0), index})));
}

void mlir::moe::emitCInterface(llvm::Module &module, const ModelSpec &spec,
                               const CompiledModel &compiled) {
  CInterface(module, spec, compiled).emit();
}

std::vector<ModelPart> mlir::moe::readParts(ModuleOp module) {
  std::vector<ModelPart> parts;
  auto list = module->getAttrOfType<ArrayAttr>(kPartsAttr);
  if (!list)
    return parts;
  for (auto fields : list.getAsRange<DictionaryAttr>()) {
    auto integer = [&](StringRef name) {
      auto value = fields.getAs<IntegerAttr>(name);
      return value ? value.getInt() : 0;
    };
    parts.push_back({fields.getAs<StringAttr>("name").str(), integer("layer"),
                     parsePrecision(fields.getAs<StringAttr>("kind")).value(),
                     integer("multiply_adds"), integer("bytes"),
                     integer("multiply_adds_per_token"),
                     integer("bytes_per_token")});
  }
  return parts;
}

void mlir::moe::emitExpertIds(llvm::Module &module,
                              const CompiledModel &compiled) {
  llvm::GlobalVariable *declared = module.getGlobalVariable(kExpertIds);
  if (!declared)
    return;
  SmallVector<uint64_t> ids;
  for (const ExpertFile &expert : compiled.expertFiles)
    ids.push_back(expert.id);
  llvm::Constant *value =
      llvm::ConstantDataArray::get(module.getContext(), ids);
  auto *defined =
      new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                               llvm::GlobalValue::InternalLinkage, value, "");
  declared->replaceAllUsesWith(defined);
  declared->eraseFromParent();
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
    ExpertSection owner =
        expertOfSection(section.name).value_or(ExpertSection{-1, -1});
    return llvm::ConstantStruct::getAnon(
        {begin,
         llvm::ConstantExpr::getGetElementPtr(b.getInt8Ty(), begin,
                                              b.getInt64(section.size)),
         integer(owner.layer), integer(owner.expert)});
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
  auto orNull = [&](llvm::Function *function) -> llvm::Constant * {
    return function ? function : info.null();
  };
  for (const Variant &variant : compiled.variants) {
    SmallVector<llvm::Constant *> fields{
        info.string(variant.level->name), info.integer(variant.level->features),
        orNull(variant.code.run), variant.code.runWith};
    for (const PeakLoop &peak : variant.peaks)
      fields.append(
          {orNull(peak.function), info.integer(peak.multiplyAddsPerRound)});
    variants.push_back(llvm::ConstantStruct::getAnon(fields));
  }
  auto labels = llvm::map_to_vector(spec.labels, [&](const std::string &label) {
    return info.string(label);
  });
  int64_t weightBytes = 0;
  SmallVector<llvm::Constant *> shared, experts;
  for (const WeightSection &section : compiled.sections) {
    weightBytes += section.size;
    if (!section.isExpert())
      shared.push_back(info.range(section));
    else if (compiled.expertFiles.empty())
      experts.push_back(info.range(section));
  }
  SmallVector<llvm::Constant *> files, parts;
  for (const ExpertFile &file : compiled.expertFiles)
    files.push_back(llvm::ConstantStruct::getAnon({info.string(file.name),
                                                   info.integer(file.id),
                                                   info.integer(file.bytes)}));
  for (const ModelPart &part : compiled.parts)
    parts.push_back(llvm::ConstantStruct::getAnon(
        {info.string(part.name), info.integer(part.layer),
         info.integer(static_cast<int64_t>(part.kind)),
         info.integer(part.multiplyAdds), info.integer(part.bytes),
         info.integer(part.multiplyAddsPerToken),
         info.integer(part.bytesPerToken)}));
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
      info.integer(experts.size() + files.size()),
      info.array(experts),
      info.integer(static_cast<int64_t>(compiled.expertsMode)),
      info.array(files),
      files.empty() ? info.null() : info.string(compiled.expertsFolder),
      info.integer(llvm::all_of(
          compiled.variants,
          [](const Variant &variant) { return variant.code.hasStages; })),
      info.integer(parts.size()),
      info.array(parts),
  };
  static_assert(sizeof(MoeModel) == sizeof(fields) / sizeof(*fields) * 8,
                "a field of MoeModel is missing here");
  auto *value = llvm::ConstantStruct::getAnon(fields);
  auto *model = new llvm::GlobalVariable(
      module, value->getType(), /*isConstant=*/true,
      llvm::GlobalValue::ExternalLinkage, value, "moe_model");
  model->setVisibility(llvm::GlobalValue::HiddenVisibility);
}

std::string mlir::moe::makeHeader(const ModelSpec &spec,
                                  const CompiledModel &compiled) {
  bool hasFiles = !compiled.expertFiles.empty();
  std::string experts, functions;
  if (hasFiles) {
    experts = llvm::formatv("#define {0}_EXPERTS {1}\n", spec.name,
                            compiled.expertFiles.size());
    functions = llvm::formatv(
        R"(/* The file of expert `index` < {0}_EXPERTS: its name, without a folder (NULL
 * beyond), and its size in bytes (0 beyond). */
const char *{0}_expert_file(size_t index);
size_t {0}_expert_size(size_t index);

)",
        spec.name);
  }
  return llvm::formatv(
      R"(/* {0}: generated by moe-compile. */
#ifndef MOE_MODEL_{0}_H
#define MOE_MODEL_{0}_H

#include <stddef.h>

#define {0}_CHANNELS {1}
#define {0}_HEIGHT {2}
#define {0}_WIDTH {3}
#define {0}_CLASSES {4}
{9}
#ifdef __cplusplus
extern "C" {{
#endif

{6}/* Bytes of the workspace that {0}_run needs. */
size_t {0}_workspace_size(void);

/* {5}
 * `input` is float[{0}_CHANNELS][{0}_HEIGHT][{0}_WIDTH], preprocessed as in
 * training; `logits` is float[{0}_CLASSES]; `workspace` is
 * {0}_workspace_size() bytes, aligned to 64. Returns 0; 1 if a pointer is null;
 * 2 if this CPU can run none of the variants that were compiled in{7}.
 * Reentrant: no heap, no locks. Threads need a workspace each. */
int {0}_run(const float *input, float *logits, void *workspace);

/* What a run may use; all zero is one thread, the caller's. */
typedef struct {0}_options {{
  /* First argument of the functions below. */
  void *context;
  /* Calls `task` for each part below `parts`, on any threads, and returns when
   * all calls have. The run shares its work by it, many times, and computes the
   * same to the bit. */
  void (*parallel_for)(void *context, size_t parts,
                       void (*task)(void *arguments, size_t part),
                       void *arguments);
  /* Into how many parts: the number of threads. */
  size_t threads;
  /* {8} */
  const void *(*expert)(void *context, size_t index);
} {0}_options;

/* As {0}_run, with options (or NULL). */
int {0}_run_with(const float *input, float *logits, void *workspace,
                 const {0}_options *options);

#ifdef __cplusplus
}
#endif

#endif /* MOE_MODEL_{0}_H */
)",
      spec.name, spec.numChannels, spec.imageHeight, spec.imageWidth,
      spec.numClasses,
      spec.hasHead ? "Classifies one image."
                   : "Computes an image's features, in place of logits.",
      functions,
      hasFiles ? ";\n * 3, since its experts are files: use " + spec.name +
                     "_run_with"
               : "",
      hasFiles
          ? "The whole file " + spec.name +
                "_expert_file(index) in memory, aligned to 64\n   * bytes, "
                "from "
                "the first call on until the run ends. NULL if it is not "
                "there:\n"
                "   * the run then returns 3, as it does for a file of another "
                "model."
          : "Not used by this model.",
      experts);
}
