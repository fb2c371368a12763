//===- Options.h - The command line of a model ------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_OPTIONS_H
#define MOE_LIB_RUNTIME_OPTIONS_H

#include "Array.h"
#include "Message.h"

namespace moe {
namespace runtime {

/// An image or a file of tensors, in the order of the command line.
struct Input {
  const char *Path; ///< "-" = standard input
  bool IsTensor;
};

/// Of --batch, if there is memory for it.
constexpr int64_t DefaultBatch = 32;

/// What --experts says.
enum class ExpertsMode { Default, Mmap, Preload, Files };

struct Options {
  Array<Input> Inputs;
  int64_t Top = 5;
  int64_t BenchmarkRuns = 0; ///< 0 = no benchmark
  int64_t Threads = 1;
  int64_t Batch = 0; ///< 0 = as many as are worth it
  ExpertsMode Experts = ExpertsMode::Default;
  const char *ExpertsFolder = nullptr; ///< with Files
  const char *LogitsPath = nullptr;
  const char *ProfilePath = nullptr;
  const char *CpuVariant = nullptr;
  bool IsJson = false;
  bool ShowInfo = false;
  bool ShowHelp = false;
};

/// Reads the command line. False: wrong usage, described in `Error`.
bool parseOptions(int Argc, char **Argv, Options &Result, Message &Error);

/// Writes what --help says.
void printHelp(const char *Program);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_OPTIONS_H
