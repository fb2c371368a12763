//===- ExpertsMode.h - Where experts' weights are ---------------*- C++ -*-===//

#ifndef MOE_TARGET_EXPERTSMODE_H
#define MOE_TARGET_EXPERTSMODE_H

namespace mlir::moe {

/// Where experts' weights are, and when they are read.
enum class ExpertsMode {
  Mmap,    ///< in the file that is made, read when they are chosen
  Preload, ///< there, read before the first image
  File     ///< in files of their own
};

} // namespace mlir::moe

#endif // MOE_TARGET_EXPERTSMODE_H
