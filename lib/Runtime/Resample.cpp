//===- Resample.cpp - Antialiased resizing --------------------------------===//
//
// After Pillow's Resample.c: weights in double, normalised, rounded to 22 bits
// of fraction; a horizontal pass, then a vertical one, each rounding to 8 bits.
// The order of the operations matters for equal bits.
//
//===----------------------------------------------------------------------===//

#include "Resample.h"

#include <algorithm>
#include <cstring>

using namespace moe::runtime;

/// 8 bits of sample and 2 of overshoot fit above the fraction.
static constexpr int PrecisionBits = 32 - 8 - 2;

/// How far a filter reaches, in source pixels when it does not shrink.
static double supportOf(Filter Kind) {
  return Kind == Filter::Bicubic ? 2.0 : 1.0;
}

static double evaluate(Filter Kind, double X) {
  X = X < 0 ? -X : X;
  if (Kind == Filter::Bilinear)
    return X < 1.0 ? 1.0 - X : 0.0;
  constexpr double A = -0.5;
  if (X < 1.0)
    return ((A + 2.0) * X - (A + 3.0)) * X * X + 1;
  if (X < 2.0)
    return (((X - 5) * X + 8) * X - 4) * A;
  return 0.0;
}

namespace {
/// The weights of the source samples for each sample of a window.
class WeightTable {
public:
  bool compute(Filter Kind, int64_t SourceLength, ResizedAxis Axis,
               Message &Error);

  int64_t first(int64_t I) const { return Ranges[2 * I]; }
  int64_t count(int64_t I) const { return Ranges[2 * I + 1]; }
  const int32_t *weights(int64_t I) const { return &Weights[I * Stride]; }

private:
  Array<int64_t> Ranges;  ///< [window, 2]: first source sample, their number
  Array<int32_t> Weights; ///< [window, Stride]
  int64_t Stride = 0;
};
} // namespace

bool WeightTable::compute(Filter Kind, int64_t SourceLength, ResizedAxis Axis,
                          Message &Error) {
  double Scale = static_cast<double>(SourceLength) / Axis.Length;
  double FilterScale = std::max(Scale, 1.0);
  double Support = supportOf(Kind) * FilterScale;
  // A range is rounded at both its ends, and never longer than the source.
  Stride = std::min(static_cast<int64_t>(Support) * 2 + 3, SourceLength);
  Array<double> Exact;
  if (!Ranges.allocate(2 * Axis.Count) ||
      !Weights.allocate(Axis.Count * Stride) || !Exact.allocate(Stride))
    return Error.outOfMemory();

  double InverseScale = 1.0 / FilterScale;
  for (int64_t I = 0; I < Axis.Count; ++I) {
    double Center = (Axis.Offset + I + 0.5) * Scale;
    auto First =
        std::max<int64_t>(static_cast<int64_t>(Center - Support + 0.5), 0);
    auto End =
        std::min(static_cast<int64_t>(Center + Support + 0.5), SourceLength);
    int64_t Count = End - First;
    double Sum = 0;
    for (int64_t J = 0; J < Count; ++J) {
      Exact[J] = evaluate(Kind, (J + First - Center + 0.5) * InverseScale);
      Sum += Exact[J];
    }
    for (int64_t J = 0; J < Count; ++J) {
      double Weight = Sum != 0 ? Exact[J] / Sum : Exact[J];
      Weight *= 1 << PrecisionBits;
      Weights[I * Stride + J] =
          static_cast<int32_t>(Weight < 0 ? Weight - 0.5 : Weight + 0.5);
    }
    Ranges[2 * I] = First;
    Ranges[2 * I + 1] = Count;
  }
  return true;
}

static uint8_t toSample(int32_t Sum) {
  return std::min(std::max(Sum >> PrecisionBits, 0), 255);
}

static constexpr int32_t Half = 1 << (PrecisionBits - 1);

/// Resizes the rows from `FirstRow` on, as many as `Result` has.
static bool resampleRows(const Image &Source, Filter Kind, ResizedAxis Axis,
                         int64_t FirstRow, int64_t NumRows, Image &Result,
                         Message &Error) {
  WeightTable Table;
  if (!Table.compute(Kind, Source.Width, Axis, Error) ||
      !Result.create(Axis.Count, NumRows, Source.Channels, Error))
    return false;
  for (int64_t Y = 0; Y < NumRows; ++Y) {
    for (int64_t X = 0; X < Axis.Count; ++X) {
      const uint8_t *From = Source.pixel(Table.first(X), FirstRow + Y);
      const int32_t *Weights = Table.weights(X);
      int64_t Count = Table.count(X);
      for (int64_t C = 0; C < Source.Channels; ++C) {
        int32_t Sum = Half;
        for (int64_t J = 0; J < Count; ++J)
          Sum += From[J * Source.Channels + C] * Weights[J];
        Result.pixel(X, Y)[C] = toSample(Sum);
      }
    }
  }
  return true;
}

/// Resizes the columns of a source that starts at row `FirstRow` of one of
/// `SourceHeight` rows.
static bool resampleColumns(const Image &Source, const WeightTable &Table,
                            int64_t FirstRow, int64_t NumRows, Image &Result,
                            Message &Error) {
  if (!Result.create(Source.Width, NumRows, Source.Channels, Error))
    return false;
  int64_t RowBytes = Source.Width * Source.Channels;
  for (int64_t Y = 0; Y < NumRows; ++Y) {
    const uint8_t *From = Source.pixel(0, Table.first(Y) - FirstRow);
    const int32_t *Weights = Table.weights(Y);
    int64_t Count = Table.count(Y);
    uint8_t *To = Result.pixel(0, Y);
    for (int64_t X = 0; X < RowBytes; ++X) {
      int32_t Sum = Half;
      for (int64_t J = 0; J < Count; ++J)
        Sum += From[J * RowBytes + X] * Weights[J];
      To[X] = toSample(Sum);
    }
  }
  return true;
}

/// Copies the window's columns of some rows, which keep their width.
static bool copyRows(const Image &Source, ResizedAxis Axis, int64_t FirstRow,
                     int64_t NumRows, Image &Result, Message &Error) {
  if (!Result.create(Axis.Count, NumRows, Source.Channels, Error))
    return false;
  for (int64_t Y = 0; Y < NumRows; ++Y)
    memcpy(Result.pixel(0, Y), Source.pixel(Axis.Offset, FirstRow + Y),
           Axis.Count * Source.Channels);
  return true;
}

bool moe::runtime::resample(const Image &Source, Filter Kind,
                            ResizedAxis Horizontal, ResizedAxis Vertical,
                            Image &Result, Message &Error) {
  // An axis that keeps its length is copied, as in Pillow.
  bool ResizesColumns = Vertical.Length != Source.Height;
  WeightTable Table;
  int64_t FirstRow = Vertical.Offset;
  int64_t EndRow = Vertical.Offset + Vertical.Count;
  if (ResizesColumns) {
    if (!Table.compute(Kind, Source.Height, Vertical, Error))
      return false;
    int64_t Last = Vertical.Count - 1;
    FirstRow = Table.first(0);
    EndRow = Table.first(Last) + Table.count(Last);
  }
  Image Rows;
  bool RowsDone = Horizontal.Length == Source.Width
                      ? copyRows(Source, Horizontal, FirstRow,
                                 EndRow - FirstRow, Rows, Error)
                      : resampleRows(Source, Kind, Horizontal, FirstRow,
                                     EndRow - FirstRow, Rows, Error);
  if (!RowsDone)
    return false;
  if (ResizesColumns)
    return resampleColumns(Rows, Table, FirstRow, Vertical.Count, Result,
                           Error);
  Result = static_cast<Image &&>(Rows);
  return true;
}
