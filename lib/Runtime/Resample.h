//===- Resample.h - Antialiased resizing ------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_RESAMPLE_H
#define MOE_LIB_RUNTIME_RESAMPLE_H

#include "Image.h"

namespace moe {
namespace runtime {

enum class Filter { Bilinear, Bicubic };

/// One axis of a resized picture, of which only a window is wanted.
struct ResizedAxis {
  int64_t Length; ///< pixels of the whole resized picture
  int64_t Offset; ///< first pixel of the window
  int64_t Count;  ///< pixels of the window
};

/// Resizes to [Vertical.Length, Horizontal.Length] and keeps the window. Every
/// sample is the one that Pillow's Image.resize gives. Memory is bounded by the
/// source and the window, however large the whole resized picture would be.
bool resample(const Image &Source, Filter Kind, ResizedAxis Horizontal,
              ResizedAxis Vertical, Image &Result, Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_RESAMPLE_H
