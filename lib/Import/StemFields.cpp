//===- StemFields.cpp - The convolutional stem of a specification ---------===//

#include "SpecFields.h"

using namespace mlir;
using namespace mlir::moe;

static std::string describe(const MapSize &map) {
  return (llvm::Twine(map.channels) + " x " + llvm::Twine(map.height) + " x " +
          llvm::Twine(map.width))
      .str();
}

/// Values of the map where its channels are in lanes of 16.
static int64_t numValues(const MapSize &map) {
  return llvm::alignTo(map.channels, 16) * map.height * map.width;
}

/// The activation of a layer: that of MLPs, or "none".
static std::optional<ActivationKind> readActivation(FieldReader &fields) {
  SmallVector<std::pair<StringRef, std::optional<ActivationKind>>> choices{
      {"none", std::nullopt}};
  llvm::append_range(choices, activationNames());
  return fields.choice<std::optional<ActivationKind>>("activation", choices)
      .value_or(std::nullopt);
}

/// Sets the size of what the layer makes of its input.
static void setOutput(FieldReader &fields, int64_t channels, StemLayer &layer) {
  auto sizeOf = [&](int64_t size, int64_t kernel, int64_t stride,
                    int64_t padding) {
    int64_t padded = size + 2 * padding;
    if (padded < kernel) {
      fields.error("kernel_size", "expected at most the padded map's " +
                                      llvm::Twine(padded) + ", found " +
                                      llvm::Twine(kernel));
      return int64_t(1);
    }
    return (padded - kernel) / stride + 1;
  };
  layer.output = {channels,
                  sizeOf(layer.input.height, layer.kernelHeight,
                         layer.strideHeight, layer.paddingHeight),
                  sizeOf(layer.input.width, layer.kernelWidth,
                         layer.strideWidth, layer.paddingWidth)};
  // The padded input is what memory is needed for, too.
  MapSize padded = layer.input;
  padded.height += 2 * layer.paddingHeight;
  padded.width += 2 * layer.paddingWidth;
  for (const MapSize &map : {padded, layer.output})
    if (numValues(map) > maxMapValues)
      fields.error("out_channels",
                   "expected maps of at most 2^28 values, found " +
                       describe(map) + " (channels in lanes of 16)");
}

/// `layers` are those before this one.
static StemLayer readLayer(SpecContext &context, const JsonValue &object,
                           std::string path, const MapSize &input,
                           ArrayRef<StemLayer> layers) {
  FieldReader fields(context, object, std::move(path));
  StemLayer layer;
  layer.input = input;
  layer.depthwise = fields.boolean("depthwise", false);
  std::optional<int64_t> channels;
  if (layer.depthwise)
    channels = input.channels;
  int64_t outputs =
      fields.integer("out_channels", 1, maxStemChannels, channels);
  if (layer.depthwise && outputs != input.channels)
    fields.error("out_channels", "expected the " + llvm::Twine(input.channels) +
                                     " channels of a depthwise layer's input, "
                                     "found " +
                                     llvm::Twine(outputs));
  std::tie(layer.kernelHeight, layer.kernelWidth) = fields.size(
      "kernel_size", maxKernelSize, std::pair<int64_t, int64_t>(3, 3));
  std::tie(layer.strideHeight, layer.strideWidth) =
      fields.size("stride", maxKernelSize, std::pair<int64_t, int64_t>(1, 1));
  std::pair<int64_t, int64_t> half((layer.kernelHeight - 1) / 2,
                                   (layer.kernelWidth - 1) / 2);
  std::tie(layer.paddingHeight, layer.paddingWidth) =
      fields.size("padding", maxKernelSize, half, /*min=*/0);
  if (layer.paddingHeight >= layer.kernelHeight ||
      layer.paddingWidth >= layer.kernelWidth)
    fields.error("padding", "expected less than kernel_size, " +
                                llvm::Twine(layer.kernelHeight) + " x " +
                                llvm::Twine(layer.kernelWidth) + ", found " +
                                llvm::Twine(layer.paddingHeight) + " x " +
                                llvm::Twine(layer.paddingWidth));
  layer.batchNorm = fields.boolean("batch_norm", true);
  layer.bias = fields.boolean("bias", !layer.batchNorm);
  if (const JsonValue *eps = fields.get("batch_norm_eps"))
    layer.batchNormEps = fields.asNumber(*eps, fields.pathOf("batch_norm_eps"),
                                         "a finite number of at least 0", 0.0);
  if (!layer.batchNorm && fields.get("batch_norm_eps"))
    fields.error("batch_norm_eps", "expected none in a layer without "
                                   "batch_norm");
  layer.activation = readActivation(fields);
  layer.residual = fields.integer("residual", 1, layers.size() + 1, 0);
  fields.rejectUnknown();
  if (context.failed)
    return layer;
  setOutput(fields, outputs, layer);
  if (layer.residual) {
    // That of this layer, or of one before it.
    MapSize start = layer.residual == 1
                        ? input
                        : layers[layers.size() + 1 - layer.residual].input;
    if (!(start == layer.output))
      fields.error("residual",
                   "expected an input of the size of this layer's output, " +
                       describe(layer.output) + ", found one of " +
                       describe(start));
  }
  return layer;
}

void moe::readStem(SpecContext &context, FieldReader &fields, ModelSpec &spec) {
  const JsonValue *value = fields.get("stem");
  if (!value || context.failed)
    return;
  std::string path = fields.pathOf("stem");
  bool isList = value->kind == JsonScalar::Kind::Array;
  size_t count = value->items.size();
  if (!isList || count < 1 || count > maxStemLayers)
    return context.error(path,
                         "expected a list of 1 to " +
                             llvm::Twine(maxStemLayers) + " layers, found " +
                             (isList ? "a list of " + std::to_string(count)
                                     : value->describe()));
  for (auto [i, item] : llvm::enumerate(value->items)) {
    std::string place = jsonElementPath(path, i);
    if (item.kind != JsonScalar::Kind::Object)
      return context.error(place,
                           "expected an object, found " + item.describe());
    StemLayer layer = readLayer(context, item, place, spec.map(), spec.stem);
    if (context.failed)
      return;
    spec.stem.push_back(layer);
  }
}
