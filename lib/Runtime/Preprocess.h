//===- Preprocess.h - From an image to a model's input ----------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_PREPROCESS_H
#define MOE_LIB_RUNTIME_PREPROCESS_H

#include "Image.h"
#include "moe/Runtime/Model.h"

namespace moe {
namespace runtime {

/// Resizes, crops and normalises `Picture` as `Model` says, into `Input`,
/// [channels, height, width]. Consumes the picture.
bool preprocess(const MoeModel &Model, Image &Picture, float *Input,
                Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_PREPROCESS_H
