//===- CodeGen.cpp - From the LLVM dialect to files -----------------------===//

#include "moe/Target/CodeGen.h"

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Precision.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

using namespace mlir;
using namespace mlir::moe;

void mlir::moe::initializeCodeGen() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
  });
}

void mlir::moe::registerTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
mlir::moe::createMachine(const llvm::Triple &triple) {
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError(error);
  // Position-independent, so that one object serves executables and shared
  // libraries.
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, /*CPU=*/"", /*Features=*/"", llvm::TargetOptions(),
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("no code generator for %s",
                                   triple.str().c_str());
  return machine;
}

std::string mlir::moe::codeSection(llvm::StringRef variant) {
  return (".text." + variant).str();
}

llvm::Expected<Variant> mlir::moe::addVariant(ModuleOp module,
                                              const CpuTarget &cpu,
                                              llvm::StringRef name,
                                              llvm::Module &destination) {
  std::unique_ptr<llvm::Module> variant =
      translateModuleToLLVMIR(module, destination.getContext(), name);
  if (!variant)
    return llvm::createStringError("translation to LLVM IR failed");
  variant->setDataLayout(destination.getDataLayout());
  variant->setTargetTriple(destination.getTargetTriple());
  std::string width = std::to_string(cpu.level->lanes * 32);
  std::string features = cpu.level->llvmFeatures.str();
  if (!cpu.level->tuning.empty())
    features += "," + cpu.level->tuning.str();
  for (llvm::Function &function : *variant) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", cpu.level->llvmCpu);
    if (!features.empty())
      function.addFnAttr("target-features", features);
    function.addFnAttr("tune-cpu", cpu.tune);
    // Else LLVM halves the vectors of CPUs that it deems slow with wide ones.
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("min-legal-vector-width", width);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // So that an object tells how much code it has for each CPU.
    if (destination.getTargetTriple().isOSBinFormatELF())
      function.setSection(codeSection(cpu.level->name));
    // Apple's tools walk the stack along frame pointers.
    if (destination.getTargetTriple().isOSDarwin())
      function.addFnAttr("frame-pointer", "non-leaf");
    if (function.getName() == "run" ||
        function.getName().starts_with("peak_")) {
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    } else {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      // A kernel serves many layers; inlined, each would have a copy of it.
      function.addFnAttr(llvm::Attribute::NoInline);
    }
  }
  variant->getFunction("run")->setName(name);
  Variant added{cpu.level, addRunWith(*variant->getFunction(name)), {}};
  std::string withName = added.code.runWith->getName().str();
  for (Precision kind : {Precision::F32, Precision::BF16, Precision::Int8}) {
    std::string peak = ("peak_" + precisionName(kind)).str();
    if (auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(peak)) {
      variant->getFunction(peak)->setName(name + "_" + peak);
      auto work = function->getAttrOfType<IntegerAttr>(kMultiplyAddsAttr);
      added.peaks[static_cast<int>(kind)].multiplyAddsPerRound = work.getInt();
    }
  }
  if (llvm::Linker::linkModules(destination, std::move(variant)))
    return llvm::createStringError("linking the variants failed");
  auto internal = [&](const llvm::Twine &symbol) -> llvm::Function * {
    SmallString<64> storage;
    llvm::Function *function =
        destination.getFunction(symbol.toStringRef(storage));
    function->setLinkage(llvm::GlobalValue::InternalLinkage);
    function->setVisibility(llvm::GlobalValue::DefaultVisibility);
    return function;
  };
  if (added.code.run)
    added.code.run = internal(name);
  added.code.runWith = internal(withName);
  for (Precision kind : {Precision::F32, Precision::BF16, Precision::Int8})
    if (PeakLoop &peak = added.peaks[static_cast<int>(kind)];
        peak.multiplyAddsPerRound > 0)
      peak.function = internal(name + "_peak_" + precisionName(kind));
  return added;
}

llvm::Error mlir::moe::linkBitcode(llvm::StringRef path,
                                   llvm::Module &destination) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createFileError(path, buffer.getError());
  auto bitcode = llvm::parseBitcodeFile((*buffer)->getMemBufferRef(),
                                        destination.getContext());
  if (!bitcode)
    return llvm::createFileError(path, bitcode.takeError());
  // Built with clang for the same target, perhaps with a vendor in its triple.
  (*bitcode)->setTargetTriple(destination.getTargetTriple());
  (*bitcode)->setDataLayout(destination.getDataLayout());
  (*bitcode)->setModuleInlineAsm("");
  if (llvm::NamedMDNode *ident = (*bitcode)->getNamedMetadata("llvm.ident"))
    ident->eraseFromParent();
  SmallVector<std::string> defined;
  for (llvm::Function &function : **bitcode)
    if (!function.isDeclaration() && !function.hasLocalLinkage())
      defined.push_back(function.getName().str());
  if (llvm::Linker::linkModules(destination, std::move(*bitcode)))
    return llvm::createStringError("linking %s failed", path.str().c_str());
  for (const std::string &name : defined)
    destination.getFunction(name)->setLinkage(
        llvm::GlobalValue::InternalLinkage);
  return llvm::Error::success();
}

void mlir::moe::optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager cgscc;
  llvm::ModuleAnalysisManager modules;
  // Apple's C library has more to fill memory with, but code is to need no more
  // of it than elsewhere.
  llvm::TargetLibraryInfoImpl library(module.getTargetTriple());
  for (llvm::LibFunc fill :
       {llvm::LibFunc_memset_pattern4, llvm::LibFunc_memset_pattern8,
        llvm::LibFunc_memset_pattern16})
    library.setUnavailable(fill);
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(cgscc);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, cgscc, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

/// Keeps the first line of the first error in the string `message`.
static void keepError(const llvm::DiagnosticInfo *info, void *message) {
  auto &kept = *static_cast<std::string *>(message);
  if (info->getSeverity() != llvm::DS_Error || !kept.empty())
    return;
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DiagnosticPrinterRawOStream printer(os);
  info->print(printer);
  kept = StringRef(text).trim().split('\n').first;
}

llvm::Error mlir::moe::emit(llvm::Module &module, llvm::TargetMachine &machine,
                            llvm::CodeGenFileType kind,
                            llvm::raw_pwrite_stream &os) {
  llvm::legacy::PassManager pm;
  if (machine.addPassesToEmitFile(pm, os, nullptr, kind))
    return llvm::createStringError("the target cannot emit this kind of file");
  // LLVM itself would print an error, such as a file of weights that cannot be
  // mapped, and end the process with its temporary files left behind.
  std::string error;
  llvm::LLVMContext &context = module.getContext();
  context.setDiagnosticHandlerCallBack(keepError, &error);
  pm.run(module);
  context.setDiagnosticHandlerCallBack(nullptr);
  if (!error.empty())
    return llvm::createStringError(error);
  return llvm::Error::success();
}

static std::string quoted(llvm::StringRef path) {
  std::string text = "\"";
  for (char c : path) {
    if (c == '"' || c == '\\')
      text += '\\';
    text += c;
  }
  return text + '"';
}

/// Of the pages that `triple`'s kernels have: those of Raspberry Pi 5, of some
/// phones and of Apple's are larger than x86's.
static int pageBits(const llvm::Triple &triple) {
  return triple.isAArch64() ? 14 : 12;
}

static std::string elfSection(const WeightSection &section,
                              llvm::StringRef file, int pageBits) {
  // A page fault maps its neighbours within 64 KiB too ("fault-around"):
  // experts that are as large as that begin there, so that the neighbours are
  // never another expert's.
  bool isLargeExpert = section.isExpert() && section.size > 1 << 15;
  return llvm::formatv(".section .moe.{0},\"a\",@progbits\n"
                       ".p2align {5}\n"
                       ".globl {1}\n.hidden {1}\n.type {1},@object\n{1}:\n"
                       ".incbin {2},{3},{4}\n"
                       ".size {1}, {4}\n.p2align {5}\n",
                       section.name, section.symbol, file, section.begin,
                       section.size, isLargeExpert ? 16 : pageBits);
}

/// Mach-O has at most 255 sections, so all are in one. The linker may move or
/// drop what a symbol begins, hence the alignment of each.
static std::string machOSection(const WeightSection &section,
                                llvm::StringRef file, int pageBits) {
  return llvm::formatv(".section __TEXT,__moe_weights\n"
                       ".p2align {4}\n"
                       ".globl _{0}\n.private_extern _{0}\n_{0}:\n"
                       ".incbin {1},{2},{3}\n.p2align {4}\n",
                       section.symbol, file, section.begin, section.size,
                       pageBits);
}

void mlir::moe::addWeights(ArrayRef<WeightSection> sections,
                           llvm::StringRef file, llvm::Module &module) {
  bool isMachO = module.getTargetTriple().isOSBinFormatMachO();
  std::string text;
  for (const WeightSection &section : sections)
    text += (isMachO ? machOSection : elfSection)(
        section, quoted(file), pageBits(module.getTargetTriple()));
  module.appendModuleInlineAsm(text);
}
