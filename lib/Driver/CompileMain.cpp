//===- CompileMain.cpp - moe-compile's command line -----------------------===//

#include "moe/Driver/Compiler.h"
#include "moe/Driver/HostModel.h"
#include "moe/Target/CodeGen.h"
#include "moe/Target/Platform.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/Pass.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"

#include <csignal>

using namespace mlir;
using namespace mlir::moe;
namespace cl = llvm::cl;

static int usage(const Twine &message) {
  llvm::errs() << "moe-compile: " << message << "\n"
               << "usage: moe-compile SPEC [-o OUT] [options]; --help lists "
                  "them\n";
  return 2;
}

static void printEmitKinds() {
  for (const EmitInfo &info : emitKinds()) {
    llvm::outs() << "  " << info.name;
    llvm::outs().indent(16 - info.name.size()) << info.description << '\n';
  }
}

/// The arguments, with `--calibrate A B` as `--calibrate=A --calibrate=B`: up
/// to the next option, all are its files.
static std::vector<std::string> spellOutLists(int argc, char **argv) {
  std::vector<std::string> spelled;
  std::string list;
  for (int i = 0; i < argc; ++i) {
    StringRef word = argv[i];
    StringRef name = word.ltrim('-');
    if (i > 0 && (name == "calibrate" || name == "report-precision") &&
        word != name) {
      list = name.str();
      // Without a file it is an empty one, for the error that it is.
      if (i + 1 == argc || StringRef(argv[i + 1]).starts_with("-"))
        spelled.push_back("--" + list + "=");
      continue;
    }
    if (word.starts_with("-"))
      list.clear();
    spelled.push_back(list.empty() ? word.str()
                                   : "--" + list + "=" + word.str());
  }
  return spelled;
}

int mlir::moe::compileMain(int argc, char **argv) {
  // A file that exceeds the limit on sizes is a write that fails, as on a full
  // disk.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  static cl::OptionCategory category("moe-compile options");
  static cl::list<std::string> specs(cl::Positional, cl::desc("SPEC"),
                                     cl::cat(category));
  static cl::opt<std::string> output("o", cl::desc("output file"),
                                     cl::value_desc("OUT"), cl::cat(category));
  static cl::opt<std::string> weights(
      "weights", cl::desc("weights instead of the specification's"),
      cl::value_desc("FILE"), cl::cat(category));
  static cl::opt<std::string> emitName(
      "emit", cl::desc("what to write; 'help' lists the kinds"),
      cl::value_desc("KIND"), cl::init("exe"), cl::cat(category));
  static cl::opt<std::string> target(
      "target",
      cl::desc("target triple (default: this machine): x86_64-linux-gnu, "
               "aarch64-linux-gnu, aarch64-linux-android; for obj and lib also "
               "arm64-apple-macosx, arm64-apple-ios"),
      cl::value_desc("TRIPLE"), cl::cat(category));
  static cl::list<std::string> cpus(
      "cpu", cl::CommaSeparated,
      cl::desc("CPUs to compile for: LLVM's names, levels or 'native' "
               "(default: every level of the target)"),
      cl::value_desc("NAME[,NAME...]"), cl::cat(category));
  static cl::opt<std::string> precision(
      "precision",
      cl::desc("weights and matrix products: f32 (default), bf16 or int8"),
      cl::value_desc("TYPE"), cl::cat(category));
  static cl::list<std::string> calibrationFiles(
      "calibrate",
      cl::desc(
          "images or .npy for int8: one scale for all tokens of a product"),
      cl::value_desc("FILES..."), cl::cat(category));
  static cl::opt<std::string> activations(
      "activations",
      cl::desc("int8's scales of activations: dynamic (a scale for each token; "
               "default) or static (from --calibrate)"),
      cl::value_desc("KIND"), cl::cat(category));
  static cl::list<std::string> reportFiles(
      "report-precision",
      cl::desc("what --precision costs, layer by layer, on images or .npy"),
      cl::value_desc("FILES..."), cl::cat(category));
  static cl::opt<bool> printIR("print-ir-after-all",
                               cl::desc("print the IR after each MLIR pass"),
                               cl::cat(category));
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (name == "time-passes" || name.starts_with("mlir-"))
      option->addCategory(category);
  cl::HideUnrelatedOptions(category);
  // Wrong usage is exit code 2; ParseCommandLineOptions alone would exit
  // with 1.
  std::string message;
  llvm::raw_string_ostream os(message);
  std::vector<std::string> spelled = spellOutLists(argc, argv);
  std::vector<const char *> words;
  for (const std::string &word : spelled)
    words.push_back(word.c_str());
  if (!cl::ParseCommandLineOptions(
          words.size(), words.data(),
          "Compiles a Vision Transformer to a standalone binary\n", &os)) {
    llvm::errs() << message;
    return 2;
  }

  if (emitName == "help") {
    printEmitKinds();
    return 0;
  }
  if (specs.empty())
    return usage("no specification");
  if (specs.size() > 1)
    return usage("more than one specification: " + specs[1]);
  CompileOptions options;
  options.precision = parsePrecision(precision);
  if (!options.precision && precision.getNumOccurrences() > 0)
    return usage("unknown precision '" + precision +
                 "', expected f32, bf16 or int8");
  if (llvm::is_contained(calibrationFiles, ""))
    return usage("--calibrate needs files");
  if (llvm::is_contained(reportFiles, ""))
    return usage("--report-precision needs files");
  bool isCalibrated = !calibrationFiles.empty();
  if (activations.getNumOccurrences() > 0) {
    if (activations != "static" && activations != "dynamic")
      return usage("unknown kind of activations '" + activations +
                   "', expected dynamic or static");
    if ((activations == "static") != isCalibrated)
      return usage(isCalibrated ? "--calibrate is for static activations"
                                : "--activations=static needs --calibrate");
  }
  if (isCalibrated && options.precision && options.precision != Precision::Int8)
    return usage("--calibrate is for int8, found --precision=" + precision);

  options.spec = specs.front();
  options.output = output;
  options.weights = weights;
  // LLVM's own --time-passes: MLIR's passes are timed with them.
  options.timePasses = llvm::TimePassesIsEnabled;
  options.printIRAfterAll = printIR;
  const EmitInfo *info = llvm::find_if(
      emitKinds(), [&](const EmitInfo &kind) { return kind.name == emitName; });
  if (info == emitKinds().end())
    return usage("unknown kind '" + emitName + "'; --emit=help lists them");
  options.kind = info->kind;
  bool hasHeader =
      options.kind >= EmitKind::Obj && options.kind != EmitKind::Exe;
  if (hasHeader && llvm::sys::path::extension(options.output) == ".h")
    return usage("-o " + options.output +
                 " is the name of the header that goes with it");

  initializeCodeGen();
  llvm::Expected<llvm::Triple> triple = parseTarget(
      target.empty() ? llvm::sys::getProcessTriple() : target.getValue());
  if (!triple)
    return usage(llvm::toString(triple.takeError()));
  options.triple = *triple;
  if (reportFiles.empty() && options.kind >= EmitKind::Shared &&
      !canLink(options.triple))
    return usage("--emit=" + emitName + " for '" + options.triple.str() +
                 "' needs Apple's SDK; expected lib, obj, or a stage before "
                 "them");
  options.cpus = cpus;
  if (auto known = selectCpus(options.triple, options.cpus, PrecisionSet());
      !known)
    return usage(llvm::toString(known.takeError()));
  // bin/moe-compile, lib/moe: the same in the build folder as installed.
  static int anchor;
  std::string self = llvm::sys::fs::getMainExecutable(argv[0], &anchor);
  SmallString<128> resources(
      llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(resources, "lib", "moe");
  options.resources = std::string(resources);
  auto filesOf = [](const cl::list<std::string> &list) {
    return std::vector<std::string>(list.begin(), list.end());
  };
  if (!reportFiles.empty()) {
    if (options.precision == Precision::F32)
      return usage("--report-precision needs --precision=bf16 or int8");
    if (isCalibrated || output.getNumOccurrences() > 0 ||
        emitName.getNumOccurrences() > 0)
      return usage("--report-precision compiles nothing: it goes with neither "
                   "-o nor --emit nor --calibrate");
    return failed(reportPrecision(options, filesOf(reportFiles))) ? 1 : 0;
  }
  if (isCalibrated) {
    FailureOr<std::vector<double>> scales =
        calibrate(options, filesOf(calibrationFiles));
    if (failed(scales))
      return 1;
    options.scales = std::move(*scales);
  }
  return failed(compile(options)) ? 1 : 0;
}
