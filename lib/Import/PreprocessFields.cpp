//===- PreprocessFields.cpp - What goes into a model and what comes out ---===//

#include "SpecFields.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Path.h"

#include <limits>

using namespace mlir;
using namespace mlir::moe;

std::string moe::resolvePath(StringRef folder, StringRef path) {
  if (llvm::sys::path::is_absolute(path))
    return path.str();
  SmallString<256> resolved(folder);
  llvm::sys::path::append(resolved, path);
  return resolved.str().str();
}

/// The lines of a file of labels; nothing after an error.
static std::vector<std::string> readLabelsFile(SpecContext &context,
                                               StringRef path) {
  std::unique_ptr<llvm::MemoryBuffer> buffer =
      openInputFile(path, maxLabelsBytes, context.sink);
  if (!buffer) {
    context.failed = true;
    return {};
  }
  context.otherFiles.push_back(path.str());
  StringRef text = buffer->getBuffer();
  text.consume_front("\xef\xbb\xbf");
  std::vector<std::string> labels;
  while (!text.empty()) {
    StringRef line;
    std::tie(line, text) = text.split('\n');
    line.consume_back("\r");
    const auto *begin = reinterpret_cast<const llvm::UTF8 *>(line.data());
    const char *problem =
        line.contains('\0') ? "expected a label, found a NUL byte"
        : !llvm::isLegalUTF8String(&begin, begin + line.size())
            ? "expected UTF-8"
        : labels.size() == size_t(maxClasses) ? "expected no more lines"
                                              : nullptr;
    if (problem) {
      reportError(context.sink, path,
                  ("line " + llvm::Twine(labels.size() + 1)).str(), problem);
      context.failed = true;
      return {};
    }
    labels.push_back(line.str());
  }
  return labels;
}

void moe::readLabels(SpecContext &context, FieldReader &fields,
                     StringRef folder, ModelSpec &spec) {
  const JsonValue *value = fields.get("labels");
  if (!value || context.failed)
    return;
  std::string source;
  if (value->kind == JsonScalar::Kind::String) {
    if (value->text.empty())
      return fields.error("labels", "expected a file or a list of labels, "
                                    "found an empty string");
    spec.labels = readLabelsFile(context, resolvePath(folder, value->text));
    source = " in " + quoteForMessage(value->text);
  } else if (value->kind == JsonScalar::Kind::Array) {
    for (size_t i = 0, e = value->items.size(); i != e; ++i) {
      const JsonValue &label = value->items[i];
      if (label.kind != JsonScalar::Kind::String ||
          StringRef(label.text).contains('\0'))
        return context.error(jsonElementPath(fields.pathOf("labels"), i),
                             "expected a string without NUL, found " +
                                 label.describe());
      spec.labels.push_back(label.text);
    }
  } else {
    return fields.error("labels",
                        "expected a file or a list of labels, found " +
                            value->describe());
  }
  if (spec.labels.size() != size_t(spec.numClasses))
    fields.error("labels", "expected " + llvm::Twine(spec.numClasses) +
                               " labels (num_classes), found " +
                               llvm::Twine(spec.labels.size()) + source);
}

/// A list of a number per channel.
static std::vector<float> readPerChannel(SpecContext &context,
                                         FieldReader &fields, StringRef key,
                                         int64_t numChannels, float fallback,
                                         StringRef expected, double min) {
  const JsonValue *value = fields.get(key);
  std::vector<float> numbers(numChannels, fallback);
  if (!value)
    return numbers;
  std::string path = fields.pathOf(key);
  if (value->kind != JsonScalar::Kind::Array ||
      value->items.size() != size_t(numChannels)) {
    context.error(path, "expected a list of " + llvm::Twine(numChannels) +
                            " numbers (num_channels), found " +
                            value->describe() +
                            (value->kind == JsonScalar::Kind::Array
                                 ? " of " + std::to_string(value->items.size())
                                 : ""));
    return numbers;
  }
  for (int64_t i = 0; i != numChannels; ++i)
    numbers[i] = static_cast<float>(fields.asNumber(
        value->items[i], jsonElementPath(path, i), expected, min));
  return numbers;
}

void moe::readPreprocess(SpecContext &context, const JsonValue *object,
                         ModelSpec &spec) {
  static const JsonValue empty;
  FieldReader fields(context, object ? *object : empty, "preprocess");
  PreprocessSpec &preprocess = spec.preprocess;

  const JsonValue *whole = fields.get("resize");
  if (whole && whole->kind == JsonScalar::Kind::Array) {
    auto [height, width] = fields.size("resize", maxImageSize);
    if (height < spec.imageHeight || width < spec.imageWidth)
      fields.error("resize", "expected at least image_size, " +
                                 llvm::Twine(spec.imageHeight) + " x " +
                                 llvm::Twine(spec.imageWidth) + ", found " +
                                 llvm::Twine(height) + " x " +
                                 llvm::Twine(width));
    preprocess.squash = {height, width};
  } else if (whole) {
    // The shorter side of an image may be either one, and the crop must fit.
    int64_t side = std::max(spec.imageHeight, spec.imageWidth);
    int64_t resize = fields.integer("resize", 1, maxImageSize);
    if (resize < side)
      fields.error("resize", "expected at least " + llvm::Twine(side) +
                                 " (image_size), found " + llvm::Twine(resize));
    preprocess.resize = resize;
  }
  static const std::pair<StringRef, bool> interpolations[] = {
      {"bilinear", false}, {"bicubic", true}};
  preprocess.bicubic =
      fields.choice<bool>("interpolation", interpolations).value_or(false);
  preprocess.mean =
      readPerChannel(context, fields, "mean", spec.numChannels, 0.0f,
                     "a finite number", std::numeric_limits<double>::lowest());
  // Not so small that its inverse is no float.
  preprocess.std =
      readPerChannel(context, fields, "std", spec.numChannels, 1.0f,
                     "a finite number above 0", double(FLT_MIN));
  fields.rejectUnknown();
}
