//===- CommandLine.cpp - Reading moe-compile's command line ---------------===//

#include "moe/Driver/CommandLine.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/Support/CommandLine.h"

#include <memory>

using namespace mlir;
using namespace mlir::moe;
namespace cl = llvm::cl;

StringRef CommandLine::value(Opt option) const {
  auto it = values.find(option);
  return it == values.end() || it->second.empty() ? StringRef()
                                                  : it->second.back();
}

std::vector<std::string> CommandLine::list(Opt option) const {
  auto it = values.find(option);
  return it == values.end() ? std::vector<std::string>() : it->second;
}

static bool isList(StringRef name) {
  return llvm::any_of(optionTable(), [&](const OptionInfo &info) {
    return info.form == OptionForm::Files && info.name == name;
  });
}

/// The arguments, with `--calibrate A B` as `--calibrate=A --calibrate=B`: up
/// to the next option, all are its files.
static std::vector<std::string> spellOutLists(int argc, char **argv) {
  std::vector<std::string> spelled;
  std::string list;
  bool isPlain = false;
  for (int i = 0; i < argc; ++i) {
    StringRef word = argv[i];
    StringRef name = word.ltrim('-');
    if (i > 0 && !isPlain && word != name && isList(name)) {
      list = name.str();
      // Without a file it is an empty one, for the error that it is.
      if (i + 1 == argc || StringRef(argv[i + 1]).starts_with("-"))
        spelled.push_back("--" + list + "=");
      continue;
    }
    if (word.starts_with("-"))
      list.clear();
    isPlain |= word == "--";
    spelled.push_back(list.empty() ? word.str()
                                   : "--" + list + "=" + word.str());
  }
  return spelled;
}

namespace {
/// An option of the table as LLVM's parser has it.
struct Registered {
  std::unique_ptr<cl::opt<bool>> flag;
  std::unique_ptr<cl::opt<std::string>> single;
  std::unique_ptr<cl::list<std::string>> several;

  Registered(const OptionInfo &info, cl::OptionCategory &category) {
    StringRef name = info.name;
    cl::desc text(info.brief);
    switch (info.form) {
    case OptionForm::Flag:
      flag = std::make_unique<cl::opt<bool>>(name, text, cl::cat(category));
      break;
    case OptionForm::Value:
      single = std::make_unique<cl::opt<std::string>>(
          name, text, cl::value_desc(info.value), cl::cat(category));
      break;
    case OptionForm::Repeated:
    case OptionForm::Commas:
    case OptionForm::Files:
      several = std::make_unique<cl::list<std::string>>(
          name, text, cl::value_desc(info.value), cl::cat(category));
      if (info.form == OptionForm::Commas)
        several->setMiscFlag(cl::CommaSeparated);
      break;
    case OptionForm::Foreign:
      break;
    }
  }

  bool isGiven() const {
    return (flag && *flag) || (single && single->getNumOccurrences() > 0) ||
           (several && several->getNumOccurrences() > 0);
  }
  std::vector<std::string> values() const {
    if (single)
      return {*single};
    if (several)
      return {several->begin(), several->end()};
    return {};
  }
};
} // namespace

bool CommandLine::parse(int argc, char **argv, std::string &error) {
  // LLVM's parser keeps pointers to them until the process ends.
  static cl::OptionCategory category("moe-compile options");
  static cl::list<std::string> specs(cl::Positional, cl::desc("SPEC"),
                                     cl::cat(category));
  static std::vector<Registered> registered;
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (name == "time-passes" || name.starts_with("mlir-"))
      option->addCategory(category);
  // Registers LLVM's own general options too, some of which the table has.
  cl::HideUnrelatedOptions(category);
  for (const OptionInfo &info : optionTable()) {
    auto &known = cl::getRegisteredOptions();
    if (auto it = known.find(info.name);
        info.form != OptionForm::Foreign && it != known.end())
      it->second->removeArgument();
    registered.emplace_back(info, category);
  }
  static cl::alias shortHelp(
      "h", cl::desc("Alias for --help"),
      cl::aliasopt(*registered[static_cast<int>(Opt::Help)].flag));

  // ParseCommandLineOptions alone would end the process, with 1.
  llvm::raw_string_ostream os(error);
  std::vector<std::string> spelled = spellOutLists(argc, argv);
  std::vector<const char *> words;
  for (const std::string &word : spelled)
    words.push_back(word.c_str());
  if (!cl::ParseCommandLineOptions(words.size(), words.data(), "", &os))
    return false;
  for (auto [info, option] : llvm::zip(optionTable(), registered))
    if (option.isGiven())
      values[info.id] = option.values();
  positional.assign(specs.begin(), specs.end());
  return true;
}
