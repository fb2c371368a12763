//===- Report.h - Printing answers ------------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_REPORT_H
#define MOE_LIB_RUNTIME_REPORT_H

#include "Sample.h"

namespace moe {
namespace runtime {

/// Prints the answer for one input to standard output.
class Reporter {
public:
  /// `HasLogitsFile`: whether the numbers of an answer go to a file too.
  Reporter(const MoeModel &Model, int64_t Top, bool IsJson, bool HasLogitsFile)
      : Model(Model), NumShown(Model.features        ? 0
                               : Top < Model.classes ? Top
                                                     : Model.classes),
        IsJson(IsJson), HasLogitsFile(HasLogitsFile) {}

  bool allocate(Message &Error);
  void report(const Sample &Answer);

private:
  /// Puts the classes with the largest logits first; ties by index, NaN last.
  void rank(const Array<float> &Logits);
  void writeJson(const Sample &Answer);
  void writeText(const Sample &Answer);
  const char *label(int64_t Class) const {
    return Model.labels ? Model.labels[Class] : nullptr;
  }

  const MoeModel &Model;
  int64_t NumShown;
  bool IsJson, HasLogitsFile;
  Array<int64_t> Ranking;
  Array<float> Probabilities; ///< [classes]
};

/// Prints --info.
void writeInfo(const MoeModel &Model, const MoeVariant &Variant);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_REPORT_H
