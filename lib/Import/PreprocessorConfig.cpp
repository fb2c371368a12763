//===- PreprocessorConfig.cpp - transformers' image processors ------------===//

#include "HubConfig.h"

#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace mlir::moe;

static constexpr StringRef kFileName = "preprocessor_config.json";

namespace {
/// `size` or `crop_size`.
struct SizeField {
  /// 0: see `shortestEdge`.
  int64_t height = 0, width = 0;
  int64_t shortestEdge = 0;
};

class ProcessorReader {
public:
  ProcessorReader(SpecContext &context, const JsonValue &root, bool isDeiT,
                  ImageShape image)
      : context(context), fields(context, root, ""), isDeiT(isDeiT),
        image(image) {}

  JsonValue read();

private:
  void readType();
  SizeField readSize(StringRef key, int64_t fallback);
  void readGeometry(JsonValue &preprocess);
  /// A number for each channel, or one for all.
  std::vector<double> readPerChannel(StringRef key);
  void readNormalization(JsonValue &preprocess);

  SpecContext &context;
  FieldReader fields;
  bool isDeiT;
  ImageShape image;
};
} // namespace

/// The classes differ in their defaults, and others also in what an integer
/// means.
void ProcessorReader::readType() {
  StringRef key = fields.get("image_processor_type") ? "image_processor_type"
                                                     : "feature_extractor_type";
  std::optional<std::string> name = fields.string(key);
  if (!name)
    return;
  StringRef type = *name;
  type.consume_back("Fast") || type.consume_back("Pil");
  isDeiT = type == "DeiTImageProcessor" || type == "DeiTFeatureExtractor";
  if (!isDeiT && type != "ViTImageProcessor" && type != "ViTFeatureExtractor")
    fields.error(key, "expected a processor of ViT or DeiT (give `preprocess` "
                      "in the model's config.json for another), found " +
                          quoteForMessage(*name));
}

SizeField ProcessorReader::readSize(StringRef key, int64_t fallback) {
  const JsonValue *value = fields.get(key);
  if (!value)
    return {fallback, fallback, 0};
  if (value->kind == JsonScalar::Kind::Integer) {
    int64_t side = fields.integer(key, 1, maxImageSize);
    return {side, side, 0};
  }
  SizeField size;
  auto expected = [&](const llvm::Twine &found) {
    fields.error(key, "expected an integer, height and width, or a "
                      "shortest_edge, found " +
                          found);
    return SizeField{1, 1, 0};
  };
  if (value->kind != JsonScalar::Kind::Object)
    return expected(value->describe());
  JsonValue given = *value;
  dropNulls(given);
  FieldReader edges(context, given, fields.pathOf(key));
  for (StringRef edge : given.keys)
    if (edge != "height" && edge != "width" && edge != "shortest_edge")
      return expected(quoteForMessage(edge));
  if (edges.get("shortest_edge")) {
    if (given.items.size() > 1)
      return expected("both");
    size.shortestEdge = edges.integer("shortest_edge", 1, maxImageSize);
    return size;
  }
  size.height = edges.integer("height", 1, maxImageSize);
  size.width = edges.integer("width", 1, maxImageSize);
  return size;
}

void ProcessorReader::readGeometry(JsonValue &preprocess) {
  if (!fields.boolean("do_resize", true))
    return fields.error("do_resize", "expected true, since images have any "
                                     "size, found false");
  SizeField size = readSize("size", isDeiT ? 256 : 224);
  bool crops = fields.boolean("do_center_crop", isDeiT);
  SizeField crop = crops ? readSize("crop_size", 224) : size;
  if (context.failed)
    return;
  StringRef last = crops ? "crop_size" : "size";
  if (crop.height != image.height || crop.width != image.width)
    return fields.error(
        last, "expected the model's image_size, " + llvm::Twine(image.height) +
                  " x " + llvm::Twine(image.width) + ", found " +
                  (crop.shortestEdge ? "a shortest_edge"
                                     : std::to_string(crop.height) + " x " +
                                           std::to_string(crop.width)));
  // transformers would surround a smaller image with zeros.
  bool isSmaller = size.shortestEdge
                       ? size.shortestEdge < std::max(crop.height, crop.width)
                       : size.height < crop.height || size.width < crop.width;
  if (isSmaller)
    return fields.error("size", "expected no less than crop_size, found less");
  if (size.shortestEdge)
    setMember(preprocess, "resize", jsonValue(size.shortestEdge));
  else
    setSquash(preprocess, size.height, size.width, image);
}

std::vector<double> ProcessorReader::readPerChannel(StringRef key) {
  std::vector<double> values(image.channels, 0.5);
  const JsonValue *value = fields.get(key);
  if (!value)
    return values;
  std::string path = fields.pathOf(key);
  bool isList = value->kind == JsonScalar::Kind::Array;
  if (isList && value->items.size() != values.size()) {
    fields.error(key, "expected a number for each of " +
                          llvm::Twine(values.size()) + " channels, found " +
                          llvm::Twine(value->items.size()));
    return values;
  }
  for (size_t i = 0; i != values.size(); ++i)
    values[i] =
        fields.asNumber(isList ? value->items[i] : *value,
                        isList ? jsonElementPath(path, i) : path,
                        "a finite number or a list of them", -double(FLT_MAX));
  return values;
}

void ProcessorReader::readNormalization(JsonValue &preprocess) {
  // A pixel becomes (factor * pixel - mean) / deviation; a specification's
  // values are for pixels from 0 to 1.
  double factor = 1;
  if (fields.boolean("do_rescale", true)) {
    factor = 1.0 / 255;
    if (const JsonValue *value = fields.get("rescale_factor"))
      factor = fields.asNumber(*value, "rescale_factor",
                               "a finite number above 0", double(FLT_MIN));
  }
  std::vector<double> mean(image.channels, 0), deviation(image.channels, 1);
  if (fields.boolean("do_normalize", true)) {
    mean = readPerChannel("image_mean");
    deviation = readPerChannel("image_std");
  }
  // 1 / 255 is written with some of its digits; the values stay as they are.
  double range = 255 * factor;
  if (std::abs(range - 1) < 1e-6)
    range = 1;
  std::vector<JsonValue> means, deviations;
  for (int64_t i = 0; i != image.channels; ++i) {
    means.push_back(jsonValue(mean[i] / range));
    deviations.push_back(jsonValue(deviation[i] / range));
    if (!(deviation[i] / range >= FLT_MIN && deviation[i] / range <= FLT_MAX &&
          std::abs(mean[i] / range) <= FLT_MAX))
      fields.error("image_std", "expected numbers above 0 that leave the "
                                "pixels in the range of floats");
  }
  setMember(preprocess, "mean", jsonList(std::move(means)));
  setMember(preprocess, "std", jsonList(std::move(deviations)));
}

JsonValue ProcessorReader::read() {
  JsonValue preprocess = jsonObject();
  readType();
  if (!context.failed)
    readGeometry(preprocess);
  int64_t resample = fields.integer("resample", 0, 5, isDeiT ? 3 : 2);
  if (resample != 2 && resample != 3)
    fields.error("resample", "expected 2 (bilinear) or 3 (bicubic), found " +
                                 llvm::Twine(resample));
  setMember(preprocess, "interpolation",
            jsonString(resample == 3 ? "bicubic" : "bilinear"));
  readNormalization(preprocess);
  return preprocess;
}

std::optional<JsonValue> moe::readPreprocessorConfig(SpecContext &context,
                                                     StringRef folder,
                                                     bool isDeiT,
                                                     ImageShape image) {
  std::string path = resolvePath(folder, kFileName);
  if (!llvm::sys::fs::exists(path)) {
    context.sink({InputError::Severity::Warning, path, "file",
                  "missing; images are resized to the model's image_size and "
                  "not normalised"});
    return std::nullopt;
  }
  SpecContext own{path, context.sink};
  auto parse = [&]() -> std::optional<JsonValue> {
    std::unique_ptr<llvm::MemoryBuffer> buffer =
        openInputFile(path, maxSpecBytes, context.sink);
    if (!buffer)
      return std::nullopt;
    context.otherFiles.push_back(path);
    JsonValue root;
    if (!own.parseObject(buffer->getBuffer(), root))
      return std::nullopt;
    dropNulls(root);
    JsonValue preprocess = ProcessorReader(own, root, isDeiT, image).read();
    if (own.failed)
      return std::nullopt;
    return preprocess;
  };
  std::optional<JsonValue> preprocess = parse();
  context.failed |= !preprocess;
  return preprocess;
}
