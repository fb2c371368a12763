//===- MoEOptFuzzer.cpp - Any IR through the compiler's passes ------------===//
//
// The input is what moe-opt reads, with the passes to run in its first line:
//
//   // PASSES: moe-optimize,moe-to-linalg
//
// IR that the verifier takes must be printed so that it can be read again, and
// after each pass that succeeds the IR must be valid. A pass may fail, with an
// error.
//
//===----------------------------------------------------------------------===//

#include "IRMutator.h"

#include "moe/Driver/Registry.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace mlir::moe::fuzz;

namespace {
/// Ends the fuzzer where a pass leaves IR that is not valid.
struct VerifyAfterPass : PassInstrumentation {
  void runAfterPass(Pass *pass, Operation *op) override {
    std::string errors;
    ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &each) {
      errors += each.str() + "\n";
      return success();
    });
    if (succeeded(verify(op)))
      return;
    llvm::errs() << "invalid IR after " << pass->getArgument() << ":\n"
                 << errors;
    __builtin_trap();
  }
};
} // namespace

static OwningOpRef<ModuleOp> parse(StringRef text, MLIRContext *context) {
  return parseSourceString<ModuleOp>(text, ParserConfig(context));
}

/// A context in which few inputs have left their types and attributes.
static MLIRContext *freshContext() {
  static std::unique_ptr<MLIRContext> context;
  static unsigned numInputs;
  if (numInputs++ % 100 == 0) {
    context.reset();
    DialectRegistry registry;
    moe::registerAllDialects(registry);
    context = std::make_unique<MLIRContext>(registry,
                                            MLIRContext::Threading::DISABLED);
    context->printOpOnDiagnostic(false);
  }
  return context.get();
}

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  moe::registerAllPasses();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // With a NUL behind it: MLIR's parser reads on to that, as a file's buffer
  // has.
  std::string text(reinterpret_cast<const char *>(data), size);
  MLIRContext *context = freshContext();
  ScopedDiagnosticHandler handler(context,
                                  [](Diagnostic &) { return success(); });
  OwningOpRef<ModuleOp> module = parse(text, context);
  if (!module)
    return 0;
  std::string printed;
  llvm::raw_string_ostream(printed) << *module;
  if (!parse(printed, context)) {
    llvm::errs() << "cannot be read again:\n" << printed;
    __builtin_trap();
  }

  PassManager passes(context, ModuleOp::getOperationName(),
                     OpPassManager::Nesting::Implicit);
  if (failed(parsePassPipeline(passesOf(text), passes, llvm::nulls())))
    return 0;
  passes.enableVerifier(false);
  passes.addInstrumentation(std::make_unique<VerifyAfterPass>());
  (void)passes.run(*module);
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

/// Writes `text`, or the part of it that fits.
static size_t put(StringRef text, uint8_t *data, size_t maxSize) {
  text = text.take_front(maxSize);
  llvm::copy(text, data);
  return text.size();
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  IRMutator mutator(seed);
  if (seed % 32 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string text(reinterpret_cast<const char *>(data), size);
  return put(mutator.mutate(std::move(text)), data, maxSize);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data, size_t size,
                                            const uint8_t *other,
                                            size_t otherSize, uint8_t *out,
                                            size_t maxSize, unsigned seed) {
  IRMutator mutator(seed);
  return put(mutator.crossOver(
                 StringRef(reinterpret_cast<const char *>(data), size),
                 StringRef(reinterpret_cast<const char *>(other), otherSize)),
             out, maxSize);
}
