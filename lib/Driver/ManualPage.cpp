//===- ManualPage.cpp - moe-compile's manual page -------------------------===//

#include "moe/Driver/CommandLine.h"

using namespace mlir;
using namespace mlir::moe;

/// `text` as troff prints it: its dashes are not hyphens, so that they can be
/// searched for and copied, and no line of it is a request.
static std::string escaped(StringRef text) {
  std::string result;
  for (char c : text) {
    if (c == '-')
      result += "\\-";
    else if (c == '\\')
      result += "\\e";
    else if ((c == '.' || c == '\'') && result.empty())
      result += std::string("\\&") + c;
    else
      result += c;
  }
  return result;
}

/// `--emit=KIND` with bold and italic letters.
static std::string styledUsage(const OptionInfo &info) {
  std::string text = "\\fB" + escaped(info.spelled()) + "\\fR";
  if (info.value.empty())
    return text;
  bool isWord = info.usage()[info.spelled().size()] == ' ';
  return text + (isWord ? " " : "\\fB=\\fR") + "\\fI" + escaped(info.value) +
         "\\fR";
}

static void printOption(const OptionInfo &info, raw_ostream &os) {
  os << ".TP\n"
     << styledUsage(info) << '\n'
     << escaped(info.description) << '\n';
  if (!info.choices)
    return;
  os << ".RS\n";
  for (const OptionChoice &choice : info.choices()) {
    bool hasFolder = StringRef(choice.name).ends_with(":");
    os << ".TP\n\\fB" << escaped(choice.name) << "\\fR"
       << (hasFolder ? "\\fIDIR\\fR" : "") << '\n'
       << (choice.description.empty() ? "\\&" : escaped(choice.description))
       << '\n';
  }
  os << ".RE\n";
}

void mlir::moe::printManualPage(raw_ostream &os) {
  os << ".TH MOE\\-COMPILE 1 \"\" \"moe\\-compiler " MOE_VERSION
        "\" \"User Commands\"\n"
        ".SH NAME\n"
        "moe\\-compile \\- compile a Vision Transformer to a binary\n"
        ".SH SYNOPSIS\n"
        "\\fBmoe\\-compile\\fR \\fISPEC\\fR [\\fB\\-o\\fR \\fIOUT\\fR] "
        "[\\fIoptions\\fR]\n"
        ".SH DESCRIPTION\n"
        "Compiles a Vision Transformer, with or without a mixture of experts, "
        "to an executable that needs no file or library where it runs, or to "
        "a library with a C interface.\n"
        ".PP\n"
        "\\fISPEC\\fR is a JSON file, or a folder that holds "
        "\\fIconfig.json\\fR as transformers or timm have saved it. The "
        "weights are a safetensors file that it names.\n"
        ".PP\n"
        "A value may follow its option after = or as the next word. What takes "
        "over a second shows its progress if standard error is a terminal.\n";
  for (bool isEveryday : {true, false}) {
    os << (isEveryday ? ".SH OPTIONS\n" : ".SH ADVANCED OPTIONS\n");
    for (const OptionInfo &info : optionTable())
      if (info.isEveryday == isEveryday)
        printOption(info, os);
  }
  os << ".SH EXIT STATUS\n"
        ".TP\n0\nThe output is whole.\n"
        ".TP\n1\nAn error in the input, on standard error as a line "
        "\\fBerror:\\fR \\fIFILE\\fR: \\fIWHERE\\fR: what is wrong. The output "
        "is as it was before.\n"
        ".TP\n2\nWrong usage.\n"
        ".SH EXAMPLES\n"
        ".TP\nAn executable for this machine's kind of CPU, and a run of it:\n"
        ".nf\nmoe\\-compile first.json \\-o first\n\\&./first cat.jpg\n.fi\n"
        ".TP\nA static library and its header for a phone, in 8\\-bit "
        "integers:\n"
        ".nf\nmoe\\-compile first.json \\-\\-emit=lib "
        "\\-\\-target=aarch64\\-linux\\-android \\-\\-precision=int8\n.fi\n";
}
