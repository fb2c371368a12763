//===- Help.cpp - What --help prints --------------------------------------===//

#include "moe/Driver/CommandLine.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace mlir::moe;

static constexpr unsigned kWidth = 79;

/// Prints `text` in lines from column `indent` on; the first one is there
/// already.
static void printWrapped(StringRef text, unsigned indent, raw_ostream &os) {
  SmallVector<StringRef> words;
  text.split(words, ' ');
  unsigned column = indent;
  for (StringRef word : words) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      os << '\n';
      os.indent(indent);
      column = indent;
    } else if (column > indent) {
      os << ' ';
      ++column;
    }
    os << word;
    column += word.size();
  }
  os << '\n';
}

void mlir::moe::printVersion(raw_ostream &os) {
  os << "moe-compile " MOE_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
}

void mlir::moe::printHelp(raw_ostream &os) {
  constexpr unsigned column = 24;
  auto print = [&](StringRef usage, StringRef brief) {
    os << "  " << llvm::left_justify(usage, column - 2);
    SmallVector<StringRef> lines;
    brief.split(lines, '\n');
    os << llvm::join(lines, "\n" + std::string(column, ' ')) << '\n';
  };
  os << "Compiles a Vision Transformer to a standalone binary or a C library.\n"
     << "usage: " << kUsage << "\n\n";
  print("SPEC", "a JSON file, or a folder that holds config.json");
  for (const OptionInfo &info : optionTable())
    if (info.isEveryday)
      print(info.usage(), info.brief);
}

void mlir::moe::printHelpAll(raw_ostream &os) {
  os << "Compiles a Vision Transformer to a standalone binary or a C library.\n"
     << "usage: " << kUsage << "\n\n"
     << "SPEC is a JSON file, or a folder that holds config.json. A value may\n"
        "follow its option after = or as the next word.\n";
  for (bool isEveryday : {true, false}) {
    os << (isEveryday ? "\nEveryday options:\n" : "\nAdvanced options:\n");
    for (const OptionInfo &info : optionTable()) {
      if (info.isEveryday != isEveryday)
        continue;
      os << "\n  " << info.usage() << "\n      ";
      printWrapped(info.description, 6, os);
      if (!info.choices)
        continue;
      constexpr unsigned column = 30;
      for (const OptionChoice &choice : info.choices()) {
        std::string name =
            choice.name + (StringRef(choice.name).ends_with(":") ? "DIR" : "");
        os.indent(8);
        if (choice.description.empty()) {
          os << name << '\n';
          continue;
        }
        os << llvm::left_justify(name, column - 8);
        printWrapped(choice.description, column, os);
      }
    }
  }
}
