//===- CommandLine.h - moe-compile's options --------------------*- C++ -*-===//
//
// One table of the options: parsing, --help, the completion scripts and the
// manual page come from it. A new option is an enumerator, a row, and a line in
// the README.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DRIVER_COMMANDLINE_H
#define MOE_DRIVER_COMMANDLINE_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <map>
#include <string>
#include <vector>

namespace mlir::moe {

/// In the order of the table's rows.
enum class Opt {
  Output,
  Weights,
  Emit,
  Target,
  Cpu,
  Precision,
  Calibrate,
  Experts,
  Report,
  Help,
  HelpAll,
  Version,
  Activations,
  ReportPrecision,
  ProfileData,
  Depfile,
  TimePasses,
  PrintIRAfterAll,
  MLIR,
  Completion,
  Man
};

/// How an option is written.
enum class OptionForm {
  Flag,     ///< `--name`
  Value,    ///< `--name=VALUE`; the last one counts
  Repeated, ///< `--name=VALUE`, any number of times
  Commas,   ///< `--name=VALUE,VALUE`
  Files,    ///< `--name FILE FILE`, up to the next option
  Foreign   ///< a flag that LLVM or MLIR registers
};

/// A value that an option can have.
struct OptionChoice {
  /// One that ends in a colon is followed by a folder.
  std::string name;
  std::string description;
};

/// A row of the table. Texts are plain ASCII.
struct OptionInfo {
  Opt id;
  /// Without dashes. A single letter has one dash, the others two.
  StringLiteral name;
  OptionForm form;
  /// What the value is called; empty for flags.
  StringLiteral value;
  /// `--help` lists it; `--help-all` and the manual page list all.
  bool isEveryday;
  /// For `--help` and completion.
  StringLiteral brief;
  /// Whole sentences, for `--help-all` and the manual page.
  StringLiteral description;
  /// Its values, if they can be listed.
  std::vector<OptionChoice> (*choices)() = nullptr;
  /// If the value is a file: the suffixes that completion offers, separated by
  /// spaces, or `*` for any.
  StringLiteral files = "";

  /// `--emit=KIND`
  std::string usage() const;
  /// `--emit`
  std::string spelled() const;
};

/// Every option, first the everyday ones.
ArrayRef<OptionInfo> optionTable();
const OptionInfo &optionInfo(Opt option);

/// Suffixes of the files that can be SPEC, as in OptionInfo.
inline constexpr StringLiteral kSpecFiles = "json";
inline constexpr StringLiteral kUsage = "moe-compile SPEC [-o OUT] [options]";

/// What a command line says, not yet checked but for its form.
class CommandLine {
public:
  /// False if an option is not known, lacks its value, or has one though it is
  /// a flag; `error` then says so in a line or two. Registers the options of
  /// the table and MLIR's with LLVM's parser: to be called once.
  bool parse(int argc, char **argv, std::string &error);

  bool has(Opt option) const { return values.count(option); }
  /// The value of an option, or nothing.
  StringRef value(Opt option) const;
  /// All values of one that can have several.
  std::vector<std::string> list(Opt option) const;
  /// What is no option.
  ArrayRef<std::string> specs() const { return positional; }

private:
  std::map<Opt, std::vector<std::string>> values;
  std::vector<std::string> positional;
};

/// The everyday options, on a screen of 80 by 24.
void printHelp(raw_ostream &os);
/// All options and their values.
void printHelpAll(raw_ostream &os);
void printVersion(raw_ostream &os);
/// The manual page, in troff's man macros.
void printManualPage(raw_ostream &os);
/// A script that completes command lines in `shell`: bash, zsh or fish. False
/// if it is another.
bool printCompletion(StringRef shell, raw_ostream &os);

} // namespace mlir::moe

#endif // MOE_DRIVER_COMMANDLINE_H
