//===- Answers.h - What becomes of the answers ------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_ANSWERS_H
#define MOE_LIB_RUNTIME_ANSWERS_H

#include "Npy.h"
#include "Options.h"
#include "Progress.h"
#include "Report.h"

namespace moe {
namespace runtime {

/// Takes the answers in the order of the inputs, prints them and writes
/// --logits.
class Answers {
public:
  Answers(const MoeModel &Model, const Options &Settings)
      : Model(Model), LogitsPath(Settings.LogitsPath),
        Results(Model, Settings.Top, Settings.IsJson,
                Settings.LogitsPath != nullptr) {}

  /// False after saying why.
  bool open();

  /// Shows progress on the way to `Total` answers; 0 = unknown.
  void showProgress(int64_t Total) { Bar.start(Total); }

  void add(const Sample &Answer);
  /// An input that failed: its error, and a row of NaN.
  void fail(const char *Name, const Message &Error);

  /// After the last one. False, having said why, if --logits failed.
  bool close();

  bool hasFailed() const { return NumFailed > 0; }

private:
  const MoeModel &Model;
  const char *LogitsPath;
  Reporter Results;
  NpyWriter Logits;
  Array<float> NanRow;
  Progress Bar;
  int64_t NumAnswers = 0, NumFailed = 0; ///< NumAnswers counts both
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_ANSWERS_H
