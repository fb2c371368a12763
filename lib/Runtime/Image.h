//===- Image.h - Images of 8 bits per sample --------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_IMAGE_H
#define MOE_LIB_RUNTIME_IMAGE_H

#include "Array.h"
#include "Message.h"

namespace moe {
namespace runtime {

/// The largest image that is decoded: 128 megapixels, at most a mega of them in
/// a line or column. More is an error, not gigabytes of memory.
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
// Small ones, so that fuzzing (test/Fuzz) spends its time on many images.
constexpr int64_t MaxPixels = int64_t(1) << 18;
#else
constexpr int64_t MaxPixels = int64_t(1) << 27;
#endif
constexpr int64_t MaxSide = int64_t(1) << 20;
/// The largest file, in bytes.
constexpr size_t MaxImageFileSize = size_t(512) << 20;

struct Image {
  int64_t Width = 0, Height = 0;
  int64_t Channels = 0;   ///< 1 = grey, 3 = red, green, blue
  Array<uint8_t> Samples; ///< [Height, Width, Channels]

  /// Sets the shape and allocates the samples. An error for a size that is not
  /// positive or above the limits.
  bool create(int64_t NewWidth, int64_t NewHeight, int64_t NewChannels,
              Message &Error);
  uint8_t *pixel(int64_t X, int64_t Y) {
    return Samples.data() + (Y * Width + X) * Channels;
  }
  const uint8_t *pixel(int64_t X, int64_t Y) const {
    return Samples.data() + (Y * Width + X) * Channels;
  }
};

/// An error unless 1 <= Width, Height <= MaxSide and there are at most
/// MaxPixels.
bool checkImageSize(int64_t Width, int64_t Height, Message &Error);

/// Decodes a PNG, JPEG, BMP, PPM or PGM file, told apart by their first bytes.
/// Alpha is dropped, the EXIF orientation is applied.
bool decodeImage(Bytes File, Image &Result, Message &Error);

/// Colour to grey as Pillow's mode L: ITU-R 601-2 luma in 16 bits of fraction.
bool convertToGrey(Image &Picture, Message &Error);

/// Turns and mirrors the picture as the EXIF orientation 1..8 says, so that it
/// is upright; other values change nothing.
bool applyOrientation(Image &Picture, unsigned Orientation, Message &Error);

/// The EXIF orientation 1..8 in a TIFF block, 0 if there is none.
unsigned readExifOrientation(Bytes Tiff);

// One function per format; `Orientation` is set if the file has one.
bool decodePng(Bytes File, Image &Result, unsigned &Orientation,
               Message &Error);
bool decodeJpeg(Bytes File, Image &Result, unsigned &Orientation,
                Message &Error);
bool decodeBmp(Bytes File, Image &Result, Message &Error);
bool decodePnm(Bytes File, Image &Result, Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_IMAGE_H
