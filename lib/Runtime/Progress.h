//===- Progress.h - How far it is, on a terminal ----------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_PROGRESS_H
#define MOE_LIB_RUNTIME_PROGRESS_H

#include <cstdint>

namespace moe {
namespace runtime {

/// A line at the bottom of the terminal that standard error is. There is none
/// in the first second, so that short runs show nothing.
class Progress {
public:
  /// Should there be one? If standard error is a terminal and standard output,
  /// which would scroll it away, is not.
  static bool isWanted();

  /// Counts from now on; without it nothing is ever shown. `Total` may be 0:
  /// unknown.
  void start(int64_t Total);

  /// So many inputs are done, of which `NumFailed` failed.
  void update(int64_t NumDone, int64_t NumFailed);

  /// Makes the line empty, for other text or for good.
  void erase();

private:
  bool IsStarted = false, IsShown = false;
  int64_t Total = 0;
  int64_t Start = 0, LastDrawn = 0; ///< milliseconds
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_PROGRESS_H
