//===- CompileMain.cpp - moe-compile's command line -----------------------===//

#include "moe/Driver/CommandLine.h"
#include "moe/Driver/Compiler.h"
#include "moe/Driver/HostModel.h"
#include "moe/Driver/Progress.h"
#include "moe/Target/CodeGen.h"
#include "moe/Target/Platform.h"

#include "llvm/Pass.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"

#include <csignal>

using namespace mlir;
using namespace mlir::moe;

static int usage(const Twine &message) {
  llvm::errs() << "moe-compile: " << message << "\n"
               << "usage: " << kUsage << "; --help lists them\n";
  return 2;
}

static void printEmitKinds(raw_ostream &os) {
  for (const EmitInfo &info : emitKinds()) {
    os << "  " << info.name;
    os.indent(16 - info.name.size()) << info.description << '\n';
  }
}

/// Prints what an option asks for that compiles nothing. The exit code, if
/// there is one of these.
static std::optional<int> printTexts(const CommandLine &line) {
  raw_ostream &os = llvm::outs();
  if (line.has(Opt::Help))
    printHelp(os);
  else if (line.has(Opt::HelpAll))
    printHelpAll(os);
  else if (line.has(Opt::Version))
    printVersion(os);
  else if (line.has(Opt::Man))
    printManualPage(os);
  else if (line.has(Opt::Completion)) {
    if (!printCompletion(line.value(Opt::Completion), os))
      return usage("unknown shell '" + line.value(Opt::Completion) +
                   "', expected bash, zsh or fish");
  } else if (line.value(Opt::Emit) == "help")
    printEmitKinds(os);
  else
    return std::nullopt;
  os.flush();
  if (std::error_code code = llvm::outs().error()) {
    llvm::outs().clear_error();
    return failed(report("-", "output", code.message())) ? 1 : 0;
  }
  return 0;
}

/// What is wrong with `--precision`, `--calibrate` and the like, or an empty
/// string. Sets what `options` has of them.
static std::string readPrecision(const CommandLine &line,
                                 CompileOptions &options) {
  StringRef precision = line.value(Opt::Precision);
  options.precision = parsePrecision(precision);
  if (!options.precision && line.has(Opt::Precision))
    return ("unknown precision '" + precision + "', expected f32, bf16 or int8")
        .str();
  for (Opt list : {Opt::Calibrate, Opt::ReportPrecision})
    if (llvm::is_contained(line.list(list), ""))
      return optionInfo(list).spelled() + " needs files";
  bool isCalibrated = line.has(Opt::Calibrate);
  if (line.has(Opt::Activations)) {
    StringRef kind = line.value(Opt::Activations);
    if (kind != "static" && kind != "dynamic")
      return ("unknown kind of activations '" + kind +
              "', expected dynamic or static")
          .str();
    if ((kind == "static") != isCalibrated)
      return isCalibrated ? "--calibrate is for static activations"
                          : "--activations=static needs --calibrate";
  }
  if (isCalibrated && options.precision && options.precision != Precision::Int8)
    return ("--calibrate is for int8, found --precision=" + precision).str();
  if (!line.has(Opt::ReportPrecision))
    return "";
  if (options.precision == Precision::F32)
    return "--report-precision needs --precision=bf16 or int8";
  if (isCalibrated || line.has(Opt::Output) || line.has(Opt::Emit))
    return "--report-precision compiles nothing: it goes with neither -o nor "
           "--emit nor --calibrate";
  return "";
}

/// The same of `--experts`, which depends on the kind of output.
static std::string readExperts(const CommandLine &line,
                               CompileOptions &options) {
  if (!line.has(Opt::Experts))
    return "";
  StringRef where = line.value(Opt::Experts);
  StringRef folder = where;
  if (folder.consume_front("file:")) {
    if (folder.empty())
      return "--experts=file: needs a folder";
    options.experts = ExpertsMode::File;
    options.expertsFolder = folder.str();
  } else if (where == "preload") {
    if (options.kind != EmitKind::Exe)
      return "--experts=preload is for executables only, expected mmap or "
             "file:DIR";
    options.experts = ExpertsMode::Preload;
  } else if (where != "mmap") {
    return ("unknown place of experts '" + where +
            "', expected mmap, preload or file:DIR")
        .str();
  }
  return "";
}

/// The same of `--report`.
static std::string readReport(const CommandLine &line,
                              CompileOptions &options) {
  options.reportPath = line.value(Opt::Report).str();
  options.profileData = line.list(Opt::ProfileData);
  if (!line.has(Opt::Report))
    return line.has(Opt::ProfileData) ? "--profile-data needs --report" : "";
  if (options.reportPath.empty())
    return "--report needs a file";
  if (llvm::is_contained(options.profileData, ""))
    return "--profile-data needs a file";
  if (line.has(Opt::ReportPrecision))
    return "--report-precision compiles nothing that --report could describe";
  if (options.kind < EmitKind::Obj)
    return "--report goes with --emit=obj, lib, shared or exe";
  if (options.reportPath == options.output)
    return "--report and -o name the same file " + options.output;
  return "";
}

/// The same of `--depfile`.
static std::string readDepfile(const CommandLine &line,
                               CompileOptions &options) {
  options.depfile = line.value(Opt::Depfile).str();
  StringRef output = options.output;
  if (line.has(Opt::Depfile) && (options.depfile.empty() || output.empty() ||
                                 output == "-" || options.depfile == output))
    return "--depfile needs a file, and -o another one that it is about";
  return "";
}

int mlir::moe::compileMain(int argc, char **argv) {
  // A file that exceeds the limit on sizes is a write that fails, as on a full
  // disk.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  CommandLine line;
  // Wrong usage is exit code 2.
  std::string wrong;
  if (!line.parse(argc, argv, wrong)) {
    llvm::errs() << wrong;
    return 2;
  }
  if (std::optional<int> status = printTexts(line))
    return *status;
  if (line.specs().empty())
    return usage("no specification");
  if (line.specs().size() > 1)
    return usage("more than one specification: " + line.specs()[1]);

  CompileOptions options;
  options.spec = line.specs().front();
  options.output = line.value(Opt::Output).str();
  options.weights = line.value(Opt::Weights).str();
  // LLVM's own --time-passes: MLIR's passes are timed with them.
  options.timePasses = llvm::TimePassesIsEnabled;
  options.printIRAfterAll = line.has(Opt::PrintIRAfterAll);
  StringRef emitName = line.has(Opt::Emit) ? line.value(Opt::Emit) : "exe";
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
  for (auto read : {readPrecision, readExperts, readReport, readDepfile})
    if (wrong = read(line, options); !wrong.empty())
      return usage(wrong);

  initializeCodeGen();
  llvm::Expected<llvm::Triple> triple = parseTarget(
      line.value(Opt::Target).empty() ? llvm::sys::getProcessTriple()
                                      : line.value(Opt::Target));
  if (!triple)
    return usage(llvm::toString(triple.takeError()));
  options.triple = *triple;
  std::vector<std::string> reportFiles = line.list(Opt::ReportPrecision);
  if (reportFiles.empty() && options.kind >= EmitKind::Shared &&
      !canLink(options.triple))
    return usage("--emit=" + emitName + " for '" + options.triple.str() +
                 "' needs Apple's SDK; expected lib, obj, or a stage before "
                 "them");
  options.cpus = line.list(Opt::Cpu);
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

  Progress progress;
  if (!reportFiles.empty())
    return failed(reportPrecision(options, reportFiles)) ? 1 : 0;
  if (line.has(Opt::Calibrate)) {
    FailureOr<std::vector<double>> scales =
        calibrate(options, line.list(Opt::Calibrate));
    if (failed(scales))
      return 1;
    options.scales = std::move(*scales);
  }
  options.otherInputs = line.list(Opt::Calibrate);
  return failed(compile(options)) ? 1 : 0;
}
