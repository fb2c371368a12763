//===- Pipelines.cpp - The compiler's stages ------------------------------===//

#include "moe/Driver/Pipelines.h"

#include "moe/Conversion/Passes.h"
#include "moe/Transforms/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::moe;

static void cleanUp(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mlir::moe::buildOptimizePipeline(OpPassManager &pm) {
  // Slicing needs common subexpressions merged: two slices of one value would
  // each keep the other from moving up.
  cleanUp(pm);
  pm.addPass(moe::createFoldConstants());
  cleanUp(pm);
  pm.addPass(moe::createSliceTokens());
  cleanUp(pm);
  pm.addPass(moe::createMergeExperts());
}

void mlir::moe::buildPrecisionPipeline(OpPassManager &pm,
                                       const SetPrecisionOptions &options) {
  pm.addPass(moe::createSetPrecision(options));
  // Layers that read the same tokens round them once.
  cleanUp(pm);
}

void mlir::moe::buildLinalgPipeline(OpPassManager &pm, int64_t columnBits) {
  ConvertMoEToLinalgOptions options;
  options.columnBits = columnBits;
  pm.addPass(moe::createConvertMoEToLinalg(options));
  cleanUp(pm);
  pm.addPass(moe::createPlaceWeights());
}

void mlir::moe::buildVectorPipeline(OpPassManager &pm, const std::string &cpu) {
  WidenProductsOptions widen;
  widen.cpu = cpu;
  pm.addNestedPass<func::FuncOp>(moe::createWidenProducts(widen));
  pm.addNestedPass<func::FuncOp>(moe::createFuseRounding());
  VectorizeOptions vectorize;
  vectorize.cpu = cpu;
  pm.addNestedPass<func::FuncOp>(moe::createVectorize(vectorize));
  cleanUp(pm);
}

void mlir::moe::buildBufferizePipeline(OpPassManager &pm, bool isObserved) {
  // All but moe: recipes are not code, and hold tensors that never are memory.
  bufferization::OneShotBufferizePassOptions options;
  options.dialectFilter = {"arith", "bufferization", "linalg",
                           "scf",   "tensor",        "vector"};
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  cleanUp(pm);
  // Copies between views that turned out to be one.
  pm.addPass(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(moe::createLowerCopies());
  if (isObserved)
    pm.addNestedPass<func::FuncOp>(moe::createAddPause());
  pm.addNestedPass<func::FuncOp>(moe::createPlanWorkspace());
  cleanUp(pm);
  pm.addPass(moe::createOutlineKernels());
  if (isObserved)
    pm.addPass(moe::createMarkParts());
}

void mlir::moe::buildLLVMPipeline(OpPassManager &pm, const std::string &cpu,
                                  bool isObserved, bool expertFiles) {
  if (isObserved) {
    AddPeakLoopsOptions peaks;
    peaks.cpu = cpu;
    pm.addPass(moe::createAddPeakLoops(peaks));
  }
  LowerDotsOptions dots;
  dots.cpu = cpu;
  pm.addNestedPass<func::FuncOp>(moe::createLowerDots(dots));
  ExpandMathOptions expand;
  expand.cpu = cpu;
  pm.addNestedPass<func::FuncOp>(moe::createExpandMath(expand));
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  cleanUp(pm);
  ConvertToLLVMOptions convert;
  convert.expertFiles = expertFiles;
  pm.addPass(moe::createConvertToLLVM(convert));
  pm.addPass(createReconcileUnrealizedCastsPass());
}

namespace {
struct LinalgOptions : PassPipelineOptions<LinalgOptions> {
  Option<int64_t> columnBits{
      *this, "column-bits",
      llvm::cl::desc("of a column of weights below f32, that lie together"),
      llvm::cl::init(32)};
};

struct CpuOptions : PassPipelineOptions<CpuOptions> {
  Option<std::string> cpu{*this, "cpu", llvm::cl::desc("row of the CPU table"),
                          llvm::cl::init("x86-64")};
};
} // namespace

void mlir::moe::registerPipelines() {
  PassPipelineRegistration<>("moe-optimize", "moe to moe: the optimisations",
                             buildOptimizePipeline);
  PassPipelineRegistration<LinalgOptions>(
      "moe-to-linalg", "moe to linalg on tensors in panel layout",
      [](OpPassManager &pm, const LinalgOptions &options) {
        buildLinalgPipeline(pm, options.columnBits);
      });
  PassPipelineRegistration<CpuOptions>(
      "moe-to-vector", "linalg to loops over vectors",
      [](OpPassManager &pm, const CpuOptions &options) {
        buildVectorPipeline(pm, options.cpu);
      });
  PassPipelineRegistration<>("moe-bufferize",
                             "tensors to memory in one planned workspace",
                             [](OpPassManager &pm) {
                               buildBufferizePipeline(pm, /*isObserved=*/false);
                             });
  PassPipelineRegistration<CpuOptions>(
      "moe-to-llvm", "everything to the LLVM dialect",
      [](OpPassManager &pm, const CpuOptions &options) {
        buildLLVMPipeline(pm, options.cpu, /*isObserved=*/false,
                          /*expertFiles=*/false);
      });
}
