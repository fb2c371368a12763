//===- Image.cpp - Images of 8 bits per sample ----------------------------===//

#include "Image.h"

#include <cstring>

using namespace moe::runtime;

bool moe::runtime::checkImageSize(int64_t Width, int64_t Height,
                                  Message &Error) {
  if (Width < 1 || Height < 1)
    return Error.set("corrupt image: a size of %lld x %lld pixels",
                     static_cast<long long>(Width),
                     static_cast<long long>(Height));
  if (Width > MaxSide || Height > MaxSide || Width * Height > MaxPixels)
    return Error.set(
        "image too large: expected at most %lld pixels, %lld on a "
        "side, found %lld x %lld",
        static_cast<long long>(MaxPixels), static_cast<long long>(MaxSide),
        static_cast<long long>(Width), static_cast<long long>(Height));
  return true;
}

bool Image::create(int64_t NewWidth, int64_t NewHeight, int64_t NewChannels,
                   Message &Error) {
  if (!checkImageSize(NewWidth, NewHeight, Error))
    return false;
  if (!Samples.allocate(NewWidth * NewHeight * NewChannels))
    return Error.outOfMemory();
  Width = NewWidth;
  Height = NewHeight;
  Channels = NewChannels;
  return true;
}

bool moe::runtime::convertToGrey(Image &Picture, Message &Error) {
  // In place: sample I is written after pixel I, at 3 * I, was read.
  uint8_t *Samples = Picture.Samples.data();
  int64_t NumPixels = Picture.Width * Picture.Height;
  for (int64_t I = 0; I < NumPixels; ++I) {
    const uint8_t *Rgb = Samples + 3 * I;
    Samples[I] =
        (Rgb[0] * 19595u + Rgb[1] * 38470u + Rgb[2] * 7471u + 0x8000u) >> 16;
  }
  Picture.Channels = 1;
  return Picture.Samples.resize(NumPixels) || Error.outOfMemory();
}

bool moe::runtime::applyOrientation(Image &Picture, unsigned Orientation,
                                    Message &Error) {
  if (Orientation < 2 || Orientation > 8)
    return true;
  // The result's pixel (X, Y) comes from (X, Y) with its coordinates swapped
  // first (5 to 8), then counted from the other end.
  bool IsTransposed = Orientation >= 5;
  bool FromRight = Orientation == 2 || Orientation == 3 || Orientation == 7 ||
                   Orientation == 8;
  bool FromBottom = Orientation == 3 || Orientation == 4 || Orientation == 6 ||
                    Orientation == 7;
  Image Result;
  if (!Result.create(IsTransposed ? Picture.Height : Picture.Width,
                     IsTransposed ? Picture.Width : Picture.Height,
                     Picture.Channels, Error))
    return false;
  for (int64_t Y = 0; Y < Result.Height; ++Y) {
    for (int64_t X = 0; X < Result.Width; ++X) {
      int64_t FromX = IsTransposed ? Y : X;
      int64_t FromY = IsTransposed ? X : Y;
      if (FromRight)
        FromX = Picture.Width - 1 - FromX;
      if (FromBottom)
        FromY = Picture.Height - 1 - FromY;
      memcpy(Result.pixel(X, Y), Picture.pixel(FromX, FromY), Picture.Channels);
    }
  }
  Picture = static_cast<Image &&>(Result);
  return true;
}

bool moe::runtime::decodeImage(Bytes File, Image &Result, Message &Error) {
  auto startsWith = [&](const char *Magic, size_t Length) {
    return File.has(0, Length) && memcmp(File.Data, Magic, Length) == 0;
  };
  unsigned Orientation = 0;
  if (File.Size == 0)
    return Error.set("empty file");
  if (startsWith("\x89PNG\r\n\x1a\n", 8)) {
    if (!decodePng(File, Result, Orientation, Error))
      return false;
  } else if (startsWith("\xff\xd8\xff", 3)) {
    if (!decodeJpeg(File, Result, Orientation, Error))
      return false;
  } else if (startsWith("BM", 2)) {
    return decodeBmp(File, Result, Error);
  } else if (startsWith("P", 1)) {
    return decodePnm(File, Result, Error);
  } else {
    return Error.set("unknown format: expected PNG, JPEG, BMP, PPM or PGM");
  }
  return applyOrientation(Result, Orientation, Error);
}
