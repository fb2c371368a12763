//===- ConvertToLLVM.cpp - Everything to the LLVM dialect -----------------===//

#include "moe/Conversion/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/AMX/Transforms.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Dialect/X86Vector/Transforms.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::moe {
#define GEN_PASS_DEF_CONVERTTOLLVM
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

std::string mlir::moe::weightSymbol(ModuleOp module, StringRef section) {
  std::string symbol =
      (module.getSymName().value_or("model") + "_w_" + section).str();
  for (char &c : symbol)
    if (!llvm::isAlnum(c))
      c = '_';
  return symbol;
}

namespace {

/// moe.weights: the address of a section plus an offset; for a table, the
/// address comes from an array of the experts' sections.
struct LowerWeights : ConvertOpToLLVMPattern<WeightsOp> {
  LowerWeights(const LLVMTypeConverter &converter, SymbolTable &symbols)
      : ConvertOpToLLVMPattern(converter), symbols(symbols) {}

  LogicalResult
  matchAndRewrite(WeightsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto module = op->getParentOfType<ModuleOp>();
    Type pointer = LLVM::LLVMPointerType::get(op.getContext());
    Value base;
    ParamOp param;
    if (!op.getExpert()) {
      param = symbols.lookup<ParamOp>(op.getParam());
      base = LLVM::AddressOfOp::create(
          b, pointer, section(b, module, param.getSectionName()));
    } else {
      auto table = symbols.lookup<ParamTableOp>(op.getParam());
      param = symbols.lookup<ParamOp>(
          cast<FlatSymbolRefAttr>(table.getParams()[0]).getAttr());
      LLVM::GlobalOp addresses = addressTable(b, module, table);
      Value first =
          LLVM::AddressOfOp::create(b, pointer, addresses.getSymName());
      Value slot =
          LLVM::GEPOp::create(b, pointer, pointer, first,
                              ArrayRef<LLVM::GEPArg>{adaptor.getExpert()});
      base = LLVM::LoadOp::create(b, pointer, slot);
    }
    if (!param.getOffset())
      return op.emitOpError()
             << "parameter " << param.getSymNameAttr() << " has no place";
    Value offset = LLVM::ConstantOp::create(
        b, b.getI64Type(), b.getI64IntegerAttr(*param.getOffset()));
    Value address = LLVM::GEPOp::create(b, pointer, b.getI8Type(), base,
                                        ArrayRef<LLVM::GEPArg>{offset});
    Value descriptor = MemRefDescriptor::fromStaticShape(
        rewriter, op.getLoc(), *getTypeConverter(), op.getType(), address);
    rewriter.replaceOp(op, descriptor);
    return success();
  }

private:
  /// The symbol of a weight section, declared as external.
  StringRef section(ImplicitLocOpBuilder &b, ModuleOp module,
                    StringRef name) const {
    std::string symbol = weightSymbol(module, name);
    if (auto known = module.lookupSymbol<LLVM::GlobalOp>(symbol))
      return known.getSymName();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto global = LLVM::GlobalOp::create(
        b, LLVM::LLVMArrayType::get(b.getI8Type(), 0), /*isConstant=*/true,
        LLVM::Linkage::External, symbol, Attribute(), /*alignment=*/64);
    global.setVisibility_(LLVM::Visibility::Hidden);
    global.setDsoLocal(true);
    return global.getSymName();
  }

  LLVM::GlobalOp addressTable(ImplicitLocOpBuilder &b, ModuleOp module,
                              ParamTableOp table) const {
    // Tables of one block share the sections, hence the array.
    SmallVector<std::string> sections;
    for (auto entry : table.getParams().getAsRange<FlatSymbolRefAttr>())
      sections.push_back(
          symbols.lookup<ParamOp>(entry.getAttr()).getSectionName().str());
    LLVM::GlobalOp &known = addressTables[llvm::join(sections, ",")];
    if (known)
      return known;
    std::string name = weightSymbol(module, sections.front() + ".addresses");
    if (module.lookupSymbol(name))
      name += "_" + std::to_string(addressTables.size());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    Type type = LLVM::LLVMArrayType::get(pointer, sections.size());
    auto global =
        LLVM::GlobalOp::create(b, type, /*isConstant=*/true,
                               LLVM::Linkage::Internal, name, Attribute());
    b.createBlock(&global.getInitializerRegion());
    Value array = LLVM::UndefOp::create(b, type);
    for (auto [i, name] : llvm::enumerate(sections))
      array = LLVM::InsertValueOp::create(
          b, array,
          LLVM::AddressOfOp::create(b, pointer, section(b, module, name)),
          int64_t(i));
    LLVM::ReturnOp::create(b, array);
    known = global;
    return global;
  }

  SymbolTable &symbols;
  /// By the sections that they list.
  mutable llvm::StringMap<LLVM::GlobalOp> addressTables;
};

struct ConvertToLLVM : moe::impl::ConvertToLLVMBase<ConvertToLLVM> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    {
      RewritePatternSet patterns(context);
      vector::populateVectorTransferLoweringPatterns(patterns);
      if (failed(applyPatternsGreedily(module, std::move(patterns))))
        return signalPassFailure();
    }
    SymbolTable symbols(module);
    LowerToLLVMOptions options(context);
    // All shapes are static: a pointer says everything.
    options.useBarePtrCallConv = true;
    LLVMTypeConverter converter(context, options);
    RewritePatternSet patterns(context);
    patterns.add<LowerWeights>(converter, symbols);
    populateFuncToLLVMConversionPatterns(converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    index::populateIndexToLLVMConversionPatterns(converter, patterns);
    populateMathToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    ub::populateUBToLLVMConversionPatterns(converter, patterns);
    vector::populateVectorRankReducingFMAPattern(patterns);
    populateVectorToLLVMConversionPatterns(converter, patterns);
    populateAMXLegalizeForLLVMExportPatterns(converter, patterns);
    populateX86VectorLegalizeForLLVMExportPatterns(converter, patterns);
    LLVMConversionTarget target(*context);
    configureAMXLegalizeForExportTarget(target);
    configureX86VectorLegalizeForExportTarget(target);
    // The parameters stay: they say what to write into the weight sections.
    target.addLegalOp<ModuleOp>();
    for (StringRef name : {"param", "param_table", "get", "yield"})
      target.addLegalOp(OperationName(("moe." + name).str(), context));
    target.markUnknownOpDynamicallyLegal([](Operation *op) {
      return isa_and_nonnull<ParamOp>(op->getParentOp());
    });
    if (failed(applyPartialConversion(module, target, std::move(patterns))))
      return signalPassFailure();
    // What moe-vectorize says of a loop is here where scf left it, and is only
    // heard as a property of the branch.
    module.walk([](LLVM::BrOp branch) {
      if (auto annotation = dyn_cast_or_null<LLVM::LoopAnnotationAttr>(
              branch->removeDiscardableAttr("llvm.loop_annotation")))
        branch.setLoopAnnotationAttr(annotation);
    });
  }
};

} // namespace
