//===- Progress.h - A line that says what takes so long ---------*- C++ -*-===//

#ifndef MOE_DRIVER_PROGRESS_H
#define MOE_DRIVER_PROGRESS_H

#include "mlir/Support/LLVM.h"

#include <memory>

namespace mlir::moe {

/// While one lives, a line on standard error says what the process is doing, if
/// that is a terminal: from a second after its making on. Whatever is written
/// to llvm::errs(), and to llvm::outs() if that is a terminal too, erases the
/// line first, and keeps it away until the next step, at least for a second.
/// One at a time.
class Progress {
public:
  Progress();
  /// Erases the line.
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// What happens now, and which part of it, from 0 to 1, is done; less than 0:
  /// unknown. From any thread. Nothing happens if there is no Progress.
  static void step(const Twine &text, double fraction = -1);

  /// While one lives, all steps are said to be parts of `text`.
  class Part {
  public:
    explicit Part(const Twine &text);
    ~Part();
    Part(const Part &) = delete;
    Part &operator=(const Part &) = delete;
  };

private:
  class Line;
  std::unique_ptr<Line> line;
  static Line *current;
};

} // namespace mlir::moe

#endif // MOE_DRIVER_PROGRESS_H
