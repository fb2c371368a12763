//===- Compiler.h - From a specification to a file --------------*- C++ -*-===//

#ifndef MOE_DRIVER_COMPILER_H
#define MOE_DRIVER_COMPILER_H

#include "moe/Dialect/Precision.h"
#include "moe/Import/InputError.h"
#include "moe/Target/CpuTable.h"
#include "moe/Target/ExpertsMode.h"

#include "mlir/Support/LLVM.h"

#include <optional>
#include <string>

namespace mlir::moe {

/// What moe-compile can write: IR after a stage, or a file to link or run.
enum class EmitKind {
  MoE,
  Optimized,
  Linalg,
  Vector,
  Bufferized,
  LLVMDialect,
  LLVM,
  Asm,
  Obj,
  Lib,
  Shared,
  Exe
};

struct EmitInfo {
  EmitKind kind;
  StringLiteral name;
  /// Of the default output's name.
  StringLiteral suffix;
  StringLiteral description;
};

/// Every kind, in the order of the compiler's stages.
ArrayRef<EmitInfo> emitKinds();

struct CompileOptions {
  std::string spec;
  /// Empty: the default name.
  std::string output;
  /// Empty: the specification's weights.
  std::string weights;
  EmitKind kind = EmitKind::Exe;
  llvm::Triple triple;
  /// The CPUs to compile for, all of them known; empty: all of the target's.
  std::vector<std::string> cpus;
  /// Absent: the specification's, or f32.
  std::optional<Precision> precision;
  /// Of some layers, in addition to the specification's and before them.
  std::vector<std::pair<std::string, Precision>> layerPrecisions;
  /// Do not heed the specification's.
  bool ignoreLayerPrecisions = false;
  /// Constant scales of the inputs of int8 products outside of experts; empty:
  /// a scale for each token.
  std::vector<double> scales;
  /// If set: make a model whose logits are those scales, of each token, and say
  /// here how many tokens each product has.
  std::vector<int64_t> *observed = nullptr;
  ExpertsMode experts = ExpertsMode::Mmap;
  /// Of ExpertsMode::File: the folder, not empty, relative to that of the
  /// output.
  std::string expertsFolder;
  /// Where to write the page that describes the model; empty: nowhere. Of files
  /// to link or to run only.
  std::string reportPath;
  /// Traces of the model's --profile for that page.
  std::vector<std::string> profileData;
  /// If not empty: a file to write, as Make and Ninja read it, that says which
  /// files the output depends on. `otherInputs` are among them, beside the
  /// specification and what belongs to it.
  std::string depfile;
  std::vector<std::string> otherInputs;
  /// Warnings about the weights.
  bool showWarnings = true;
  /// Print how long each pass took, and the IR after each.
  bool timePasses = false, printIRAfterAll = false;
  /// The folder lib/moe with the runtime of each target.
  std::string resources;
};

/// Prints `message` about the place `where` of `file` as a line on stderr;
/// always a failure, unless it is a warning.
LogicalResult
report(StringRef file, StringRef where, const Twine &message,
       InputError::Severity severity = InputError::Severity::Error);

/// Compiles. Errors and warnings go to stderr, a line each; on failure no file
/// is left behind.
LogicalResult compile(const CompileOptions &options);

/// moe-compile's main: parses the command line and compiles. Returns the exit
/// code: 0; 1 for an error in the input; 2 for wrong usage.
int compileMain(int argc, char **argv);

} // namespace mlir::moe

#endif // MOE_DRIVER_COMPILER_H
