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
#include "InputFile.h"

#include "moe/Dialect/MoE.h"
#include "moe/Import/ImportModel.h"
#include "moe/Import/ModelWeights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::fuzz;

/// The parts of the input. The last ones are absent if the text has no NUL.
static StringRef processorText, labelsText;
static bool hasLabels;

void moe::reportError(InputErrorSink sink, StringRef file, StringRef where,
                      const llvm::Twine &message) {
  sink({InputError::Severity::Error, file.str(), where.str(), message.str()});
}

std::unique_ptr<llvm::MemoryBuffer>
moe::openInputFile(StringRef path, uint64_t maxBytes, InputErrorSink sink) {
  bool isProcessor = path.ends_with("/preprocessor_config.json");
  StringRef text = isProcessor ? processorText : labelsText;
  if ((isProcessor || hasLabels) && text.size() <= maxBytes)
    // A copy of its exact size: reading on is seen.
    return llvm::MemoryBuffer::getMemBuffer(text, path,
                                            /*RequiresNullTerminator=*/false);
  reportError(sink, path, "file", "cannot open");
  return nullptr;
}

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
  size_t numParts = std::min<size_t>(text.count('\0'), 2) + 1;
  StringRef config, rest;
  std::tie(config, rest) = text.split('\0');
  std::tie(processorText, labelsText) = rest.split('\0');
  // Parts as heap blocks of their own, so that ASan sees their ends.
  std::vector<char> parts[3] = {{config.begin(), config.end()},
                                {processorText.begin(), processorText.end()},
                                {labelsText.begin(), labelsText.end()}};
  config = StringRef(parts[0].data(), parts[0].size());
  processorText = StringRef(parts[1].data(), parts[1].size());
  labelsText = StringRef(parts[2].data(), parts[2].size());
  hasLabels = numParts == 3;

  // Whether the folder has the processor's file is looked up on the disk.
  static const std::string withProcessor = [] {
    writeFile(temporaryPath("preprocessor_config.json"), "");
    return temporaryPath("config.json");
  }();
  Errors errors;
  FailureOr<ModelSpec> spec = parseModelSpecText(
      config, numParts > 1 ? withProcessor : "/nowhere/config.json", errors);
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
