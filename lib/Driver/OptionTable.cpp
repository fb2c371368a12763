//===- OptionTable.cpp - moe-compile's options, each with what it is for --===//

#include "moe/Driver/CommandLine.h"
#include "moe/Driver/Compiler.h"
#include "moe/Target/Platform.h"

using namespace mlir;
using namespace mlir::moe;

static std::vector<OptionChoice> emitChoices() {
  std::vector<OptionChoice> choices;
  for (const EmitInfo &info : llvm::reverse(emitKinds()))
    choices.push_back({info.name.str(), info.description.str()});
  choices.push_back({"help", "lists the kinds"});
  return choices;
}

static std::vector<OptionChoice> targetChoices() {
  std::vector<OptionChoice> choices;
  for (StringRef name : knownTargets())
    choices.push_back(
        {name.str(), canLink(llvm::Triple(llvm::Triple::normalize(name)))
                         ? ""
                         : "not for exe and shared"});
  return choices;
}

static std::vector<OptionChoice> cpuChoices() {
  std::vector<OptionChoice> choices{{"native", "this machine's CPU"}};
  for (const CpuLevel &level : cpuLevels())
    choices.push_back(
        {level.name.str(), llvm::Triple::getArchTypeName(level.arch).str()});
  return choices;
}

static std::vector<OptionChoice> precisionChoices() {
  std::vector<OptionChoice> choices;
  for (Precision precision : {Precision::F32, Precision::BF16, Precision::Int8})
    choices.push_back({precisionName(precision).str(), ""});
  choices.front().description = "the default";
  return choices;
}

static std::vector<OptionChoice> expertsChoices() {
  return {{"mmap", "in the output; what is chosen is read (the default)"},
          {"preload", "in the executable; all are read at its start"},
          {"file:", "files of their own in a folder beside it"}};
}

static std::vector<OptionChoice> activationsChoices() {
  return {{"dynamic", "a scale for each token (the default)"},
          {"static", "one for all, from --calibrate"}};
}

static std::vector<OptionChoice> shellChoices() {
  return {{"bash", ""}, {"zsh", ""}, {"fish", ""}};
}

/// What the binaries read.
static constexpr StringLiteral kInputFiles = "png jpg jpeg bmp ppm pgm npy";

static constexpr OptionInfo kOptions[] = {
    {Opt::Output, "o", OptionForm::Value, "OUT", true,
     "output file; default: the model's name",
     "The output file. By default it is the model's name with the kind's usual "
     "suffix. obj, lib and shared write their header beside it, with the "
     "suffix .h. For text, - is standard output.",
     nullptr, "*"},
    {Opt::Weights, "weights", OptionForm::Value, "FILE", true,
     "weights instead of the specification's",
     "A safetensors file, or the index of several, instead of the one that the "
     "specification names.",
     nullptr, "safetensors json"},
    {Opt::Emit, "emit", OptionForm::Value, "KIND", true,
     "exe (default), obj, lib, shared, asm, llvm, or a stage\n"
     "of the compiler; --emit=help describes them",
     "What to write: a file to run or to link, or the compiler's intermediate "
     "representation after one of its stages.",
     emitChoices},
    {Opt::Target, "target", OptionForm::Value, "TRIPLE", true,
     "default: this machine; --help-all lists the others",
     "The system that the output is for. By default it is this machine.",
     targetChoices},
    {Opt::Cpu, "cpu", OptionForm::Commas, "NAME[,NAME...]", true,
     "CPUs to have code for, the binary picks the best that\n"
     "it finds; default: all levels of the target",
     "The CPUs to compile for: levels, LLVM's names of CPUs, or native. With "
     "several, the binary has code for each and picks the best that its "
     "machine can run. By default it has code for every level of the target "
     "that is any faster in this precision.",
     cpuChoices},
    {Opt::Precision, "precision", OptionForm::Value, "TYPE", true,
     "f32 (default), bf16 or int8: of weights and products",
     "The precision of weights and matrix products, of all layers that the "
     "specification does not give one of their own.",
     precisionChoices},
    {Opt::Calibrate, "calibrate", OptionForm::Files, "FILES...", true,
     "images or .npy: int8 with constant scales from them",
     "Images or .npy inputs, up to the next option. The model is compiled for "
     "this machine and run on them first; int8 then has constant scales of "
     "activations that are taken from these runs.",
     nullptr, kInputFiles},
    {Opt::Experts, "experts", OptionForm::Value, "WHERE", true,
     "mmap (default), preload, or file:DIR: experts as files\n"
     "of their own",
     "How experts get into memory. obj, lib and shared have no preload.",
     expertsChoices},
    {Opt::Report, "report", OptionForm::Value, "FILE.html", true,
     "write a page that describes the compiled model",
     "Writes a page that describes the compiled model: its blocks and experts, "
     "parameters, multiply-adds, workspace and code. It goes with the kinds "
     "obj, lib, shared and exe.",
     nullptr, "html"},
    {Opt::Help, "help", OptionForm::Flag, "", true, "print this text",
     "Prints the everyday options."},
    {Opt::HelpAll, "help-all", OptionForm::Flag, "", true,
     "list all options, advanced ones too, and their values",
     "Prints all options and their values."},
    {Opt::Version, "version", OptionForm::Flag, "", true, "print the version",
     "Prints the version."},
    {Opt::Activations, "activations", OptionForm::Value, "KIND", false,
     "int8's scales of activations: dynamic (default), static",
     "int8's scales of activations.", activationsChoices},
    {Opt::ReportPrecision, "report-precision", OptionForm::Files, "FILES...",
     false, "what --precision costs on images or .npy, by layer",
     "Compiles nothing, but prints what --precision costs on the images or "
     ".npy inputs, layer by layer. Files are all words up to the next option.",
     nullptr, kInputFiles},
    {Opt::ProfileData, "profile-data", OptionForm::Repeated, "TRACE.json",
     false, "a trace of the model's --profile, for --report",
     "A trace that the model's --profile has written; the page of --report "
     "then has times and how often each expert was chosen. May be given "
     "several times.",
     nullptr, "json"},
    {Opt::Depfile, "depfile", OptionForm::Value, "FILE", false,
     "write which files OUT depends on, for Make and Ninja",
     "Writes, as Make and Ninja read it, which files OUT was made from: the "
     "specification, its labels and weights, and those of --calibrate.",
     nullptr, "*"},
    {Opt::TimePasses, "time-passes", OptionForm::Foreign, "", false,
     "print how long each pass took", "Prints how long each pass took."},
    {Opt::PrintIRAfterAll, "print-ir-after-all", OptionForm::Flag, "", false,
     "print the IR after each MLIR pass",
     "Prints the intermediate representation after each MLIR pass, on standard "
     "error."},
    {Opt::MLIR, "mlir-...", OptionForm::Foreign, "", false,
     "MLIR's own options, which --help-hidden lists",
     "MLIR's own options, such as --mlir-timing or --mlir-disable-threading; "
     "--help-hidden lists them."},
    {Opt::Completion, "completion", OptionForm::Value, "SHELL", false,
     "print a script that completes command lines",
     "Prints a script for a shell that completes the command lines of "
     "moe-compile.",
     shellChoices},
    {Opt::Man, "man", OptionForm::Flag, "", false, "print the manual page",
     "Prints the manual page, in troff's format."},
};

static constexpr bool isInOrder() {
  int row = 0;
  for (const OptionInfo &info : kOptions)
    if (static_cast<int>(info.id) != row++)
      return false;
  return true;
}
static_assert(isInOrder(), "a row for each option, in the order of Opt");

ArrayRef<OptionInfo> mlir::moe::optionTable() { return kOptions; }

const OptionInfo &mlir::moe::optionInfo(Opt option) {
  return kOptions[static_cast<int>(option)];
}

std::string OptionInfo::spelled() const {
  return (name.size() == 1 ? "-" : "--") + name.str();
}

std::string OptionInfo::usage() const {
  if (value.empty())
    return spelled();
  // The files of a list are words of their own.
  bool isWord = form == OptionForm::Files || name.size() == 1;
  return spelled() + (isWord ? " " : "=") + value.str();
}
