//===- HostModel.h - A model compiled and run on this machine ---*- C++ -*-===//
//
// For what the compiler has to know of how a model behaves: calibration, and
// the loss that lower precision brings.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DRIVER_HOSTMODEL_H
#define MOE_DRIVER_HOSTMODEL_H

#include "moe/Driver/Compiler.h"

namespace mlir::moe {

/// A row of numbers for each input.
struct LogitRows {
  int64_t columns = 0;
  std::vector<float> values;
  int64_t rows() const { return columns ? values.size() / columns : 0; }
  ArrayRef<float> row(int64_t i) const {
    return ArrayRef(values).slice(i * columns, columns);
  }
};

/// Compiles the model for this machine, whatever `options` say of target,
/// output and kind, and runs it on `inputs`: images, or tensors as `.npy`.
/// Returns its logits. Errors go to stderr, as those of moe-compile.
FailureOr<LogitRows> runOnHost(CompileOptions options,
                               ArrayRef<std::string> inputs);

/// A constant scale for the input of each int8 product outside of experts, as
/// `moe-set-precision` wants them: the 99.9th percentile of the scales of all
/// tokens of all inputs. So a few tokens far out are cut off, rather than that
/// all others get coarser steps.
FailureOr<std::vector<double>> calibrate(const CompileOptions &options,
                                         ArrayRef<std::string> inputs);

/// Prints how much the logits change where one layer at a time is in
/// `options.precision` and all others are in f32.
LogicalResult reportPrecision(const CompileOptions &options,
                              ArrayRef<std::string> inputs);

} // namespace mlir::moe

#endif // MOE_DRIVER_HOSTMODEL_H
