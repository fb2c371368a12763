//===- Main.cpp - The executable of a model -------------------------------===//

#include "Benchmark.h"
#include "Stream.h"
#include "Text.h"
#include "WeightPages.h"

#include <cerrno>
#include <csignal>
#include <cstring>

using namespace moe::runtime;

namespace {
enum ExitCode { Success = 0, InputFailed = 1, WrongUsage = 2 };

/// Answers the inputs of the command line and whatever else it asks for.
class Session {
public:
  Session(const Options &Settings, const MoeVariant &Variant)
      : Settings(Settings), Variant(Variant), Experts(moe_model),
        Trace(moe_model, Variant, Settings.Threads) {}

  /// An ExitCode.
  int run();

private:
  bool prepareExperts(Message &Error);

  const Options &Settings;
  const MoeVariant &Variant;
  ExpertFiles Experts;
  Profile Trace;
  Team Threads;
};
} // namespace

static bool isPreloaded(const Options &Settings) {
  return Settings.Experts == ExpertsMode::Preload ||
         (Settings.Experts == ExpertsMode::Default &&
          moe_model.experts_mode == MOE_EXPERTS_PRELOAD);
}

/// For models whose experts are files.
bool Session::prepareExperts(Message &Error) {
  if (!Experts.setFolder(Settings.ExpertsFolder, Error))
    return false;
  return !isPreloaded(Settings) || Experts.loadAll(Error);
}

int Session::run() {
  Message Error;
  bool HasFiles = moe_model.expert_files != nullptr;
  if ((HasFiles && !prepareExperts(Error)) ||
      !Threads.start(Settings.Threads, Error)) {
    reportError(moe_model.name, Error.text());
    return InputFailed;
  }
  if (Settings.ProfilePath && !Trace.open(Settings.ProfilePath, Error)) {
    reportError(Settings.ProfilePath, Error.text());
    return InputFailed;
  }
  ReadAhead Pages(moe_model);
  bool IsReadOnDemand = moe_model.experts && !isPreloaded(Settings);
  if (IsReadOnDemand && !Pages.allocate(Error)) {
    reportError(moe_model.name, Error.text());
    return InputFailed;
  }
  Inference Run(moe_model, Variant, Threads, HasFiles ? &Experts : nullptr,
                IsReadOnDemand ? &Pages : nullptr,
                Settings.ProfilePath ? &Trace : nullptr);
  Source Inputs(moe_model, Settings.Inputs);
  Answers Results(moe_model, Settings);
  Stream Work(Run, Inputs, Results);
  if (!Work.allocate(Settings, Error)) {
    reportError(moe_model.name, Error.text());
    return InputFailed;
  }
  if (!Results.open())
    return InputFailed;
  if (Progress::isWanted())
    Results.showProgress(Inputs.count());
  Work.run();
  int Status = Results.close() && !Results.hasFailed() ? Success : InputFailed;
  if (Settings.BenchmarkRuns > 0 &&
      !runBenchmark(Run, Work.last(), Work.workspace(), Work.hasLast(),
                    Settings.BenchmarkRuns, Settings.IsJson, Error)) {
    reportError("benchmark", Error.text());
    Status = InputFailed;
  }
  if (Settings.ProfilePath && !Trace.write(Error)) {
    reportError(Settings.ProfilePath, Error.text());
    Status = InputFailed;
  }
  return Status;
}

/// Does --experts fit to how the model was compiled?
static bool checkExperts(const Options &Settings, Message &Error) {
  if (Settings.Experts == ExpertsMode::Files && !moe_model.expert_files)
    return Error.set("--experts=file: this model's experts are in the "
                     "executable; expected 'mmap' or 'preload'");
  if (Settings.Experts == ExpertsMode::Mmap && moe_model.expert_files)
    return Error.set("--experts=mmap: this model's experts are files; "
                     "expected 'preload' or 'file:DIR'");
  return true;
}

/// Chooses the variant and does what the options say.
static int runModel(const Options &Settings) {
  if (moe_model.abi_version != MOE_MODEL_ABI_VERSION) {
    reportError(moe_model.name, "compiled for another version of the runtime");
    return InputFailed;
  }
  Message Error;
  if (!checkExperts(Settings, Error)) {
    reportError("command line", Error.text());
    return WrongUsage;
  }
  const MoeVariant *Variant = nullptr;
  if (Settings.CpuVariant) {
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
  if (isPreloaded(Settings))
    preloadWeights(moe_model);
  else
    prepareWeights(moe_model);
  return Session(Settings, *Variant).run();
}

int main(int Argc, char **Argv) {
  // A file that exceeds the limit on sizes is a write that fails, as on a full
  // disk.
  signal(SIGXFSZ, SIG_IGN);
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
