//===- Main.cpp - The executable of a model -------------------------------===//

#include "Benchmark.h"
#include "File.h"
#include "Image.h"
#include "Inference.h"
#include "Npy.h"
#include "Options.h"
#include "Preprocess.h"
#include "Report.h"
#include "Text.h"
#include "WeightPages.h"

#include <cerrno>
#include <cstring>

using namespace moe::runtime;

namespace {
enum ExitCode { Success = 0, InputFailed = 1, WrongUsage = 2 };

/// Answers the inputs of the command line, one after the other.
class Session {
public:
  Session(const Options &Settings, const MoeVariant &Variant)
      : Settings(Settings), Variant(Variant), Run(moe_model, Variant, Threads),
        Results(moe_model, Settings.Top, Settings.IsJson,
                Settings.LogitsPath != nullptr) {}

  /// An ExitCode.
  int run();

private:
  void answerImage(const char *Path);
  void answerTensors(const char *Path);
  /// Runs the model on its input and prints what comes out.
  void answer(const char *Name);
  /// An input that failed: its error, and a row of NaN.
  void fail(const char *Name, const Message &Error);

  const Options &Settings;
  const MoeVariant &Variant;
  Team Threads;
  Inference Run;
  Reporter Results;
  NpyWriter Logits;
  Array<float> NanRow;
  int Status = Success;
  /// Whether `Run` still holds the last input.
  bool HasInput = false;
};
} // namespace

void Session::fail(const char *Name, const Message &Error) {
  reportError(Name, Error.text());
  Status = InputFailed;
  HasInput = false;
  if (Settings.LogitsPath)
    Logits.writeRow(NanRow.data());
}

void Session::answer(const char *Name) {
  Message Error;
  if (!Run.run(Error))
    return fail(Name, Error);
  HasInput = true;
  Results.report(Name, Run);
  // What is answered is visible before the next input is read.
  fflush(stdout);
  if (Settings.LogitsPath)
    Logits.writeRow(Run.logits().data());
}

void Session::answerImage(const char *Path) {
  Message Error;
  Image Picture;
  {
    InputFile File;
    Array<uint8_t> Data;
    if (!File.open(Path, Error) ||
        !File.readAll(Data, MaxImageFileSize, Error) ||
        !decodeImage({Data.data(), Data.size()}, Picture, Error))
      return fail(Path, Error);
  }
  if (!preprocess(moe_model, Picture, Run.input(), Error))
    return fail(Path, Error);
  answer(Path);
}

void Session::answerTensors(const char *Path) {
  Message Error;
  NpyReader Reader;
  if (!Reader.open(Path, moe_model.channels, moe_model.height, moe_model.width,
                   Error))
    return fail(Path, Error);
  // The path, an index in brackets and a zero.
  Array<char> Name;
  if (!Name.allocate(strlen(Path) + 32)) {
    Error.outOfMemory();
    return fail(Path, Error);
  }
  for (int64_t I = 0; I < Reader.batch(); ++I) {
    snprintf(Name.data(), Name.size(), "%s[%lld]", Path,
             static_cast<long long>(I));
    // What follows a part that cannot be read cannot be read either.
    if (!Reader.readNext(Run.input(), Error))
      return fail(Name.data(), Error);
    answer(Name.data());
  }
}

int Session::run() {
  Message Error;
  if (!Threads.start(Settings.Threads, Error)) {
    reportError(moe_model.name, Error.text());
    return InputFailed;
  }
  if (!Run.allocate(Error) || !Results.allocate(Error) ||
      !NanRow.allocate(moe_model.classes)) {
    reportError(moe_model.name, "out of memory");
    return InputFailed;
  }
  for (float &Value : NanRow)
    Value = __builtin_nanf("");
  if (Settings.LogitsPath &&
      !Logits.open(Settings.LogitsPath, moe_model.classes, Error)) {
    reportError(Settings.LogitsPath, Error.text());
    return InputFailed;
  }
  for (const Input &Each : Settings.Inputs) {
    if (Each.IsTensor)
      answerTensors(Each.Path);
    else
      answerImage(Each.Path);
  }
  if (Settings.LogitsPath && !Logits.commit(Error)) {
    reportError(Settings.LogitsPath, Error.text());
    Status = InputFailed;
  }
  if (Settings.BenchmarkRuns > 0 &&
      !runBenchmark(Run, Variant, HasInput, Settings.BenchmarkRuns,
                    Settings.IsJson, Error)) {
    reportError("benchmark", Error.text());
    Status = InputFailed;
  }
  return Status;
}

/// Chooses the variant and does what the options say.
static int runModel(const Options &Settings) {
  if (moe_model.abi_version != MOE_MODEL_ABI_VERSION) {
    reportError(moe_model.name, "compiled for another version of the runtime");
    return InputFailed;
  }
  const MoeVariant *Variant = nullptr;
  if (Settings.CpuVariant) {
    Message Error;
    Variant = findVariant(moe_model, Settings.CpuVariant, Error);
    if (!Variant) {
      reportError("command line", Error.text());
      return WrongUsage;
    }
  } else {
    Variant = findVariant(moe_model);
    if (!Variant) {
      reportError(moe_model.name, "this CPU can run none of the variants that "
                                  "the model was compiled for");
      return InputFailed;
    }
  }
  if (Settings.ShowInfo)
    writeInfo(moe_model, *Variant);
  if (Settings.Inputs.size() == 0 && Settings.BenchmarkRuns == 0)
    return Success;
  prepareWeights(moe_model);
  return Session(Settings, *Variant).run();
}

int main(int Argc, char **Argv) {
  Options Settings;
  Message Error;
  if (!parseOptions(Argc, Argv, Settings, Error)) {
    reportError("command line", Error.text());
    return WrongUsage;
  }
  int Status = Success;
  if (Settings.ShowHelp)
    printHelp(Argc > 0 ? Argv[0] : moe_model.name);
  else
    Status = runModel(Settings);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    reportError("standard output", strerror(errno));
    return InputFailed;
  }
  return Status;
}
