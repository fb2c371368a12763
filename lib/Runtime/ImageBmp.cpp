//===- ImageBmp.cpp - BMP -------------------------------------------------===//
//
// Uncompressed bitmaps of 1, 4, 8, 16, 24 and 32 bits per pixel.
//
//===----------------------------------------------------------------------===//

#include "Image.h"

#include <cstring>

using namespace moe::runtime;

namespace {
struct BmpHeader {
  int64_t Width, Height;
  bool IsTopDown;
  unsigned BitsPerPixel;
  uint64_t PixelOffset;
  uint64_t RowBytes;
  uint32_t Masks[3]; ///< red, green, blue; for 16 and 32 bits
  uint8_t Palette[256][3];
};

/// One colour's bits of a pixel.
struct Field {
  unsigned Shift = 0;
  uint32_t Max = 0;

  explicit Field(uint32_t Mask) {
    if (Mask == 0)
      return;
    Shift = __builtin_ctz(Mask);
    Max = Mask >> Shift;
  }
  uint8_t get(uint32_t Pixel) const {
    return Max ? uint64_t((Pixel >> Shift) & Max) * 255 / Max : 0;
  }
};
} // namespace

static bool parseHeader(Bytes File, BmpHeader &Header, Message &Error) {
  enum : uint32_t { CoreSize = 12, InfoSize = 40, MaxSize = 124 };
  enum : uint32_t { Uncompressed = 0, BitFields = 3, AlphaBitFields = 6 };
  auto isTruncated = [&] {
    return Error.set("truncated BMP: expected more after %zu bytes", File.Size);
  };
  if (!File.has(0, 18))
    return isTruncated();
  uint32_t Size = File.little32(14);
  if (Size != CoreSize && (Size < InfoSize || Size > MaxSize))
    return Error.set("unsupported BMP: a header of %u bytes", Size);
  if (!File.has(14, Size))
    return isTruncated();
  Header.PixelOffset = File.little32(10);
  uint32_t Compression = Uncompressed;
  uint32_t NumColours = 0;
  bool IsCore = Size == CoreSize;
  Header.IsTopDown = false;
  if (IsCore) {
    Header.Width = File.little16(18);
    Header.Height = File.little16(20);
    Header.BitsPerPixel = File.little16(24);
  } else {
    Header.Width = static_cast<int32_t>(File.little32(18));
    Header.Height = static_cast<int32_t>(File.little32(22));
    Header.BitsPerPixel = File.little16(28);
    Compression = File.little32(30);
    NumColours = File.little32(46);
    if (Header.Height < 0) {
      Header.IsTopDown = true;
      Header.Height = -Header.Height;
    }
  }
  if (!checkImageSize(Header.Width, Header.Height, Error))
    return false;

  unsigned Bits = Header.BitsPerPixel;
  if (Bits != 1 && Bits != 4 && Bits != 8 && Bits != 16 && Bits != 24 &&
      Bits != 32)
    return Error.set("unsupported BMP: %u bits per pixel", Bits);
  bool HasMasks = Compression == BitFields || Compression == AlphaBitFields;
  if (Compression != Uncompressed && !(HasMasks && (Bits == 16 || Bits == 32)))
    return Error.set("unsupported BMP: compression method %u", Compression);

  // Behind an InfoSize header, and within a longer one, masks are at byte 54.
  constexpr size_t MaskOffset = 14 + InfoSize;
  if (HasMasks) {
    if (!File.has(MaskOffset, 12))
      return isTruncated();
    for (int I = 0; I < 3; ++I)
      Header.Masks[I] = File.little32(MaskOffset + 4 * I);
  } else {
    unsigned Width = Bits == 16 ? 5 : 8;
    for (int I = 0; I < 3; ++I)
      Header.Masks[I] = ((1u << Width) - 1) << (Width * (2 - I));
  }

  if (Bits <= 8) {
    uint32_t MaxColours = 1u << Bits;
    if (NumColours == 0 || NumColours > MaxColours)
      NumColours = MaxColours;
    // Colours that the file does not have are black.
    memset(Header.Palette, 0, sizeof Header.Palette);
    size_t EntryBytes = IsCore ? 3 : 4;
    size_t At = 14 + Size;
    for (uint32_t I = 0; I < NumColours; ++I, At += EntryBytes) {
      if (!File.has(At, EntryBytes) || At + EntryBytes > Header.PixelOffset)
        break;
      for (int C = 0; C < 3; ++C)
        Header.Palette[I][C] = File.Data[At + 2 - C];
    }
  }

  Header.RowBytes = (static_cast<uint64_t>(Header.Width) * Bits + 31) / 32 * 4;
  if (!File.has(Header.PixelOffset, Header.RowBytes * Header.Height))
    return Error.set(
        "truncated BMP: expected %llu bytes of pixels at byte "
        "%llu, found %zu bytes in all",
        static_cast<unsigned long long>(Header.RowBytes * Header.Height),
        static_cast<unsigned long long>(Header.PixelOffset), File.Size);
  return true;
}

static void decodeRow(const BmpHeader &Header, Bytes Row, uint8_t *Rgb) {
  unsigned Bits = Header.BitsPerPixel;
  if (Bits <= 8) {
    for (int64_t X = 0; X < Header.Width; ++X) {
      size_t BitOffset = X * Bits;
      unsigned Shift = 8 - Bits - BitOffset % 8;
      unsigned Index = (Row.Data[BitOffset / 8] >> Shift) & ((1u << Bits) - 1);
      memcpy(Rgb + 3 * X, Header.Palette[Index], 3);
    }
    return;
  }
  if (Bits == 24) {
    for (int64_t I = 0; I < 3 * Header.Width; I += 3)
      for (int C = 0; C < 3; ++C)
        Rgb[I + C] = Row.Data[I + 2 - C];
    return;
  }
  Field Fields[3] = {Field(Header.Masks[0]), Field(Header.Masks[1]),
                     Field(Header.Masks[2])};
  for (int64_t X = 0; X < Header.Width; ++X) {
    uint32_t Pixel = Bits == 16 ? Row.little16(2 * X) : Row.little32(4 * X);
    for (int C = 0; C < 3; ++C)
      Rgb[3 * X + C] = Fields[C].get(Pixel);
  }
}

bool moe::runtime::decodeBmp(Bytes File, Image &Result, Message &Error) {
  BmpHeader Header;
  if (!parseHeader(File, Header, Error) ||
      !Result.create(Header.Width, Header.Height, 3, Error))
    return false;
  for (int64_t Y = 0; Y < Header.Height; ++Y) {
    int64_t ToY = Header.IsTopDown ? Y : Header.Height - 1 - Y;
    decodeRow(
        Header,
        File.slice(Header.PixelOffset + Y * Header.RowBytes, Header.RowBytes),
        Result.pixel(0, ToY));
  }
  return true;
}
