//===- ReadAhead.h - Experts' weights from the disk --------------*- C++
//-*-===//

#ifndef MOE_LIB_RUNTIME_READAHEAD_H
#define MOE_LIB_RUNTIME_READAHEAD_H

#include "Array.h"
#include "Message.h"
#include "moe/Runtime/Model.h"

namespace moe {
namespace runtime {

/// Has the kernel read an expert of the executable when it is first chosen, as
/// a whole and nothing else: where a page is missing, the kernel on its own
/// reads megabytes around it, of experts that nobody wants.
class ReadAhead {
public:
  explicit ReadAhead(const MoeModel &Model) : Model(Model) {}

  bool allocate(Message &Error);

  /// The expert runs next. Threads may call this at once.
  void want(int64_t Layer, int64_t Expert);

private:
  const MoeModel &Model;
  Array<bool> Wanted; ///< [num_experts]
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_READAHEAD_H
