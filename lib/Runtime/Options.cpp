//===- Options.cpp - The command line of a model --------------------------===//

#include "Options.h"

#include "Text.h"
#include "moe/Runtime/Model.h"

#include <cstring>

using namespace moe::runtime;

static constexpr int64_t MaxCount = 1000000000;
static constexpr int64_t MaxThreads = 1024;
static constexpr int64_t MaxBatch = 1024;
static constexpr int64_t MaxBenchmarkRuns = 10000000;

namespace {
class Parser {
public:
  Parser(int Argc, char **Argv, Options &Result, Message &Error)
      : Argc(Argc), Argv(Argv), Result(Result), Error(Error) {}

  bool run();

private:
  bool parseOption(const char *Argument);
  /// Is `Argument` the option `Name`, as "--name VALUE" or "--name=VALUE"?
  /// Then sets Value, to null with an Error if it is missing.
  bool matchesValue(const char *Argument, const char *Name);
  bool parseCount(const char *Name, int64_t Max, int64_t &Count);
  bool parseExperts();
  bool addInput(const char *Path, bool IsTensor);

  int Argc;
  char **Argv;
  Options &Result;
  Message &Error;
  int Next = 1;
  const char *Value = nullptr;
  size_t NumInputs = 0;
  bool UsesStdin = false;
};
} // namespace

bool Parser::matchesValue(const char *Argument, const char *Name) {
  size_t Length = strlen(Name);
  if (strncmp(Argument, Name, Length) != 0)
    return false;
  if (Argument[Length] == '=') {
    Value = Argument + Length + 1;
    return true;
  }
  if (Argument[Length] != '\0')
    return false;
  Value = Next < Argc ? Argv[Next++] : nullptr;
  if (!Value)
    Error.set("%s needs a value", Name);
  return true;
}

bool Parser::parseCount(const char *Name, int64_t Max, int64_t &Count) {
  if (!Value)
    return false;
  int64_t Number = 0;
  const char *At = Value;
  for (; *At >= '0' && *At <= '9' && Number <= Max; ++At)
    Number = Number * 10 + (*At - '0');
  if (*At != '\0' || At == Value || Number < 1 || Number > Max)
    return Error.set("%s: expected a number from 1 to %lld, found '%s'", Name,
                     static_cast<long long>(Max), Value);
  Count = Number;
  return true;
}

bool Parser::parseExperts() {
  static constexpr char Prefix[] = "file:";
  constexpr size_t PrefixLength = sizeof Prefix - 1;
  if (!Value)
    return false;
  if (strcmp(Value, "mmap") == 0) {
    Result.Experts = ExpertsMode::Mmap;
  } else if (strcmp(Value, "preload") == 0) {
    Result.Experts = ExpertsMode::Preload;
  } else if (strncmp(Value, Prefix, PrefixLength) == 0 && Value[PrefixLength]) {
    Result.Experts = ExpertsMode::Files;
    Result.ExpertsFolder = Value + PrefixLength;
  } else {
    return Error.set("--experts: expected 'mmap', 'preload' or 'file:DIR', "
                     "found '%s'",
                     Value);
  }
  return true;
}

bool Parser::addInput(const char *Path, bool IsTensor) {
  if (!Path)
    return false;
  if (strcmp(Path, "-") == 0) {
    if (UsesStdin)
      return Error.set("'-' can be given only once");
    UsesStdin = true;
  }
  Result.Inputs[NumInputs++] = {Path, IsTensor};
  return true;
}

bool Parser::parseOption(const char *Argument) {
  if (strcmp(Argument, "--help") == 0 || strcmp(Argument, "-h") == 0) {
    Result.ShowHelp = true;
    return true;
  }
  if (strcmp(Argument, "--info") == 0) {
    Result.ShowInfo = true;
    return true;
  }
  if (matchesValue(Argument, "--top"))
    return parseCount("--top", MaxCount, Result.Top);
  if (matchesValue(Argument, "--benchmark"))
    return parseCount("--benchmark", MaxBenchmarkRuns, Result.BenchmarkRuns);
  if (matchesValue(Argument, "--tensor"))
    return addInput(Value, /*IsTensor=*/true);
  if (matchesValue(Argument, "--logits")) {
    Result.LogitsPath = Value;
    return Value != nullptr;
  }
  if (matchesValue(Argument, "--cpu-variant")) {
    Result.CpuVariant = Value;
    return Value != nullptr;
  }
  if (matchesValue(Argument, "--format")) {
    if (!Value)
      return false;
    Result.IsJson = strcmp(Value, "json") == 0;
    if (!Result.IsJson && strcmp(Value, "text") != 0)
      return Error.set("--format: expected 'text' or 'json', found '%s'",
                       Value);
    return true;
  }
  if (matchesValue(Argument, "--threads"))
    return parseCount("--threads", MaxThreads, Result.Threads);
  if (matchesValue(Argument, "--batch"))
    return parseCount("--batch", MaxBatch, Result.Batch);
  if (matchesValue(Argument, "--experts"))
    return parseExperts();
  if (matchesValue(Argument, "--profile")) {
    Result.ProfilePath = Value;
    return Value != nullptr;
  }
  return Error.set("unknown option '%s'", Argument);
}

bool Parser::run() {
  // Every argument is one input at most.
  if (!Result.Inputs.allocate(Argc))
    return Error.outOfMemory();
  bool OptionsEnded = false;
  while (Next < Argc) {
    const char *Argument = Argv[Next++];
    bool IsOption = !OptionsEnded && Argument[0] == '-' && Argument[1] != '\0';
    if (IsOption && strcmp(Argument, "--") == 0)
      OptionsEnded = true;
    else if (!(IsOption ? parseOption(Argument)
                        : addInput(Argument, /*IsTensor=*/false)))
      return false;
  }
  Result.Inputs.resize(NumInputs);
  if (NumInputs == 0 && !Result.ShowHelp && !Result.ShowInfo &&
      Result.BenchmarkRuns == 0)
    return Error.set("no input; --help lists the options");
  for (const char *Path : {Result.LogitsPath, Result.ProfilePath})
    if (Path && !*Path)
      return Error.set("--logits and --profile need a file");
  if (Result.LogitsPath && Result.ProfilePath &&
      strcmp(Result.LogitsPath, Result.ProfilePath) == 0)
    return Error.set("--logits and --profile name the same file %s",
                     Result.LogitsPath);
  return true;
}

bool moe::runtime::parseOptions(int Argc, char **Argv, Options &Result,
                                Message &Error) {
  return Parser(Argc, Argv, Result, Error).run();
}

void moe::runtime::printHelp(const char *Program) {
  fputs("usage: ", stdout);
  writePlain(stdout, Program);
  printf(
      " [options] IMAGE...\n"
      "Classifies images (PNG, JPEG, BMP, PPM, PGM; \"-\" = standard input)\n"
      "with the model %s.\n\n"
      "  --top N              classes to print, default 5\n"
      "  --format=text|json   json: one object a line and an image\n"
      "  --tensor X.npy       an input, preprocessed already: float32 [C,H,W] "
      "or\n"
      "                       [B,C,H,W] with C,H,W = %lld,%lld,%lld\n"
      "  --logits OUT.npy     write the logits (or a headless model's "
      "features),\n"
      "                       float32 [inputs, classes]\n"
      "  --threads T          default 1\n"
      "  --batch N            images that are sorted by their experts, default "
      "up to\n"
      "                       %lld (models that choose them for the whole "
      "image)\n"
      "  --experts=MODE       mmap: read an expert when it is first chosen; "
      "preload:\n"
      "                       all at the start; file:DIR: they are files in "
      "DIR\n"
      "  --benchmark N        time N runs\n"
      "  --profile OUT.json   write when each part ran (open in "
      "ui.perfetto.dev)\n"
      "  --cpu-variant NAME   use this variant of --info, not the best one\n"
      "  --info               describe the model in JSON\n"
      "  --help               this text\n",
      moe_model.name, static_cast<long long>(moe_model.channels),
      static_cast<long long>(moe_model.height),
      static_cast<long long>(moe_model.width),
      static_cast<long long>(DefaultBatch));
}
