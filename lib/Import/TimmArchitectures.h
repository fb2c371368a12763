//===- TimmArchitectures.h - The models of timm -----------------*- C++ -*-===//

#ifndef MOE_LIB_IMPORT_TIMMARCHITECTURES_H
#define MOE_LIB_IMPORT_TIMMARCHITECTURES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace mlir::moe {

/// Arguments of timm's VisionTransformer, with its defaults.
struct TimmArguments {
  int64_t imageSize = 224, patchSize = 16;
  int64_t embedDim = 768, depth = 12, numHeads = 12;
  double mlpRatio = 4;
  bool qkvBias = true;
  bool qkNorm = false;
  /// timm's init_values is given.
  bool layerScale = false;
  bool classToken = true;
  /// VisionTransformerDistilled: a second token with a head of its own.
  bool distilled = false;
  bool noEmbedClass = false;
  int64_t numRegisterTokens = 0;
  bool preNorm = false;
  /// Absent: with each pool but the class token.
  std::optional<bool> fcNorm;
  StringRef globalPool = "token";
  bool poolIncludesPrefix = false;
  /// As a specification names it.
  StringRef activation = "gelu";
  double layerNormEps = 1e-6;
};

/// The arguments with which timm makes model `name`, such as
/// `vit_tiny_patch16_224`; nothing if the name is unknown or the model computes
/// what a specification cannot say. The names have regular parts (the size, the
/// patch, the image), so that also a model that is not in timm may be found.
std::optional<TimmArguments> findTimmArchitecture(StringRef name);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_TIMMARCHITECTURES_H
