//===- SpecFuzzer.cpp - Any text as a specification -----------------------===//
//
// The input is a `config.json`, ours or that of transformers or timm, then,
// after a NUL each, `preprocessor_config.json` and the file of labels. No other
// file is read, whatever names the text has: this file has `openInputFile` in
// place of lib/Import/InputFile.cpp.
//
// Of a model that is taken, the tensors are listed, and a small one is built in
// the moe dialect, which must be valid.
//
//===----------------------------------------------------------------------===//

#include "ImportFuzzing.h"

#include "moe/Dialect/MoE.h"
#include "moe/Import/ImportModel.h"
#include "moe/Import/ModelWeights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::fuzz;

/// Whether building the model takes no more than milliseconds.
static bool isSmall(const ModelSpec &spec) {
  int64_t experts =
      spec.moe ? spec.moe->numExperts * int64_t(spec.moe->layers.size()) : 0;
  return spec.numLayers <= 8 && experts <= 32 && spec.stem.size() <= 8;
}

static void buildModel(const ModelSpec &spec) {
  // A context of its own would take longer than all else. What models leave in
  // it is forgotten now and then.
  static std::unique_ptr<MLIRContext> context;
  static unsigned numModels;
  if (numModels++ % 1000 == 0) {
    context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
    context->loadDialect<arith::ArithDialect, func::FuncDialect, MoEDialect>();
  }
  OwningOpRef<ModuleOp> module = importModel(spec, context.get());
  require(module && succeeded(verify(*module)));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StringRef text(reinterpret_cast<const char *>(data), size);
  SmallVector<StringRef> texts;
  text.split(texts, '\0', /*MaxSplit=*/2);
  // Heap blocks of their own, so that ASan sees their ends.
  std::vector<std::vector<char>> parts;
  for (StringRef part : texts)
    parts.emplace_back(part.begin(), part.end());
  auto contents = [&](size_t i) {
    return StringRef(parts[i].data(), parts[i].size());
  };
  llvm::StringMap<StringRef> &files = filesInMemory();
  files.clear();
  // Whether there is such a file is looked up on the disk: one that is empty.
  StringRef folder = "/nowhere";
  if (parts.size() > 1) {
    folder = MOE_FUZZ_FOLDER;
    files["preprocessor_config.json"] = contents(1);
  }
  if (parts.size() > 2)
    files[anyFile] = contents(2);

  Errors errors;
  FailureOr<ModelSpec> spec =
      parseModelSpecText(contents(0), (folder + "/config.json").str(), errors);
  require(succeeded(spec) == (errors.numErrors == 0));
  if (failed(spec))
    return 0;

  int64_t parameters = 0;
  for (const ExpectedTensor &tensor : expectedTensors(*spec)) {
    require(tensor.numElements() > 0);
    parameters += tensor.numElements();
  }
  require(parameters == countParameters(*spec));
  require(countActiveParameters(*spec) > 0 &&
          countActiveParameters(*spec) <= parameters);
  require(spec->numTokens() > 0 && spec->headSize() > 0);
  require(spec->labels.empty() ||
          int64_t(spec->labels.size()) == spec->numClasses);
  if (spec->moe) {
    int64_t capacity = spec->expertCapacity();
    require(capacity >= 1 && capacity <= spec->numTokens());
    if (spec->moe->routerType == MoESpec::RouterType::Soft)
      require(spec->slotsPerExpert() >= 1);
  }
  if (isSmall(*spec))
    buildModel(*spec);
  return 0;
}
