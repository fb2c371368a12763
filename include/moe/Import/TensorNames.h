//===- TensorNames.h - What files call the tensors of a model ---*- C++ -*-===//

#ifndef MOE_IMPORT_TENSORNAMES_H
#define MOE_IMPORT_TENSORNAMES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace mlir::moe {

/// From a model's names, which are timm's, to those in its files.
class TensorNames {
public:
  /// timm's names, as they are.
  TensorNames() = default;

  /// The names of files that have the tensors for which `has` is true: Hugging
  /// Face's ViTModel and DeiTModel with their `vit.` or `deit.` in front or
  /// without it, as transformers 4 and 5 write them, else timm's.
  static TensorNames of(llvm::function_ref<bool(StringRef)> has);

  /// The tensors that are tensor `name` of a model, in order along dimension 0.
  SmallVector<std::string, 1> inFiles(StringRef name) const;

  /// Whether tensor `name` of a file is of no use to any model: what takes the
  /// place of hidden patches in pre-training.
  bool isForTrainingOnly(StringRef name) const;

private:
  enum class Scheme { Timm, Transformers4, Transformers5 };

  Scheme scheme = Scheme::Timm;
  std::string prefix;
  /// DeiTForImageClassificationWithTeacher has two heads.
  bool hasTwoHeads = false;
};

} // namespace mlir::moe

#endif // MOE_IMPORT_TENSORNAMES_H
