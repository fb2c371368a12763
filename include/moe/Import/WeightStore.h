//===- WeightStore.h - Memory-mapped weights --------------------*- C++ -*-===//
//
// A safetensors file, mapped and with its header checked. The tensors' data
// stay in the file until somebody reads them.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_WEIGHTSTORE_H
#define MOE_IMPORT_WEIGHTSTORE_H

#include "mlir/Support/LLVM.h"
#include "moe/Import/InputError.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mlir::moe {

/// One tensor of a WeightStore.
struct TensorInfo {
  /// The types that a model's weights may have; Other is any other type.
  enum class DType { F32, F16, BF16, Other };

  std::string name;
  DType dtype = DType::Other;
  /// The type's name in the file, such as "F32" or "I64".
  std::string dtypeName;
  SmallVector<int64_t, 4> shape;
  /// Little-endian, row-major, with no alignment at all: read it through
  /// WeightStore::readAsF32 or memcpy.
  ArrayRef<char> data;

  /// The product of the shape; it does not overflow.
  int64_t numElements() const;
};

/// The tensors of one safetensors file.
class WeightStore {
public:
  /// Maps `path` and checks its header as the reference implementation does:
  /// the tensors must tile the data without overlaps or holes, and each must
  /// have as many bytes as its type and shape say. Names are unique. A type
  /// that the format does not know is no error here. The file must not shrink
  /// while the store is alive.
  static FailureOr<WeightStore> open(StringRef path, InputErrorSink sink);

  /// As `open` for a file already in memory. `path` names it in errors.
  static FailureOr<WeightStore>
  fromBuffer(std::unique_ptr<llvm::MemoryBuffer> buffer, StringRef path,
             InputErrorSink sink);

  /// The file as the user wrote it.
  StringRef path() const { return filePath; }

  /// All tensors, in the order of their names (as bytes).
  ArrayRef<TensorInfo> tensors() const { return infos; }

  /// The tensor of that name, or null. Valid as long as the store, also if that
  /// is moved.
  const TensorInfo *find(StringRef name) const;

  /// Writes elements [first, first + out.size()) of `tensor` to `out`. The type
  /// must not be Other; f16 and bf16 widen exactly, NaNs keep their payload.
  static void readAsF32(const TensorInfo &tensor, int64_t first,
                        MutableArrayRef<float> out);

  /// Whether any element is a NaN or an infinity. False for type Other.
  static bool hasNonFinite(const TensorInfo &tensor);

private:
  WeightStore() = default;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::string filePath;
  std::vector<TensorInfo> infos;
};

} // namespace mlir::moe

#endif // MOE_IMPORT_WEIGHTSTORE_H
