//===- ImageFuzzer.cpp - Any bytes as an image ----------------------------===//
//
// The input is an image file of any format. What can be decoded goes through
// the preprocessing of models of each kind. Mutations of PNG files get their
// checksums made right again, so that they come further than to those.
//
//===----------------------------------------------------------------------===//

#include "Image.h"
#include "Preprocess.h"

#include <cmath>
#include <cstring>

using namespace moe::runtime;

static constexpr int64_t MaxInputSize = 3 * 9 * 9;
static const float Mean[] = {0.5f, 0.25f, 0.75f}, StdDev[] = {0.5f, 1, 2};

namespace {
struct Shape {
  int64_t Channels, Height, Width, Resize, ResizeHeight, ResizeWidth, Bicubic;
};
} // namespace

/// Grey ones last: the picture is made grey in place.
static const Shape Shapes[] = {{3, 6, 7, 8, 0, 0, 0},
                               {3, 9, 9, 0, 9, 12, 1},
                               {3, 4, 4, 0, 0, 0, 1},
                               {1, 5, 3, 7, 0, 0, 1},
                               {1, 4, 9, 0, 0, 0, 0}};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  Message Error;
  Image Picture;
  if (!decodeImage({Data, Size}, Picture, Error)) {
    // A reason in one line, always.
    if (!*Error.text() || strchr(Error.text(), '\n'))
      __builtin_trap();
    return 0;
  }
  for (const Shape &Each : Shapes) {
    if (Picture.Samples.size() !=
        size_t(Picture.Width * Picture.Height * Picture.Channels))
      __builtin_trap();
    MoeModel Model;
    memset(&Model, 0, sizeof Model);
    Model.channels = Each.Channels;
    Model.height = Each.Height;
    Model.width = Each.Width;
    Model.resize = Each.Resize;
    Model.resize_height = Each.ResizeHeight;
    Model.resize_width = Each.ResizeWidth;
    Model.bicubic = Each.Bicubic;
    Model.mean = Mean;
    Model.std_dev = StdDev;
    int64_t InputSize = Each.Channels * Each.Height * Each.Width;
    float Input[MaxInputSize];
    for (int64_t I = 0; I < InputSize; ++I)
      Input[I] = NAN;
    if (!preprocess(Model, Picture, Input, Error))
      continue; // too small for this model
    for (int64_t I = 0; I < InputSize; ++I)
      if (!std::isfinite(Input[I]))
        __builtin_trap();
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// The mutator
//===----------------------------------------------------------------------===//

static uint32_t crc32(const uint8_t *Data, size_t Size) {
  uint32_t Value = 0xffffffffu;
  for (size_t I = 0; I < Size; ++I) {
    Value ^= Data[I];
    for (int Bit = 0; Bit < 8; ++Bit)
      Value = Value & 1 ? 0xedb88320u ^ (Value >> 1) : Value >> 1;
  }
  return ~Value;
}

static void repairPng(uint8_t *Data, size_t Size) {
  Bytes File{Data, Size};
  if (!File.has(0, 8) || memcmp(Data, "\x89PNG", 4) != 0)
    return;
  for (uint64_t At = 8; File.has(At, 12);) {
    uint64_t Length = File.big32(At);
    if (!File.has(At, 12 + Length))
      return;
    uint32_t Sum = crc32(Data + At + 4, 4 + Length);
    for (int I = 0; I < 4; ++I)
      Data[At + 8 + Length + I] = Sum >> (24 - 8 * I);
    At += 12 + Length;
  }
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *Data, size_t Size, size_t MaxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *Data, size_t Size,
                                          size_t MaxSize, unsigned Seed) {
  Size = LLVMFuzzerMutate(Data, Size, MaxSize);
  if (Seed % 8 != 0)
    repairPng(Data, Size);
  return Size;
}
