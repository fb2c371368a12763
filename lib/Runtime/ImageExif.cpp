//===- ImageExif.cpp - The orientation in EXIF data -----------------------===//

#include "Image.h"

#include <cstring>

using namespace moe::runtime;

unsigned moe::runtime::readExifOrientation(Bytes Tiff) {
  constexpr uint32_t OrientationTag = 0x0112;
  constexpr uint32_t TypeByte = 1, TypeShort = 3, TypeLong = 4;
  if (!Tiff.has(0, 8))
    return 0;
  bool IsLittle = memcmp(Tiff.Data, "II*\0", 4) == 0;
  if (!IsLittle && memcmp(Tiff.Data, "MM\0*", 4) != 0)
    return 0;
  auto read16 = [&](size_t At) {
    return IsLittle ? Tiff.little16(At) : Tiff.big16(At);
  };
  auto read32 = [&](size_t At) {
    return IsLittle ? Tiff.little32(At) : Tiff.big32(At);
  };

  uint64_t Directory = read32(4);
  if (!Tiff.has(Directory, 2))
    return 0;
  uint32_t NumEntries = read16(Directory);
  for (uint32_t I = 0; I < NumEntries; ++I) {
    uint64_t Entry = Directory + 2 + uint64_t(12) * I;
    if (!Tiff.has(Entry, 12))
      return 0;
    if (read16(Entry) != OrientationTag)
      continue;
    if (read32(Entry + 4) != 1)
      return 0;
    uint32_t Value = 0;
    switch (read16(Entry + 2)) {
    case TypeByte:
      Value = Tiff.Data[Entry + 8];
      break;
    case TypeShort:
      Value = read16(Entry + 8);
      break;
    case TypeLong:
      Value = read32(Entry + 8);
      break;
    }
    return Value <= 8 ? Value : 0;
  }
  return 0;
}
