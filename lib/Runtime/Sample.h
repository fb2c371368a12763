//===- Sample.h - An input and its answer -----------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_SAMPLE_H
#define MOE_LIB_RUNTIME_SAMPLE_H

#include "Array.h"
#include "Message.h"
#include "moe/Runtime/Model.h"

namespace moe {
namespace runtime {

struct Sample {
  Array<char> Name;       ///< as in the answer, with a zero
  Array<float> Input;     ///< [channels, height, width]
  Array<float> Logits;    ///< [classes]
  Array<MoeRoute> Routes; ///< [num_routes]
  double Milliseconds = 0;

  bool allocate(const MoeModel &Model, size_t NameCapacity, Message &Error) {
    return (Name.allocate(NameCapacity) &&
            Input.allocate(Model.channels * Model.height * Model.width) &&
            Logits.allocate(Model.classes) &&
            Routes.allocate(Model.num_routes)) ||
           Error.outOfMemory();
  }
};

/// The memory of one run at a time.
class Workspace {
public:
  Workspace() = default;
  Workspace(const Workspace &) = delete;
  Workspace &operator=(const Workspace &) = delete;
  ~Workspace() { free(Memory); }

  bool allocate(const MoeModel &Model, Message &Error) {
    constexpr size_t Alignment = 64;
    size_t Size = (Model.workspace_bytes + Alignment) / Alignment * Alignment;
    Memory = static_cast<char *>(aligned_alloc(Alignment, Size));
    return Memory || Error.outOfMemory();
  }
  char *data() { return Memory; }
  /// [num_routes]
  const MoeRoute *routes(const MoeModel &Model) const {
    return reinterpret_cast<const MoeRoute *>(Memory + Model.routes_offset);
  }

private:
  char *Memory = nullptr;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_SAMPLE_H
