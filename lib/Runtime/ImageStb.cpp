//===- ImageStb.cpp - PNG and JPEG ----------------------------------------===//
//
// stb_image decodes the pixels. The structure of the file is checked here
// first, because stb_image takes some damaged files for whole ones and knows no
// limit to its memory.
//
//===----------------------------------------------------------------------===//

#include "Image.h"

#include <cstring>

static void *allocateLimited(size_t Size);
static void *reallocateLimited(void *Memory, size_t Size);

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#define STBI_ASSERT(Condition) static_cast<void>(0)
#define STBI_MALLOC(Size) allocateLimited(Size)
#define STBI_REALLOC(Memory, Size) reallocateLimited(Memory, Size)
#define STBI_FREE(Memory) free(Memory)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

using namespace moe::runtime;

/// The most that a single allocation of stb_image may take. Its own sizes
/// follow from the image's, save for inflated PNG data, which could be a
/// thousand times the file.
static thread_local size_t AllocationLimit;

/// Zeroed: what a damaged file never defines, such as a Huffman table, is then
/// the same in every run and within its bounds.
static void *allocateLimited(size_t Size) {
  return Size <= AllocationLimit ? calloc(Size, 1) : nullptr;
}

static void *reallocateLimited(void *Memory, size_t Size) {
  return Size <= AllocationLimit ? realloc(Memory, Size) : nullptr;
}

/// `Width` and `Height` are those of the file's header.
static bool decodeWithStb(Bytes File, int64_t Width, int64_t Height,
                          Image &Result, Message &Error) {
  if (!checkImageSize(Width, Height, Error))
    return false;
  // Tables and buffers of a fixed size.
  constexpr size_t FixedSize = 1 << 20;
  // At most 4 channels of 16 bits (PNG) or of a coefficient (JPEG), JPEG's
  // blocks and PNG's filter bytes rounding up each side, twice that for
  // buffers that grow by doubling.
  AllocationLimit =
      FixedSize + 2 * File.Size + size_t(16) * (Width + 64) * (Height + 64);
  int FoundWidth, FoundHeight, Channels;
  uint8_t *Samples = stbi_load_from_memory(File.Data, File.Size, &FoundWidth,
                                           &FoundHeight, &Channels, 0);
  if (!Samples)
    return Error.set("corrupt image: %s", stbi_failure_reason());

  // 2 = grey and alpha, 4 = colour and alpha.
  int64_t Kept = Channels <= 2 ? 1 : 3;
  bool Created = Result.create(FoundWidth, FoundHeight, Kept, Error);
  if (Created) {
    int64_t NumPixels = Result.Width * Result.Height;
    if (Kept == Channels)
      memcpy(Result.Samples.data(), Samples, NumPixels * Kept);
    else
      for (int64_t I = 0; I < NumPixels; ++I)
        memcpy(&Result.Samples[I * Kept], Samples + I * Channels, Kept);
  }
  free(Samples);
  return Created;
}

//===----------------------------------------------------------------------===//
// PNG
//===----------------------------------------------------------------------===//

namespace {
/// CRC-32 of PNG, annex D.
class Crc32 {
public:
  Crc32() {
    for (uint32_t I = 0; I < 256; ++I) {
      uint32_t Value = I;
      for (int Bit = 0; Bit < 8; ++Bit)
        Value = Value & 1 ? 0xedb88320u ^ (Value >> 1) : Value >> 1;
      Table[I] = Value;
    }
  }
  uint32_t operator()(Bytes Data) const {
    uint32_t Value = 0xffffffffu;
    for (size_t I = 0; I < Data.Size; ++I)
      Value = Table[(Value ^ Data.Data[I]) & 0xff] ^ (Value >> 8);
    return ~Value;
  }

private:
  uint32_t Table[256];
};

/// What the walk over a file finds for the decoder.
struct Header {
  int64_t Width = 0, Height = 0;
};
} // namespace

/// Walks over the chunks to IEND: all must be there, the critical ones intact.
static bool checkPng(Bytes File, Header &Found, unsigned &Orientation,
                     Message &Error) {
  Crc32 Crc;
  constexpr size_t SignatureLength = 8;
  size_t At = SignatureLength;
  while (true) {
    if (!File.has(At, 12) || !File.has(At, uint64_t(12) + File.big32(At)))
      return Error.set("truncated PNG: expected more after %zu bytes",
                       File.Size);
    size_t Length = File.big32(At);
    Bytes Type = File.slice(At + 4, 4);
    Bytes Data = File.slice(At + 8, Length);
    if (At == SignatureLength) {
      if (memcmp(Type.Data, "IHDR", 4) != 0 || Length < 8)
        return Error.set("corrupt PNG: expected IHDR as the first chunk");
      Found = {Data.big32(0), Data.big32(4)};
    }
    bool IsCritical = (Type.Data[0] & 0x20) == 0;
    bool IsExif = memcmp(Type.Data, "eXIf", 4) == 0;
    if (IsCritical || IsExif) {
      bool IsIntact =
          Crc(File.slice(At + 4, Length + 4)) == File.big32(At + 8 + Length);
      if (IsCritical && !IsIntact)
        return Error.set("corrupt PNG: wrong checksum of a chunk at byte %zu",
                         At);
      if (IsExif && IsIntact && Orientation == 0)
        Orientation = readExifOrientation(Data);
    }
    if (memcmp(Type.Data, "IEND", 4) == 0)
      return true;
    At += 12 + Length;
  }
}

bool moe::runtime::decodePng(Bytes File, Image &Result, unsigned &Orientation,
                             Message &Error) {
  Header Found;
  return checkPng(File, Found, Orientation, Error) &&
         decodeWithStb(File, Found.Width, Found.Height, Result, Error);
}

//===----------------------------------------------------------------------===//
// JPEG
//===----------------------------------------------------------------------===//

/// More scans than any encoder makes: a small file with many of them could keep
/// the decoder busy for hours.
static constexpr int MaxJpegScans = 500;

/// Second bytes of JPEG's markers.
enum : unsigned {
  TEM = 0x01,
  DHT = 0xc4,
  JPG = 0xc8,
  DAC = 0xcc,
  RST0 = 0xd0,
  EOI = 0xd9,
  SOS = 0xda,
  APP1 = 0xe1
};

/// Does the marker start a frame, of any of the kinds of coding?
static bool isStartOfFrame(unsigned Marker) {
  return Marker >= 0xc0 && Marker <= 0xcf && Marker != DHT && Marker != JPG &&
         Marker != DAC;
}

/// Checks the tables in a DHT segment: stb_image does not see that one has more
/// symbols than there are, and writes past its end.
static bool checkHuffmanTables(Bytes Segment, Message &Error) {
  constexpr size_t NumLengths = 16, MaxSymbols = 256;
  size_t At = 0;
  while (At < Segment.Size) {
    if (!Segment.has(At, 1 + NumLengths))
      return Error.set("corrupt JPEG: a Huffman table is cut short");
    size_t NumSymbols = 0;
    for (size_t I = 0; I < NumLengths; ++I)
      NumSymbols += Segment.Data[At + 1 + I];
    At += 1 + NumLengths;
    if (NumSymbols > MaxSymbols || !Segment.has(At, NumSymbols))
      return Error.set("corrupt JPEG: a Huffman table of %zu symbols",
                       NumSymbols);
    At += NumSymbols;
  }
  return true;
}

/// Walks over the segments to the end marker, which must be there.
static bool checkJpeg(Bytes File, Header &Found, unsigned &Orientation,
                      Message &Error) {
  static const char ExifName[] = "Exif\0";
  constexpr size_t ExifNameLength = sizeof ExifName; // two zeros
  auto isTruncated = [&] {
    return Error.set("truncated JPEG: expected more after %zu bytes",
                     File.Size);
  };
  bool HasFrame = false, HasExif = false;
  int NumScans = 0;
  size_t At = 2;
  while (true) {
    // The next marker: 0xff and neither 0 (a data byte 0xff in a scan) nor 0xff
    // (padding).
    while (File.has(At, 2) &&
           (File.Data[At] != 0xff || File.Data[At + 1] == 0 ||
            File.Data[At + 1] == 0xff))
      ++At;
    if (!File.has(At, 2))
      return isTruncated();
    unsigned Marker = File.Data[At + 1];
    At += 2;
    if (Marker == EOI)
      return HasFrame || Error.set("corrupt JPEG: no frame in it");
    if (Marker == TEM || (Marker >= RST0 && Marker < EOI))
      continue;
    if (!File.has(At, 2) || !File.has(At, File.big16(At)))
      return isTruncated();
    size_t Length = File.big16(At);
    if (Length < 2)
      return Error.set("corrupt JPEG: a segment of %zu bytes at byte %zu",
                       Length, At);
    // Length, bits per sample, height, width.
    if (!HasFrame && isStartOfFrame(Marker) && Length >= 7) {
      HasFrame = true;
      Found = {File.big16(At + 5), File.big16(At + 3)};
    }
    if (Marker == APP1 && !HasExif && Length >= 2 + ExifNameLength &&
        memcmp(File.Data + At + 2, ExifName, ExifNameLength) == 0) {
      HasExif = true;
      Orientation = readExifOrientation(
          File.slice(At + 2 + ExifNameLength, Length - 2 - ExifNameLength));
    }
    if (Marker == DHT &&
        !checkHuffmanTables(File.slice(At + 2, Length - 2), Error))
      return false;
    if (Marker == SOS && ++NumScans > MaxJpegScans)
      return Error.set("corrupt JPEG: more than %d scans", MaxJpegScans);
    At += Length;
  }
}

bool moe::runtime::decodeJpeg(Bytes File, Image &Result, unsigned &Orientation,
                              Message &Error) {
  Header Found;
  return checkJpeg(File, Found, Orientation, Error) &&
         decodeWithStb(File, Found.Width, Found.Height, Result, Error);
}
