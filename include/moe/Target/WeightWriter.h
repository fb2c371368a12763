//===- WeightWriter.h - Weight sections -------------------------*- C++ -*-===//

#ifndef MOE_TARGET_WEIGHTWRITER_H
#define MOE_TARGET_WEIGHTWRITER_H

#include "moe/Conversion/Passes.h"
#include "moe/Import/WeightFiles.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace mlir::moe {

/// A weight section: its bytes are [begin, begin + size) of the written file.
struct WeightSection {
  std::string name;   ///< as the parameters name it: "shared", …
  std::string symbol; ///< address of its first byte
  int64_t begin = 0, size = 0;

  bool isExpert() const { return isExpertSection(name); }
};

/// Evaluates the parameters of `module` that have an offset and writes the
/// sections one after the other, in the order in which the module first names
/// them. One parameter at a time is in memory. Parameters without a recipe come
/// from `files`, which must have them all (checkWeights). `show` is told of
/// each parameter how many bytes are written, and how many will be.
std::vector<WeightSection>
writeWeights(ModuleOp module, const WeightFiles &files, llvm::raw_ostream &os,
             function_ref<void(int64_t done, int64_t size)> show);

} // namespace mlir::moe

#endif // MOE_TARGET_WEIGHTWRITER_H
