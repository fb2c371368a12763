//===- ExpertFiles.h - Experts in files of their own ------------*- C++ -*-===//

#ifndef MOE_TARGET_EXPERTFILES_H
#define MOE_TARGET_EXPERTFILES_H

#include "moe/Target/WeightWriter.h"

#include "llvm/Support/Error.h"

namespace mlir::moe {

/// As MoeExpertFile.
struct ExpertFile {
  std::string name;
  uint64_t id = 0;
  int64_t bytes = 0;
};

/// The file that `section` of `model` becomes, whose contents are to be
/// `weights`.
ExpertFile describeExpertFile(StringRef model, const WeightSection &section,
                              ArrayRef<uint8_t> weights);

/// Writes a MoeExpertHeader, then the weights. Whether that succeeded is the
/// stream's to tell.
void writeExpertFile(const ExpertFile &file, ArrayRef<uint8_t> weights,
                     llvm::raw_ostream &os);

} // namespace mlir::moe

#endif // MOE_TARGET_EXPERTFILES_H
