//===- ImagePnm.cpp - PPM and PGM -----------------------------------------===//
//
// Netpbm's P2, P3 (text), P5 and P6 (binary), of up to 16 bits per sample.
//
//===----------------------------------------------------------------------===//

#include "Image.h"

using namespace moe::runtime;

namespace {
class PnmReader {
public:
  PnmReader(Bytes File, Message &Error) : File(File), Error(Error) {}

  bool run(Image &Result);

private:
  static bool isSpace(uint8_t C) {
    return C == ' ' || (C >= '\t' && C <= '\r');
  }
  /// Reads a number up to `Max`, after white space and comments.
  bool parseNumber(uint32_t Max, uint32_t &Number);
  bool readText(Image &Result, uint32_t MaxValue);
  bool readBinary(Image &Result, uint32_t MaxValue);
  bool isTruncated() {
    return Error.set("truncated PNM: expected more after %zu bytes", File.Size);
  }
  /// To 0..255, rounded to nearest.
  static uint8_t scale(uint32_t Value, uint32_t MaxValue) {
    return (Value * 510 + MaxValue) / (2 * MaxValue);
  }

  Bytes File;
  Message &Error;
  size_t At = 2;
};
} // namespace

bool PnmReader::parseNumber(uint32_t Max, uint32_t &Number) {
  while (File.has(At, 1) && (isSpace(File.Data[At]) || File.Data[At] == '#')) {
    if (File.Data[At++] == '#')
      while (File.has(At, 1) && File.Data[At] != '\n')
        ++At;
  }
  if (!File.has(At, 1))
    return isTruncated();
  size_t Start = At;
  uint64_t Value = 0;
  for (; File.has(At, 1) && File.Data[At] >= '0' && File.Data[At] <= '9' &&
         Value <= Max;
       ++At)
    Value = Value * 10 + (File.Data[At] - '0');
  if (At == Start || Value > Max)
    return Error.set("corrupt PNM: expected a number up to %u at byte %zu", Max,
                     Start);
  Number = Value;
  return true;
}

bool PnmReader::readText(Image &Result, uint32_t MaxValue) {
  for (uint8_t &Sample : Result.Samples) {
    uint32_t Value;
    if (!parseNumber(MaxValue, Value))
      return false;
    Sample = scale(Value, MaxValue);
  }
  return true;
}

bool PnmReader::readBinary(Image &Result, uint32_t MaxValue) {
  size_t SampleBytes = MaxValue > 255 ? 2 : 1;
  if (!File.has(At, Result.Samples.size() * SampleBytes))
    return isTruncated();
  for (uint8_t &Sample : Result.Samples) {
    uint32_t Value = SampleBytes == 2 ? File.big16(At) : File.Data[At];
    At += SampleBytes;
    Sample = scale(Value < MaxValue ? Value : MaxValue, MaxValue);
  }
  return true;
}

bool PnmReader::run(Image &Result) {
  if (!File.has(0, 2))
    return isTruncated();
  uint8_t Kind = File.Data[1];
  if (Kind != '2' && Kind != '3' && Kind != '5' && Kind != '6')
    return Error.set("unknown format: expected PNG, JPEG, BMP, PPM or PGM");
  bool IsText = Kind <= '3';
  uint32_t Width, Height, MaxValue;
  if (!parseNumber(INT32_MAX, Width) || !parseNumber(INT32_MAX, Height) ||
      !parseNumber(65535, MaxValue))
    return false;
  if (MaxValue == 0)
    return Error.set("corrupt PNM: a maximal value of 0");
  if (!File.has(At, 1))
    return isTruncated();
  if (!isSpace(File.Data[At++]))
    return Error.set("corrupt PNM: expected white space at byte %zu", At - 1);
  if (!checkImageSize(Width, Height, Error))
    return false;
  int64_t Channels = Kind == '3' || Kind == '6' ? 3 : 1;
  // Before any memory is taken: a sample has a byte at least.
  if (!File.has(At, int64_t(Width) * Height * Channels))
    return isTruncated();
  if (!Result.create(Width, Height, Channels, Error))
    return false;
  return IsText ? readText(Result, MaxValue) : readBinary(Result, MaxValue);
}

bool moe::runtime::decodePnm(Bytes File, Image &Result, Message &Error) {
  return PnmReader(File, Error).run(Result);
}
