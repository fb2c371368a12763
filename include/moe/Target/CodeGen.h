//===- CodeGen.h - From the LLVM dialect to files ---------------*- C++ -*-===//

#ifndef MOE_TARGET_CODEGEN_H
#define MOE_TARGET_CODEGEN_H

#include "moe/Target/Variant.h"
#include "moe/Target/WeightWriter.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace mlir::moe {

/// Registers LLVM's x86 target and the translations to LLVM IR.
void initializeCodeGen();
void registerTranslations(DialectRegistry &registry);

/// A machine for baseline code of `triple`; what a variant may use beyond that
/// is said by its functions' attributes.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createMachine(const llvm::Triple &triple);

/// Translates `module` (LLVM dialect) and links it into `destination`; all its
/// functions get the attributes of `cpu` and become internal. The run functions
/// are called `name` and with.`name`.
llvm::Expected<Variant> addVariant(ModuleOp module, const CpuTarget &cpu,
                                   llvm::StringRef name,
                                   llvm::Module &destination);

/// The section of an ELF object that holds a variant's code.
std::string codeSection(llvm::StringRef variant);

/// Links a bitcode file into `destination`. Its functions become internal: two
/// models in one program each have their own.
llvm::Error linkBitcode(llvm::StringRef path, llvm::Module &destination);

/// Optimises `module` for speed.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

/// Writes `module` as assembly or as an object.
llvm::Error emit(llvm::Module &module, llvm::TargetMachine &machine,
                 llvm::CodeGenFileType kind, llvm::raw_pwrite_stream &os);

/// Adds assembly to `module` that defines each section's symbol; its bytes are
/// taken from `file` when code is generated. A section starts on a page of its
/// own: what is not read is not loaded.
void addWeights(ArrayRef<WeightSection> sections, llvm::StringRef file,
                llvm::Module &module);

} // namespace mlir::moe

#endif // MOE_TARGET_CODEGEN_H
