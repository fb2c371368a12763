//===- WeightFiles.h - The weights of a model -------------------*- C++ -*-===//
//
// The tensors of a model by the names of ModelWeights.h, whatever the files
// call them and however many files there are. Nothing is copied: a tensor is
// put together from its parts when somebody reads it.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_WEIGHTFILES_H
#define MOE_IMPORT_WEIGHTFILES_H

#include "moe/Import/TensorNames.h"
#include "moe/Import/WeightStore.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::moe {

/// One of the tensors in files that, put one after the other along dimension 0,
/// are a tensor of the model.
struct TensorPart {
  /// As the file has it.
  std::string name;
  /// The file as the user wrote it; the index if no file has the tensor.
  StringRef file;
  /// Null if no file has it.
  const TensorInfo *tensor = nullptr;
};

/// The safetensors files of one model.
class WeightFiles {
public:
  /// Opens `path`: a safetensors file, or an index of several
  /// (`model.safetensors.index.json`), which is also taken if `path` does not
  /// exist and it does. An index must name files that lie beside it, and only
  /// tensors that they have.
  static FailureOr<WeightFiles> open(StringRef path, InputErrorSink sink);

  /// The tensors of one file. Not explicit: a file is as good as a folder.
  WeightFiles(WeightStore store);

  /// The file, or the index, as the user wrote it.
  StringRef path() const { return filePath; }

  /// Every file that was opened: the index, if there is one, then those with
  /// tensors.
  std::vector<std::string> files() const;

  /// What tensor `name` of the model consists of: at least one part.
  SmallVector<TensorPart, 1> find(StringRef name) const;

  /// The elements of tensor `name` of the model, which must be there in full
  /// and have a supported type.
  std::vector<float> read(StringRef name) const;

  /// The names in the files, in order, without those that no model uses.
  std::vector<StringRef> tensorNames() const;

private:
  struct Place {
    size_t file = 0;
    const TensorInfo *tensor = nullptr;
  };

  WeightFiles() = default;
  void chooseNames();

  std::string filePath;
  std::vector<WeightStore> stores;
  llvm::StringMap<Place> places;
  TensorNames names;
};

} // namespace mlir::moe

#endif // MOE_IMPORT_WEIGHTFILES_H
