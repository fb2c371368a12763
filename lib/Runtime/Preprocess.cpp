//===- Preprocess.cpp - From an image to a model's input ------------------===//

#include "Preprocess.h"

#include "Resample.h"

using namespace moe::runtime;

/// Half of `Margin`, rounded as Python's round does: halves to even.
static int64_t roundedHalf(int64_t Margin) {
  int64_t Half = Margin / 2;
  return Half + (Margin % 2 != 0 && Half % 2 != 0);
}

bool moe::runtime::preprocess(const MoeModel &Model, Image &Picture,
                              float *Input, Message &Error) {
  if (Model.channels != 1 && Model.channels != 3)
    return Error.set("images need a model of 1 or 3 channels, this one has "
                     "%lld; use --tensor",
                     static_cast<long long>(Model.channels));
  if (Model.channels == 1 && Picture.Channels == 3 &&
      !convertToGrey(Picture, Error))
    return false;

  int64_t Width = Model.width, Height = Model.height;
  if (Model.resize_height > 0) {
    Width = Model.resize_width;
    Height = Model.resize_height;
  } else if (Model.resize > 0) {
    // No overflow: the picture's sides have at most 20 bits, resize 31.
    int64_t Shorter =
        Picture.Width < Picture.Height ? Picture.Width : Picture.Height;
    Width = Picture.Width * Model.resize / Shorter;
    Height = Picture.Height * Model.resize / Shorter;
    if (Width < Model.width || Height < Model.height)
      return Error.set("image too small: expected at least %lld x %lld pixels "
                       "after resizing, found %lld x %lld",
                       static_cast<long long>(Model.width),
                       static_cast<long long>(Model.height),
                       static_cast<long long>(Width),
                       static_cast<long long>(Height));
  }
  Image Window;
  if (!resample(Picture, Model.bicubic ? Filter::Bicubic : Filter::Bilinear,
                {Width, roundedHalf(Width - Model.width), Model.width},
                {Height, roundedHalf(Height - Model.height), Model.height},
                Window, Error))
    return false;

  int64_t NumPixels = Model.width * Model.height;
  for (int64_t C = 0; C < Model.channels; ++C) {
    const uint8_t *From =
        Window.Samples.data() + (Window.Channels == 3 ? C : 0);
    float *To = Input + C * NumPixels;
    for (int64_t I = 0; I < NumPixels; ++I)
      To[I] = (From[I * Window.Channels] / 255.0f - Model.mean[C]) /
              Model.std_dev[C];
  }
  return true;
}
