//===- Compiler.cpp - From a specification to a file ----------------------===//

#include "moe/Driver/Compiler.h"

#include "Depfile.h"
#include "ModelReport.h"
#include "OutputFile.h"

#include "moe/Conversion/Passes.h"
#include "moe/Driver/Pipelines.h"
#include "moe/Driver/Progress.h"
#include "moe/Driver/Registry.h"
#include "moe/Import/ImportModel.h"
#include "moe/Import/ModelWeights.h"
#include "moe/Target/CodeGen.h"
#include "moe/Target/Link.h"
#include "moe/Target/ModelInfo.h"
#include "moe/Target/Platform.h"
#include "moe/Transforms/Passes.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace mlir::moe;

static constexpr EmitInfo kEmitKinds[] = {
    {EmitKind::MoE, "moe", ".mlir", "the moe dialect as imported"},
    {EmitKind::Optimized, "moe-optimized", ".mlir",
     "the moe dialect after its optimisations"},
    {EmitKind::Linalg, "linalg", ".mlir",
     "linalg on tensors in panel layout, weights placed"},
    {EmitKind::Vector, "vector", ".mlir",
     "loops over vectors, on tensors (of the best CPU)"},
    {EmitKind::Bufferized, "bufferized", ".mlir",
     "loops over vectors in one workspace (of the best CPU)"},
    {EmitKind::LLVMDialect, "llvm-dialect", ".mlir",
     "MLIR's LLVM dialect (of the best CPU)"},
    {EmitKind::LLVM, "llvm", ".ll", "LLVM IR, optimised, of all CPUs"},
    {EmitKind::Asm, "asm", ".s", "assembly of all CPUs, without the weights"},
    {EmitKind::Obj, "obj", ".o", "an object file and its header"},
    {EmitKind::Lib, "lib", ".a", "a static library and its header"},
    {EmitKind::Shared, "shared", ".so", "a shared library and its header"},
    {EmitKind::Exe, "exe", "", "a static executable (the default)"},
};

ArrayRef<EmitInfo> mlir::moe::emitKinds() { return kEmitKinds; }

static const EmitInfo &findEmitKind(EmitKind kind) {
  return *llvm::find_if(
      kEmitKinds, [&](const EmitInfo &info) { return info.kind == kind; });
}

namespace {

/// A file in the system's folder for temporary files, removed at the end.
class ScratchFile {
public:
  ~ScratchFile() { remove(); }
  /// Makes the file and has `fill` write it.
  llvm::Error write(StringRef suffix,
                    function_ref<llvm::Error(llvm::raw_pwrite_stream &)> fill) {
    int descriptor;
    if (std::error_code code =
            llvm::sys::fs::createTemporaryFile("moe", suffix, descriptor, name))
      return llvm::createFileError("temporary file", code);
    llvm::sys::RemoveFileOnSignal(name);
    llvm::raw_fd_ostream os(descriptor, /*shouldClose=*/true);
    llvm::Error error = fill(os);
    os.close();
    if (llvm::Error failed = finish(os)) {
      llvm::consumeError(std::move(error));
      return llvm::createFileError(name, std::move(failed));
    }
    return error;
  }
  void remove() {
    if (name.empty())
      return;
    llvm::sys::fs::remove(name);
    llvm::sys::DontRemoveFileOnSignal(name);
    name.clear();
  }
  std::string path() const { return std::string(name); }

private:
  SmallString<128> name;
};

class Compilation {
public:
  explicit Compilation(const CompileOptions &options) : options(options) {}
  LogicalResult run();

private:
  LogicalResult import();
  /// Are the files that are written different ones, and none that is read?
  LogicalResult checkOutputs();
  /// Runs a pipeline on `module`.
  LogicalResult runPasses(ModuleOp module,
                          function_ref<void(OpPassManager &)> build);
  LogicalResult lowerVariant(const CpuTarget &cpu, llvm::Module &code,
                             CompiledModel &compiled);
  LogicalResult emitStage(Operation *module);
  LogicalResult emitCode();
  LogicalResult link(llvm::Module &code, llvm::TargetMachine &machine,
                     CompiledModel &compiled);
  /// Links a shared library from an object.
  llvm::Error linkLibrary(const std::string &object,
                          llvm::TargetMachine &machine, llvm::raw_ostream &os);
  /// Writes each expert's weights, which lie in the file `weights`, to a file
  /// of its own.
  llvm::Error separateExperts(StringRef weights, CompiledModel &compiled,
                              std::vector<OutputFile> &files);
  void countParameters(CompiledModel &compiled);
  /// Which precisions below f32 the model's products have.
  PrecisionSet precisions() const;
  /// Of a model for calibration: what its logits are of.
  LogicalResult countObserved();
  SetPrecisionOptions precisionOptions() const;

  /// Prints an error, or a warning if those are wanted.
  void show(const InputError &error);
  /// An error about `file`; always a failure.
  LogicalResult fail(StringRef file, StringRef where, const Twine &message);
  LogicalResult fail(llvm::Error error, StringRef where);
  LogicalResult writeText(StringRef text);
  /// Writes what the output depends on, if that is wanted.
  LogicalResult writeDepfile(OutputFile &file);
  LogicalResult keepDepfile(OutputFile &file);
  /// Writes the page about the model, which is in the file `result`, to `page`,
  /// if that is wanted.
  LogicalResult writeReport(const CompiledModel &compiled, StringRef result,
                            OutputFile &page);

  const CompileOptions &options;
  DialectRegistry registry;
  std::unique_ptr<MLIRContext> context;
  ModelSpec spec;
  std::optional<WeightFiles> weightFiles;
  OwningOpRef<ModuleOp> module;
  Precision precision = Precision::F32;
  int64_t multiplyAdds = 0;
  ReportData reportData;
  OutputFolder expertsFolder;
  std::string output;
};

} // namespace

LogicalResult mlir::moe::report(StringRef file, StringRef where,
                                const Twine &message,
                                InputError::Severity severity) {
  llvm::errs()
      << InputError{severity, file.str(), where.str(), message.str()}.str()
      << '\n';
  return success(severity == InputError::Severity::Warning);
}

LogicalResult Compilation::fail(StringRef file, StringRef where,
                                const Twine &message) {
  return report(file, where, message);
}

LogicalResult Compilation::fail(llvm::Error error, StringRef where) {
  return fail(output.empty() ? options.spec : output, where,
              llvm::toString(std::move(error)));
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

void Compilation::show(const InputError &error) {
  if (options.showWarnings || error.severity != InputError::Severity::Warning)
    (void)report(error.file, error.where, error.message, error.severity);
}

LogicalResult Compilation::import() {
  Progress::step("import");
  auto sink = [this](const InputError &error) { show(error); };
  FailureOr<ModelSpec> parsed = parseModelSpec(options.spec, sink);
  if (failed(parsed))
    return failure();
  spec = std::move(*parsed);
  if (options.ignoreLayerPrecisions)
    spec.layerPrecisions.clear();
  // The last one of a name counts.
  llvm::append_range(spec.layerPrecisions, options.layerPrecisions);
  precision =
      options.precision.value_or(spec.precision.value_or(Precision::F32));
  if (!options.weights.empty())
    spec.weightsPath = options.weights;
  FailureOr<WeightFiles> opened = WeightFiles::open(spec.weightsPath, sink);
  if (failed(opened))
    return failure();
  weightFiles.emplace(std::move(*opened));
  if (failed(checkWeights(spec, *weightFiles, sink)))
    return failure();

  registerAllDialects(registry);
  registerTranslations(registry);
  context = std::make_unique<MLIRContext>(registry);
  context->loadAllAvailableDialects();
  if (options.printIRAfterAll)
    context->disableMultithreading();
  module = importModel(spec, context.get());
  return success();
}

/// `path` without links and dots, whether there is such a file or not.
static std::string placeOf(StringRef path) {
  SmallString<128> place;
  if (!llvm::sys::fs::real_path(path, place))
    return std::string(place);
  StringRef folder = llvm::sys::path::parent_path(path);
  if (llvm::sys::fs::real_path(folder.empty() ? "." : folder, place))
    return path.str();
  llvm::sys::path::append(place, llvm::sys::path::filename(path));
  return std::string(place);
}

LogicalResult Compilation::checkOutputs() {
  llvm::StringMap<StringRef> known;
  auto addRead = [&](ArrayRef<std::string> files) {
    for (const std::string &file : files)
      known.try_emplace(placeOf(file), "a file that is read");
  };
  addRead(spec.files);
  addRead(weightFiles->files());
  addRead(options.otherInputs);
  addRead(options.profileData);
  auto add = [&](StringRef file, StringRef what) -> LogicalResult {
    if (file.empty() || file == "-")
      return success();
    auto [it, isNew] = known.try_emplace(placeOf(file), what);
    return isNew ? success()
                 : fail(file, what, "is the name of " + it->second + ", too");
  };
  SmallString<128> header;
  if (options.kind >= EmitKind::Obj && options.kind != EmitKind::Exe) {
    header = output;
    llvm::sys::path::replace_extension(header, ".h");
  }
  return failure(failed(add(output, "the output")) ||
                 failed(add(header, "the header")) ||
                 failed(add(options.reportPath, "the report")) ||
                 failed(add(options.depfile, "the depfile")));
}

LogicalResult
Compilation::runPasses(ModuleOp module,
                       function_ref<void(OpPassManager &)> build) {
  PassManager pm(module->getName());
  if (failed(applyPassManagerCLOptions(pm)))
    return failure();
  applyDefaultTimingPassManagerCLOptions(pm);
  if (options.timePasses)
    pm.enableTiming();
  if (options.printIRAfterAll)
    pm.enableIRPrinting([](Pass *, Operation *) { return false; },
                        [](Pass *, Operation *) { return true; },
                        /*printModuleScope=*/true,
                        /*printAfterOnlyOnChange=*/false);
  build(pm);
  return pm.run(module);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

LogicalResult Compilation::writeText(StringRef text) {
  if (output == "-") {
    llvm::outs() << text;
    if (llvm::Error error = finish(llvm::outs()))
      return fail(std::move(error), "output");
    return success();
  }
  OutputFile file;
  if (llvm::Error error = file.open(output, kPlainFile))
    return fail(std::move(error), "output");
  llvm::raw_fd_ostream os(file.descriptor(), /*shouldClose=*/false);
  os << text;
  if (llvm::Error error = finish(os))
    return fail(std::move(error), "output");
  OutputFile depfile;
  if (failed(writeDepfile(depfile)) || failed(keepDepfile(depfile)))
    return failure();
  if (llvm::Error error = file.keep())
    return fail(std::move(error), "output");
  return success();
}

LogicalResult Compilation::writeDepfile(OutputFile &file) {
  if (options.depfile.empty())
    return success();
  std::vector<std::string> inputs = spec.files;
  llvm::append_range(inputs, weightFiles->files());
  llvm::append_range(inputs, options.otherInputs);
  for (const std::string &path : inputs)
    if (StringRef(path).contains('\n'))
      return fail(options.depfile, "file",
                  "cannot name an input whose path holds a line break");
  if (llvm::Error error = file.open(options.depfile, kPlainFile))
    return fail(options.depfile, "file", llvm::toString(std::move(error)));
  llvm::raw_fd_ostream os(file.descriptor(), /*shouldClose=*/false);
  printDepfile(output, inputs, os);
  if (llvm::Error error = finish(os))
    return fail(options.depfile, "file", llvm::toString(std::move(error)));
  return success();
}

LogicalResult Compilation::keepDepfile(OutputFile &file) {
  if (options.depfile.empty())
    return success();
  if (llvm::Error error = file.keep())
    return fail(options.depfile, "file", llvm::toString(std::move(error)));
  return success();
}

LogicalResult Compilation::writeReport(const CompiledModel &compiled,
                                       StringRef result, OutputFile &page) {
  if (options.reportPath.empty())
    return success();
  auto failReport = [&](llvm::Error error) {
    return fail(options.reportPath, "report", llvm::toString(std::move(error)));
  };
  if (options.kind == EmitKind::Obj)
    if (llvm::Error error = addCode(reportData, compiled, result))
      return failReport(std::move(error));
  for (const WeightSection &section : compiled.sections)
    reportData.sections.push_back({section.name, section.size});
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(result, size))
    reportData.fileBytes = size;
  if (llvm::Error error = page.open(options.reportPath, kPlainFile))
    return failReport(std::move(error));
  llvm::raw_fd_ostream os(page.descriptor(), /*shouldClose=*/false);
  os << makeReport(reportData);
  if (llvm::Error error = finish(os))
    return failReport(std::move(error));
  return success();
}

LogicalResult Compilation::emitStage(Operation *module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  os << '\n';
  return writeText(text);
}

LogicalResult Compilation::lowerVariant(const CpuTarget &cpu,
                                        llvm::Module &code,
                                        CompiledModel &compiled) {
  OwningOpRef<ModuleOp> variant = module->clone();
  std::string level = cpu.level->name.str();
  bool isObserved = options.kind == EmitKind::Exe;
  auto stage = [&](EmitKind kind, function_ref<void(OpPassManager &)> build) {
    Progress::step("to " + findEmitKind(kind).name);
    return options.kind < kind ? success() : runPasses(*variant, build);
  };
  if (failed(
          stage(EmitKind::Vector,
                [&](OpPassManager &pm) { buildVectorPipeline(pm, level); })) ||
      failed(stage(EmitKind::Bufferized, [&](OpPassManager &pm) {
        buildBufferizePipeline(pm, isObserved);
      })))
    return failure();
  if (auto run = variant->lookupSymbol<func::FuncOp>(kRunFunction);
      options.kind >= EmitKind::Bufferized) {
    auto workspace = cast<MemRefType>(run.getArgumentTypes().back());
    compiled.workspaceBytes =
        std::max(compiled.workspaceBytes, workspace.getNumElements());
    if (auto offset = run->getAttrOfType<IntegerAttr>(kRoutesOffsetAttr))
      compiled.routesOffset = offset.getInt();
    // The best CPU's plan; the others' are much the same.
    if (compiled.variants.empty())
      addWorkspace(reportData, run);
  }
  if (failed(stage(EmitKind::LLVMDialect, [&](OpPassManager &pm) {
        buildLLVMPipeline(pm, level, isObserved,
                          options.experts == ExpertsMode::File);
      })))
    return failure();
  if (options.kind <= EmitKind::LLVMDialect)
    return emitStage(*variant);

  for (Operation &op : llvm::make_early_inc_range(*variant->getBody()))
    if (isa<ParamOp, ParamTableOp>(op))
      op.erase();
  std::string name = spec.name + "_run_" + level;
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  llvm::Expected<Variant> added = addVariant(*variant, cpu, name, code);
  if (!added)
    return fail(added.takeError(), "code generation");
  compiled.variants.push_back(*added);
  return success();
}

PrecisionSet Compilation::precisions() const {
  PrecisionSet set;
  auto add = [&](Precision precision) {
    set.bf16 |= precision == Precision::BF16;
    set.int8 |= precision == Precision::Int8;
  };
  add(precision);
  for (const auto &[layer, own] : spec.layerPrecisions)
    add(own);
  return set;
}

SetPrecisionOptions Compilation::precisionOptions() const {
  SetPrecisionOptions set;
  set.precision = precisionName(precision).str();
  for (const auto &[layer, own] : spec.layerPrecisions)
    set.layers.push_back(layer + "=" + precisionName(own).str());
  set.scales.append(options.scales.begin(), options.scales.end());
  set.observe = options.observed != nullptr;
  // x86 multiplies unsigned by signed numbers.
  set.offset = options.triple.getArch() == llvm::Triple::x86_64 ? 128 : 0;
  return set;
}

LogicalResult Compilation::countObserved() {
  auto run = module->lookupSymbol<func::FuncOp>(kRunFunction);
  auto logits = run.front().getTerminator()->getOperand(0);
  auto collect = logits.getDefiningOp<CollectOp>();
  if (!collect)
    return fail(options.spec, "calibration",
                "no product of 8-bit integers outside of experts");
  for (Value scales : collect.getInputs())
    options.observed->push_back(
        cast<RankedTensorType>(scales.getType()).getDimSize(0));
  spec.numClasses = cast<RankedTensorType>(logits.getType()).getDimSize(1);
  spec.labels.clear();
  return success();
}

void Compilation::countParameters(CompiledModel &compiled) {
  compiled.precision = precisionName(precision).str();
  if (!spec.layerPrecisions.empty())
    compiled.precision += ", mixed";
  compiled.parameters = moe::countParameters(spec);
  compiled.activeParameters = countActiveParameters(spec);
  compiled.multiplyAdds = multiplyAdds;
  if (!spec.moe)
    return;
  bool isPerToken = spec.moe->routing == MoESpec::Routing::Patch;
  compiled.numRoutes = spec.moe->layers.size() *
                       (isPerToken ? spec.moe->numExperts : spec.moe->topK);
}

LogicalResult Compilation::emitCode() {
  initializeCodeGen();
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine(options.triple);
  if (!machine)
    return fail(machine.takeError(), "code generation");
  llvm::LLVMContext llvmContext;
  llvm::Module code(spec.name, llvmContext);
  code.setTargetTriple(options.triple);
  code.setDataLayout((*machine)->createDataLayout());
  code.setPICLevel(llvm::PICLevel::BigPIC);

  // In a library there is nobody to look on.
  bool isDescribed =
      options.kind == EmitKind::Exe || !options.reportPath.empty();
  if (isDescribed && failed(runPasses(*module, [](OpPassManager &pm) {
        pm.addPass(moe::createListParts());
      })))
    return failure();
  CompiledModel compiled;
  compiled.expertsMode = options.experts;
  compiled.parts = readParts(*module);
  countParameters(compiled);
  if (!options.reportPath.empty()) {
    reportData = beginReport(spec, compiled, options.triple);
    auto sink = [this](const InputError &error) { show(error); };
    if (failed(addProfiles(reportData, options.profileData, sink)))
      return failure();
  }
  llvm::Expected<SmallVector<CpuTarget>> cpus =
      selectCpus(options.triple, options.cpus, precisions());
  if (!cpus)
    return fail(cpus.takeError(), "target");
  for (const CpuTarget &cpu : *cpus) {
    Progress::Part part("for " + cpu.level->name + " (" +
                        Twine(compiled.variants.size() + 1) + " of " +
                        Twine(cpus->size()) + ")");
    if (failed(lowerVariant(cpu, code, compiled)))
      return failure();
    if (options.kind <= EmitKind::LLVMDialect)
      return success();
  }
  return link(code, **machine, compiled);
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// Places in a Mach-O file are 32-bit numbers; some are left for code and for
/// the experts' alignment.
static constexpr int64_t kLargestMachO = INT64_C(3) << 30;

llvm::Error Compilation::linkLibrary(const std::string &object,
                                     llvm::TargetMachine &machine,
                                     llvm::raw_ostream &os) {
  SmallVector<std::string> inputs{object};
  // Android's loader looks for a symbol only in the libraries that are said to
  // be needed. Of this one, the linker takes no more than its name.
  ScratchFile empty, system;
  if (options.triple.isAndroid()) {
    llvm::LLVMContext llvmContext;
    llvm::Module nothing("libc", llvmContext);
    nothing.setTargetTriple(options.triple);
    nothing.setDataLayout(machine.createDataLayout());
    if (llvm::Error error =
            empty.write("o", [&](llvm::raw_pwrite_stream &file) {
              return moe::emit(nothing, machine,
                               llvm::CodeGenFileType::ObjectFile, file);
            }))
      return error;
    if (llvm::Error error =
            system.write("so", [&](llvm::raw_pwrite_stream &file) {
              return linkShared(empty.path(), "libc.so", options.triple, file);
            }))
      return error;
    inputs.push_back(system.path());
  }
  return linkShared(inputs, llvm::sys::path::filename(output), options.triple,
                    os);
}

llvm::Error Compilation::separateExperts(StringRef weights,
                                         CompiledModel &compiled,
                                         std::vector<OutputFile> &files) {
  SmallString<128> folder(llvm::sys::path::parent_path(output));
  if (llvm::sys::path::is_absolute(options.expertsFolder))
    folder = options.expertsFolder;
  else
    llvm::sys::path::append(folder, options.expertsFolder);
  if (std::error_code code = expertsFolder.create(folder))
    return llvm::createFileError(folder, code);
  auto contents = llvm::MemoryBuffer::getFile(weights);
  if (!contents)
    return llvm::createFileError(weights, contents.getError());
  compiled.expertsFolder = options.expertsFolder;
  for (const WeightSection &section : compiled.sections) {
    if (!section.isExpert())
      continue;
    StringRef bytes =
        (*contents)->getBuffer().substr(section.begin, section.size);
    ExpertFile file = describeExpertFile(spec.name, section,
                                         llvm::arrayRefFromStringRef(bytes));
    SmallString<128> path(folder);
    llvm::sys::path::append(path, file.name);
    for (const std::string &other : {options.reportPath, options.depfile})
      if (!other.empty() && placeOf(other) == placeOf(path))
        return llvm::createStringError(other +
                                       " is the name of an expert's file, too");
    OutputFile &out = files.emplace_back();
    if (llvm::Error error = out.open(path, kPlainFile))
      return error;
    llvm::raw_fd_ostream os(out.descriptor(), /*shouldClose=*/false);
    writeExpertFile(file, llvm::arrayRefFromStringRef(bytes), os);
    if (llvm::Error error = finish(os))
      return llvm::createFileError(path, std::move(error));
    compiled.expertFiles.push_back(std::move(file));
  }
  return llvm::Error::success();
}

static void showWeights(int64_t done, int64_t size) {
  constexpr int64_t megabyte = 1000000;
  Progress::step("weights, " + Twine(done / megabyte) + " of " +
                     Twine(size / megabyte) + " MB",
                 double(done) / size);
}

LogicalResult Compilation::link(llvm::Module &code,
                                llvm::TargetMachine &machine,
                                CompiledModel &compiled) {
  std::string folder = runtimeFolder(options.triple);
  std::string runtime = options.resources + "/" + folder;
  if (options.kind == EmitKind::Exe &&
      !llvm::sys::fs::exists(runtime + "/libmoe_runtime.a"))
    return fail(options.spec, "target",
                "this compiler was built without the runtime for " + folder);
  bool isExecutable = options.kind == EmitKind::Exe;
  // An executable's runtime has a probe of its own.
  SmallVector<StringRef> support{"Services.c.bc"};
  if (!isExecutable)
    support.push_back("CpuFeatures.c.bc");
  for (StringRef file : support)
    if (llvm::Error error = linkBitcode(runtime + "/" + file.str(), code))
      return fail(std::move(error), "code generation");

  // The weights first: their size is part of what the model says of itself.
  ScratchFile weights;
  bool wantsFile = options.kind >= EmitKind::Obj;
  if (wantsFile) {
    llvm::Error error =
        weights.write("weights", [&](llvm::raw_pwrite_stream &os) {
          compiled.sections =
              writeWeights(*module, *weightFiles, os, showWeights);
          // Code generation opens the file for each section. LLVM maps it if
          // its last page has room for a zero behind it, else it reads all of
          // it: each time, into memory of its own.
          os << '\0';
          return llvm::Error::success();
        });
    if (error)
      return fail(std::move(error), "weights");
    int64_t end =
        compiled.sections.back().begin + compiled.sections.back().size;
    if (options.triple.isOSBinFormatMachO() && end > kLargestMachO)
      return fail(options.spec, "target",
                  "weights of " + Twine(end) +
                      " bytes are too large for a Mach-O object, which holds " +
                      Twine(kLargestMachO));
  }

  std::vector<OutputFile> expertFiles;
  if (options.experts == ExpertsMode::File && wantsFile) {
    if (llvm::Error error =
            separateExperts(weights.path(), compiled, expertFiles))
      return fail(std::move(error), "experts");
    if (expertFiles.empty())
      return fail(options.spec, "experts",
                  "the model has none that could be files of their own");
  }

  if (isExecutable)
    emitModelInfo(code, spec, compiled);
  else
    emitCInterface(code, spec, compiled);
  emitExpertIds(code, compiled);
  Progress::step("optimisation");
  optimize(code, machine);
  Progress::step("code generation");

  if (options.kind == EmitKind::LLVM) {
    std::string text;
    llvm::raw_string_ostream os(text);
    code.print(os, nullptr);
    return writeText(text);
  }
  if (options.kind == EmitKind::Asm) {
    SmallVector<char, 0> buffer;
    llvm::raw_svector_ostream os(buffer);
    if (llvm::Error error =
            moe::emit(code, machine, llvm::CodeGenFileType::AssemblyFile, os))
      return fail(std::move(error), "code generation");
    return writeText(StringRef(buffer.data(), buffer.size()));
  }

  if (!expertFiles.empty())
    llvm::erase_if(compiled.sections, [](const WeightSection &section) {
      return section.isExpert();
    });
  addWeights(compiled.sections, weights.path(), code);
  auto emitObject = [&](llvm::raw_pwrite_stream &os) {
    return moe::emit(code, machine, llvm::CodeGenFileType::ObjectFile, os);
  };
  OutputFile out, header;
  bool isLoaded = isExecutable || options.kind == EmitKind::Shared;
  if (llvm::Error error = out.open(
          output, isLoaded ? kPlainFile | llvm::sys::fs::all_exe : kPlainFile))
    return fail(std::move(error), "output");
  // lld's output comes in large pieces, an object in small ones.
  llvm::raw_fd_ostream os(out.descriptor(), /*shouldClose=*/false,
                          /*unbuffered=*/options.kind != EmitKind::Obj);
  StringRef step = "code generation";
  auto write = [&]() -> llvm::Error {
    if (options.kind == EmitKind::Obj)
      return emitObject(os);
    ScratchFile object;
    if (llvm::Error error = object.write("o", emitObject))
      return error;
    weights.remove();
    if (!options.reportPath.empty())
      if (llvm::Error error = addCode(reportData, compiled, object.path()))
        return error;
    step = "link";
    Progress::step(step);
    switch (options.kind) {
    case EmitKind::Exe:
      return linkExecutable(object.path(), runtime, options.triple, os);
    case EmitKind::Shared:
      return linkLibrary(object.path(), machine, os);
    default:
      return makeArchive(object.path(), spec.name + ".o", options.triple, os);
    }
  };
  llvm::Error codeError = write();
  llvm::Error writeError = finish(os);
  if (codeError) {
    llvm::consumeError(std::move(writeError));
    return fail(std::move(codeError), step);
  }
  if (writeError)
    return fail(std::move(writeError), "output");

  OutputFile page;
  OutputFile depfile;
  if (failed(writeReport(compiled, out.path(), page)) ||
      failed(writeDepfile(depfile)))
    return failure();
  if (!isExecutable) {
    SmallString<128> path(output);
    llvm::sys::path::replace_extension(path, ".h");
    if (llvm::Error failed = header.open(path, kPlainFile))
      return fail(std::move(failed), "header");
    llvm::raw_fd_ostream os(header.descriptor(), /*shouldClose=*/false);
    os << makeHeader(spec, compiled);
    if (llvm::Error failed = finish(os))
      return fail(std::move(failed), "header");
    if (llvm::Error failed = header.keep())
      return fail(std::move(failed), "header");
  }
  for (OutputFile &file : expertFiles)
    if (llvm::Error failed = file.keep())
      return fail(std::move(failed), "experts");
  expertsFolder.keep();
  if (!options.reportPath.empty())
    if (llvm::Error failed = page.keep())
      return fail(options.reportPath, "report",
                  llvm::toString(std::move(failed)));
  if (failed(keepDepfile(depfile)))
    return failure();
  if (llvm::Error failed = out.keep())
    return fail(std::move(failed), "output");
  return success();
}

LogicalResult Compilation::run() {
  if (failed(import()))
    return failure();
  output = options.output.empty()
               ? (spec.name + findEmitKind(options.kind).suffix).str()
               : options.output;
  if (failed(checkOutputs()))
    return failure();

  if (options.kind == EmitKind::MoE)
    return emitStage(*module);
  Progress::step("optimisation of the model");
  if (failed(runPasses(*module, [&](OpPassManager &pm) {
        buildOptimizePipeline(pm);
        buildPrecisionPipeline(pm, precisionOptions());
      })))
    return failure();
  if (options.observed && failed(countObserved()))
    return failure();
  multiplyAdds =
      countMultiplyAdds(module->lookupSymbol<func::FuncOp>(kRunFunction));
  if (options.kind == EmitKind::Optimized)
    return emitStage(*module);
  // Arm's matrix instructions take two columns of 64 bits.
  int64_t columnBits = options.triple.isAArch64() ? 64 : 32;
  Progress::step("to linalg");
  if (failed(runPasses(*module, [&](OpPassManager &pm) {
        buildLinalgPipeline(pm, columnBits);
      })))
    return failure();
  if (options.kind == EmitKind::Linalg)
    return emitStage(*module);
  return emitCode();
}

LogicalResult mlir::moe::compile(const CompileOptions &options) {
  return Compilation(options).run();
}
