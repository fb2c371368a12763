//===- ShardedWeights.h - Weights in several files --------------*- C++ -*-===//

#ifndef MOE_LIB_IMPORT_SHARDEDWEIGHTS_H
#define MOE_LIB_IMPORT_SHARDEDWEIGHTS_H

#include "moe/Import/InputError.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mlir::moe {

/// What a `model.safetensors.index.json` says.
struct ShardIndex {
  /// Absolute, or relative to the current folder; each once.
  std::vector<std::string> files;
  /// Tensors and the position of their file in `files`.
  std::vector<std::pair<std::string, size_t>> tensors;
};

/// The index that `path` is, or that lies beside it if there is no such file.
std::optional<std::string> findShardIndex(StringRef path);

/// Reads the index at `path`. The files are not opened.
FailureOr<ShardIndex> readShardIndex(StringRef path, InputErrorSink sink);

/// Reports that the index at `index` puts a tensor into a file that lacks it.
LogicalResult reportMissingTensor(StringRef index, StringRef tensor,
                                  StringRef file, InputErrorSink sink);

/// An error if `path` is a file of PyTorch's, or if it does not exist and one
/// lies beside it.
LogicalResult checkNotPickled(StringRef path, InputErrorSink sink);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_SHARDEDWEIGHTS_H
