//===- ConvertToLLVM.cpp - Everything to the LLVM dialect -----------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Transforms/OneModule.h"

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

/// A function without a body, declared in `module`.
LLVM::LLVMFuncOp declare(OpBuilder &b, ModuleOp module, StringRef name,
                         Type result, ArrayRef<Type> arguments) {
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  return LLVM::LLVMFuncOp::create(
      b, module.getLoc(), name, LLVM::LLVMFunctionType::get(result, arguments));
}

/// moe.weights: the address of a section plus an offset; for a table, the
/// address comes from an array of the experts' sections.
struct LowerWeights : ConvertOpToLLVMPattern<WeightsOp> {
  LowerWeights(const LLVMTypeConverter &converter, SymbolTable &symbols,
               bool expertFiles)
      : ConvertOpToLLVMPattern(converter), symbols(symbols) {
    if (!expertFiles)
      return;
    auto module = cast<ModuleOp>(symbols.getOp());
    for (auto param : module.getOps<ParamOp>())
      if (param.getOffset() && isExpertSection(param.getSectionName()))
        expertNumbers.try_emplace(param.getSectionName(), expertNumbers.size());
  }

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
      StringRef name = param.getSectionName();
      auto number = expertNumbers.find(name);
      base =
          number == expertNumbers.end()
              ? LLVM::AddressOfOp::create(b, pointer, section(b, module, name))
                    .getResult()
              : expertInFile(b, module, integer(b, number->second));
    } else {
      auto table = symbols.lookup<ParamTableOp>(op.getParam());
      param = symbols.lookup<ParamOp>(
          cast<FlatSymbolRefAttr>(table.getParams()[0]).getAttr());
      LLVM::GlobalOp entries = sectionTable(b, module, table);
      Type entry = expertNumbers.empty() ? pointer : b.getI64Type();
      Value first = LLVM::AddressOfOp::create(b, pointer, entries.getSymName());
      Value slot =
          LLVM::GEPOp::create(b, pointer, entry, first,
                              ArrayRef<LLVM::GEPArg>{adaptor.getExpert()});
      base = LLVM::LoadOp::create(b, entry, slot);
      if (!expertNumbers.empty())
        base = expertInFile(b, module, base);
    }
    if (!param.getOffset())
      return op.emitOpError()
             << "parameter " << param.getSymNameAttr() << " has no place";
    Value address = LLVM::GEPOp::create(
        b, pointer, b.getI8Type(), base,
        ArrayRef<LLVM::GEPArg>{integer(b, *param.getOffset())});
    Value descriptor = MemRefDescriptor::fromStaticShape(
        rewriter, op.getLoc(), *getTypeConverter(), op.getType(), address);
    rewriter.replaceOp(op, descriptor);
    return success();
  }

private:
  static Value integer(ImplicitLocOpBuilder &b, int64_t value) {
    return LLVM::ConstantOp::create(b, b.getI64Type(),
                                    b.getI64IntegerAttr(value));
  }

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

  /// Where the weights of an expert in a file are.
  Value expertInFile(ImplicitLocOpBuilder &b, ModuleOp module,
                     Value number) const {
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    LLVM::LLVMFuncOp find =
        declare(b, module, kExpertFunction, pointer, b.getI64Type());
    return LLVM::CallOp::create(b, find, number).getResult();
  }

  /// An array with an entry for each parameter of `table`: the address of its
  /// section, or its number.
  LLVM::GlobalOp sectionTable(ImplicitLocOpBuilder &b, ModuleOp module,
                              ParamTableOp table) const {
    // Tables of one block share the sections, hence the array.
    SmallVector<std::string> sections;
    for (auto entry : table.getParams().getAsRange<FlatSymbolRefAttr>())
      sections.push_back(
          symbols.lookup<ParamOp>(entry.getAttr()).getSectionName().str());
    LLVM::GlobalOp &known = sectionTables[llvm::join(sections, ",")];
    if (known)
      return known;
    std::string name = weightSymbol(module, sections.front() + ".addresses");
    if (module.lookupSymbol(name))
      name += "_" + std::to_string(sectionTables.size());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    Type entry = expertNumbers.empty() ? pointer : b.getI64Type();
    Type type = LLVM::LLVMArrayType::get(entry, sections.size());
    auto global =
        LLVM::GlobalOp::create(b, type, /*isConstant=*/true,
                               LLVM::Linkage::Internal, name, Attribute());
    b.createBlock(&global.getInitializerRegion());
    Value array = LLVM::UndefOp::create(b, type);
    for (auto [i, name] : llvm::enumerate(sections)) {
      Value value =
          expertNumbers.empty()
              ? LLVM::AddressOfOp::create(b, pointer, section(b, module, name))
                    .getResult()
              : integer(b, expertNumbers.lookup(name));
      array = LLVM::InsertValueOp::create(b, array, value, int64_t(i));
    }
    LLVM::ReturnOp::create(b, array);
    known = global;
    return global;
  }

  SymbolTable &symbols;
  /// Of the sections that are files; empty if none is.
  llvm::StringMap<int64_t> expertNumbers;
  /// By the sections that they list.
  mutable llvm::StringMap<LLVM::GlobalOp> sectionTables;
};

/// moe.mark: a call.
struct LowerMark : ConvertOpToLLVMPattern<MarkOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(MarkOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type i64 = rewriter.getI64Type();
    auto integer = [&](int64_t value) -> Value {
      return LLVM::ConstantOp::create(rewriter, op.getLoc(), i64,
                                      rewriter.getI64IntegerAttr(value));
    };
    auto mark =
        declare(rewriter, op->getParentOfType<ModuleOp>(), kMarkFunction,
                LLVM::LLVMVoidType::get(getContext()), {i64, i64});
    Value expert = op.getExpert() ? adaptor.getExpert() : integer(-1);
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(
        op, mark, ValueRange{integer(op.getPart()), expert});
    return success();
  }
};

/// moe.pause: a call.
struct LowerPause : ConvertOpToLLVMPattern<PauseOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult
  matchAndRewrite(PauseOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto pause =
        declare(rewriter, op->getParentOfType<ModuleOp>(), kPauseFunction,
                LLVM::LLVMVoidType::get(getContext()), {});
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(op, pause, ValueRange());
    return success();
  }
};

struct ConvertToLLVM : moe::impl::ConvertToLLVMBase<ConvertToLLVM> {
  using ConvertToLLVMBase::ConvertToLLVMBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyOneModule(module)))
      return signalPassFailure();
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
    patterns.add<LowerWeights>(converter, symbols, expertFiles);
    patterns.add<LowerMark, LowerPause>(converter);
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
