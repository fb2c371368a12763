//===- ModelSpec.cpp - The specification of a model -----------------------===//

#include "moe/Import/ModelSpec.h"

#include "InputFile.h"
#include "Json.h"
#include "moe/Import/ModelWeights.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::moe;

//===----------------------------------------------------------------------===//
// Limits
//===----------------------------------------------------------------------===//

// Far beyond any model; with them no product of sizes leaves an int64_t, and a
// specification cannot ask for more memory than its file and weights justify.
static constexpr int64_t maxImageSize = 16384;
static constexpr int64_t maxChannels = 1024;
static constexpr int64_t maxTokens = 65536;
static constexpr int64_t maxHiddenSize = 65536;
static constexpr int64_t maxIntermediateSize = 262144;
static constexpr int64_t maxLayers = 4096;
static constexpr int64_t maxClasses = 1000000;
static constexpr int64_t maxExperts = 4096;
static constexpr int64_t maxTotalExperts = 65536;
static constexpr int64_t maxParameters = int64_t(1) << 40;
static constexpr size_t maxNameLength = 200;
static constexpr uint64_t maxSpecBytes = 16 << 20;
static constexpr uint64_t maxLabelsBytes = 64 << 20;

//===----------------------------------------------------------------------===//
// ModelSpec
//===----------------------------------------------------------------------===//

bool ModelSpec::isMoELayer(int64_t block) const {
  return moe && llvm::binary_search(moe->layers, block);
}

int64_t ModelSpec::expertCapacity() const {
  int64_t tokens = numTokens();
  if (!moe->capacityFactor)
    return tokens;
  // Doubles, left to right: so says the format.
  double capacity = std::ceil(*moe->capacityFactor * double(tokens) *
                              double(moe->topK) / double(moe->numExperts));
  // Clamped first: the product may be beyond any integer.
  auto limit = static_cast<int64_t>(std::clamp(capacity, 1.0, double(tokens)));
  int64_t multiple = moe->capacityMultipleOf;
  return std::min(tokens, (limit + multiple - 1) / multiple * multiple);
}

std::string moe::makeCIdentifier(StringRef text) {
  static const llvm::StringSet<> keywords = {
      // C99
      "auto", "break", "case", "char", "const", "continue", "default", "do",
      "double", "else", "enum", "extern", "float", "for", "goto", "if",
      "inline", "int", "long", "register", "restrict", "return", "short",
      "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
      "unsigned", "void", "volatile", "while", "_Bool", "_Complex",
      "_Imaginary",
      // C11
      "_Alignas", "_Alignof", "_Atomic", "_Generic", "_Noreturn",
      "_Static_assert", "_Thread_local"};
  std::string name;
  for (char c : text) {
    // The further bytes of a UTF-8 character: its first one became the `_`.
    if ((c & 0xc0) == 0x80)
      continue;
    name += llvm::isAlnum(c) ? c : '_';
  }
  if (!name.empty() && (llvm::isDigit(name.front()) || keywords.contains(name)))
    name.insert(name.begin(), '_');
  return name;
}

//===----------------------------------------------------------------------===//
// Reading fields
//===----------------------------------------------------------------------===//

namespace {
/// What all readers of one file share: only the first error is reported.
struct SpecContext {
  StringRef file;
  InputErrorSink sink;
  /// A file with a `model_type` may have fields that mean nothing to us.
  bool ignoreUnknown = false;
  bool failed = false;

  void error(StringRef where, const llvm::Twine &message) {
    if (!failed)
      reportError(sink, file, where, message);
    failed = true;
  }
};

/// Reads the fields of one object. After an error all functions go on with
/// values within their limits; the caller asks `context.failed` at the end.
class FieldReader {
public:
  FieldReader(SpecContext &context, const JsonValue &object, std::string path)
      : context(context), object(object), path(std::move(path)) {}

  std::string pathOf(StringRef key) const { return jsonMemberPath(path, key); }
  void error(StringRef key, const llvm::Twine &message) {
    context.error(pathOf(key), message);
  }

  /// The value of a field, or null.
  const JsonValue *get(StringRef key) {
    if (!llvm::is_contained(known, key))
      known.push_back(key);
    return object.find(key);
  }

  int64_t asInteger(const JsonValue &value, StringRef where, int64_t min,
                    int64_t max) {
    if (value.kind == JsonScalar::Kind::Integer && value.integer >= min &&
        value.integer <= max)
      return value.integer;
    context.error(where, "expected an integer from " + llvm::Twine(min) +
                             " to " + llvm::Twine(max) + ", found " +
                             value.describe());
    return min;
  }

  int64_t integer(StringRef key, int64_t min, int64_t max,
                  std::optional<int64_t> fallback = std::nullopt) {
    if (const JsonValue *value = get(key))
      return asInteger(*value, pathOf(key), min, max);
    if (!fallback)
      error(key, "missing; expected an integer from " + llvm::Twine(min) +
                     " to " + llvm::Twine(max));
    return fallback.value_or(min);
  }

  /// An integer, or a list [height, width].
  std::pair<int64_t, int64_t> size(StringRef key, int64_t max) {
    const JsonValue *value = get(key);
    if (!value) {
      error(key, "missing; expected an integer or [height, width]");
      return {1, 1};
    }
    if (value->kind == JsonScalar::Kind::Array) {
      if (value->items.size() == 2)
        return {
            asInteger(value->items[0], jsonElementPath(pathOf(key), 0), 1, max),
            asInteger(value->items[1], jsonElementPath(pathOf(key), 1), 1,
                      max)};
      error(key, "expected an integer or [height, width], found a list of " +
                     llvm::Twine(value->items.size()));
      return {1, 1};
    }
    if (value->kind != JsonScalar::Kind::Integer) {
      error(key, "expected an integer or [height, width], found " +
                     value->describe());
      return {1, 1};
    }
    int64_t side = asInteger(*value, pathOf(key), 1, max);
    return {side, side};
  }

  bool boolean(StringRef key, bool fallback) {
    const JsonValue *value = get(key);
    if (!value)
      return fallback;
    if (value->kind != JsonScalar::Kind::Bool)
      error(key, "expected true or false, found " + value->describe());
    return value->boolean;
  }

  /// A number that is finite as a float too.
  double asNumber(const JsonValue &value, StringRef where, StringRef expected,
                  double min) {
    if (value.isNumber() && value.number >= min &&
        std::abs(value.number) <= FLT_MAX)
      return value.number;
    context.error(where,
                  "expected " + expected + ", found " + value.describe());
    return 1;
  }

  std::optional<std::string> string(StringRef key) {
    const JsonValue *value = get(key);
    if (!value)
      return std::nullopt;
    if (value->kind == JsonScalar::Kind::String)
      return value->text;
    error(key, "expected a string, found " + value->describe());
    return std::nullopt;
  }

  /// One of `choices` by name; nothing if the field is absent.
  template <typename T>
  std::optional<T> choice(StringRef key,
                          ArrayRef<std::pair<StringRef, T>> choices) {
    const JsonValue *value = get(key);
    if (!value)
      return std::nullopt;
    std::string names;
    for (const auto &[name, result] : choices) {
      if (value->kind == JsonScalar::Kind::String && value->text == name)
        return result;
      names += (names.empty() ? "" : ", ") + quoteForMessage(name);
    }
    error(key, "expected one of " + names + ", found " + value->describe());
    return std::nullopt;
  }

  /// The object of field `key`, or null if it is absent or no object.
  const JsonValue *objectField(StringRef key) {
    const JsonValue *value = get(key);
    if (!value || value->kind == JsonScalar::Kind::Object)
      return value;
    error(key, "expected an object, found " + value->describe());
    return nullptr;
  }

  /// Reports the fields that nobody asked for.
  void rejectUnknown() {
    if (context.ignoreUnknown)
      return;
    for (StringRef key : object.keys)
      if (!llvm::is_contained(known, key))
        return error(key, "unknown field; expected one of " +
                              listForMessage(known, known.size()));
  }

private:
  SpecContext &context;
  const JsonValue &object;
  std::string path;
  SmallVector<StringRef> known;
};
} // namespace

//===----------------------------------------------------------------------===//
// Labels and preprocessing
//===----------------------------------------------------------------------===//

/// Paths in a specification are relative to its folder.
static std::string resolvePath(StringRef folder, StringRef path) {
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

static void readLabels(SpecContext &context, FieldReader &fields,
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

static void readPreprocess(SpecContext &context, const JsonValue *object,
                           ModelSpec &spec) {
  static const JsonValue empty;
  FieldReader fields(context, object ? *object : empty, "preprocess");
  PreprocessSpec &preprocess = spec.preprocess;

  if (fields.get("resize")) {
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

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// `moe.layers`: a list of block indices, {"last": n} or {"every": n}.
static void readMoELayers(SpecContext &context, FieldReader &fields,
                          int64_t numLayers, SmallVectorImpl<int64_t> &layers) {
  static constexpr StringRef forms =
      "a list of block indices, {\"last\": n} or {\"every\": n}";
  std::string path = fields.pathOf("layers");
  const JsonValue *value = fields.get("layers");
  if (!value)
    return context.error(path, "missing; expected " + forms);

  if (value->kind == JsonScalar::Kind::Array) {
    if (value->items.empty())
      return context.error(path, "expected at least one block, found none");
    std::vector<bool> seen(numLayers);
    for (size_t i = 0, e = value->items.size(); i != e; ++i) {
      std::string place = jsonElementPath(path, i);
      int64_t layer =
          fields.asInteger(value->items[i], place, 0, numLayers - 1);
      if (context.failed)
        return;
      if (seen[layer])
        return context.error(place, "expected each block once, found " +
                                        llvm::Twine(layer) + " again");
      seen[layer] = true;
    }
    for (int64_t layer = 0; layer != numLayers; ++layer)
      if (seen[layer])
        layers.push_back(layer);
    return;
  }

  if (value->kind != JsonScalar::Kind::Object)
    return context.error(path,
                         "expected " + forms + ", found " + value->describe());
  FieldReader form(context, *value, path);
  bool isLast = form.get("last"), isEvery = form.get("every");
  form.rejectUnknown();
  if (isLast == isEvery)
    return context.error(path, "expected " + forms + ", found an object with " +
                                   (isLast ? "both" : "neither"));
  // More than all blocks is an error, and so is a stride that meets none.
  int64_t n = form.integer(isLast ? "last" : "every", 1, numLayers);
  for (int64_t layer = 0; layer != numLayers; ++layer)
    if (isLast ? layer >= numLayers - n : (layer + 1) % n == 0)
      layers.push_back(layer);
}

static void readRouter(SpecContext &context, const JsonValue *object,
                       bool classToken, MoESpec &moe) {
  static const JsonValue empty;
  FieldReader fields(context, object ? *object : empty, "moe.router");
  bool patch = moe.routing == MoESpec::Routing::Patch;

  static const std::pair<StringRef, MoESpec::Placement> placements[] = {
      {"shared", MoESpec::Placement::Shared},
      {"per_layer", MoESpec::Placement::PerLayer}};
  moe.placement = fields.choice<MoESpec::Placement>("placement", placements)
                      .value_or(patch ? MoESpec::Placement::PerLayer
                                      : MoESpec::Placement::Shared);
  if (patch && moe.placement == MoESpec::Placement::Shared)
    fields.error("placement", "expected \"per_layer\", the only one for "
                              "routing \"patch\", found \"shared\"");

  static const std::pair<StringRef, MoESpec::RouterInput> inputs[] = {
      {"cls", MoESpec::RouterInput::Cls}, {"mean", MoESpec::RouterInput::Mean}};
  if (auto input = fields.choice<MoESpec::RouterInput>("input", inputs)) {
    if (patch)
      fields.error("input", "expected no such field with routing \"patch\", "
                            "where each token is routed");
    if (*input == MoESpec::RouterInput::Cls && !classToken)
      fields.error("input", "expected \"mean\" for a model without a class "
                            "token, found \"cls\"");
    moe.routerInput = *input;
  } else {
    moe.routerInput =
        classToken ? MoESpec::RouterInput::Cls : MoESpec::RouterInput::Mean;
  }

  moe.routerBias = fields.boolean("bias", false);
  moe.normalize = fields.boolean("normalize", false);
  moe.batchPriority = fields.boolean("batch_priority", false);
  if (moe.batchPriority && !patch)
    fields.error("batch_priority", "expected false with routing \"image\", "
                                   "which has no capacity, found true");
  fields.rejectUnknown();
}

static MoESpec readMoE(SpecContext &context, const JsonValue &object,
                       const ModelSpec &spec) {
  FieldReader fields(context, object, "moe");
  MoESpec moe;
  readMoELayers(context, fields, spec.numLayers, moe.layers);
  moe.numExperts = fields.integer("num_experts", 1, maxExperts);
  moe.topK = fields.integer("top_k", 1, maxExperts, 1);
  if (moe.topK > moe.numExperts)
    fields.error("top_k", "expected at most " + llvm::Twine(moe.numExperts) +
                              " (num_experts), found " + llvm::Twine(moe.topK));
  if (int64_t(moe.layers.size()) * moe.numExperts > maxTotalExperts)
    fields.error("num_experts", "expected at most " +
                                    llvm::Twine(maxTotalExperts) +
                                    " experts in all blocks, found " +
                                    llvm::Twine(moe.layers.size()) + " x " +
                                    llvm::Twine(moe.numExperts));

  static const std::pair<StringRef, MoESpec::Routing> routings[] = {
      {"image", MoESpec::Routing::Image}, {"patch", MoESpec::Routing::Patch}};
  moe.routing = fields.choice<MoESpec::Routing>("routing", routings)
                    .value_or(MoESpec::Routing::Image);
  bool patch = moe.routing == MoESpec::Routing::Patch;
  readRouter(context, fields.objectField("router"), spec.classToken, moe);

  if (const JsonValue *factor = fields.get("capacity_factor")) {
    if (!patch)
      fields.error("capacity_factor",
                   "expected no such field with routing \"image\"");
    moe.capacityFactor =
        fields.asNumber(*factor, fields.pathOf("capacity_factor"),
                        "a finite number above 0", double(FLT_MIN));
  }
  moe.capacityMultipleOf =
      fields.integer("capacity_multiple_of", 1, maxTokens, 1);
  if (moe.capacityMultipleOf != 1 && !patch)
    fields.error("capacity_multiple_of",
                 "expected 1 with routing \"image\", which has no capacity, "
                 "found " +
                     llvm::Twine(moe.capacityMultipleOf));
  fields.rejectUnknown();
  return moe;
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

/// The name of a model whose specification has none: its file's stem, or for a
/// `config.json` its folder's name.
static std::string defaultName(StringRef path) {
  namespace fs = llvm::sys::path;
  if (fs::filename(path) != "config.json")
    return fs::stem(path).str();
  SmallString<256> file(path);
  if (llvm::sys::fs::make_absolute(file))
    return {};
  fs::remove_dots(file, /*remove_dot_dot=*/true);
  StringRef folder = fs::parent_path(file);
  return folder == fs::root_path(folder) ? "" : fs::filename(folder).str();
}

static void readName(FieldReader &fields, StringRef path, ModelSpec &spec) {
  std::optional<std::string> given = fields.string("name");
  spec.displayName = given ? *given : defaultName(path);
  spec.name = makeCIdentifier(spec.displayName);
  if (spec.name.empty())
    fields.error("name", given ? "expected a name, found an empty string"
                               : "missing, and the file's path gives none");
  if (spec.name.size() > maxNameLength)
    fields.error("name", "expected at most " + llvm::Twine(maxNameLength) +
                             " characters, found " +
                             llvm::Twine(spec.name.size()));
}

/// The sizes of the image and the Transformer.
static void readSizes(SpecContext &context, FieldReader &fields,
                      ModelSpec &spec) {
  std::tie(spec.imageHeight, spec.imageWidth) =
      fields.size("image_size", maxImageSize);
  std::tie(spec.patchHeight, spec.patchWidth) =
      fields.size("patch_size", maxImageSize);
  auto describe = [](int64_t height, int64_t width) {
    return std::to_string(height) + " x " + std::to_string(width);
  };
  if (spec.imageHeight % spec.patchHeight || spec.imageWidth % spec.patchWidth)
    fields.error("image_size", "expected a multiple of patch_size, " +
                                   describe(spec.patchHeight, spec.patchWidth) +
                                   ", found " +
                                   describe(spec.imageHeight, spec.imageWidth));
  spec.classToken = fields.boolean("class_token", true);
  if (!context.failed && spec.numTokens() > maxTokens)
    fields.error("patch_size", "expected at most " + llvm::Twine(maxTokens) +
                                   " tokens, found " +
                                   llvm::Twine(spec.numTokens()) +
                                   " patches and class token");

  spec.numChannels = fields.integer("num_channels", 1, maxChannels, 3);
  spec.hiddenSize = fields.integer("hidden_size", 1, maxHiddenSize);
  spec.numLayers = fields.integer("num_hidden_layers", 1, maxLayers);
  spec.numHeads = fields.integer("num_attention_heads", 1, maxHiddenSize);
  if (spec.hiddenSize % spec.numHeads)
    fields.error("num_attention_heads", "expected a divisor of hidden_size, " +
                                            llvm::Twine(spec.hiddenSize) +
                                            ", found " +
                                            llvm::Twine(spec.numHeads));
  spec.intermediateSize =
      fields.integer("intermediate_size", 1, maxIntermediateSize);
}

/// `num_classes`; a Hugging Face config has the names of the classes instead.
static int64_t readNumClasses(SpecContext &context, FieldReader &fields) {
  const JsonValue *names =
      context.ignoreUnknown ? fields.get("id2label") : nullptr;
  if (fields.get("num_classes") || !names)
    return fields.integer("num_classes", 1, maxClasses, 1000);
  int64_t count = names->items.size();
  if (names->kind != JsonScalar::Kind::Object || count < 1 ||
      count > maxClasses)
    fields.error("id2label", "expected an object of 1 to " +
                                 llvm::Twine(maxClasses) + " classes, found " +
                                 names->describe());
  return std::max<int64_t>(count, 1);
}

/// The names of layers that can have a precision of their own: those of linear
/// layers but routers, and of what they are part of. Experts of a block have
/// theirs together, since they share their code.
static llvm::StringSet<> namesOfLayers(const ModelSpec &spec) {
  llvm::StringSet<> names;
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    auto [layer, kind] = StringRef(tensor.name).rsplit('.');
    if (kind != "weight" || tensor.shape.size() < 2 ||
        layer.ends_with("router"))
      continue;
    if (size_t expert = layer.find(".experts."); expert != StringRef::npos)
      layer = layer.take_front(expert + StringRef(".experts").size());
    for (; layer != "blocks" && names.insert(layer).second &&
           layer.contains('.');)
      layer = layer.rsplit('.').first;
  }
  return names;
}

/// `precision`: a name for all layers, or an object of some layers' own.
static void readPrecision(SpecContext &context, FieldReader &fields,
                          ModelSpec &spec) {
  const JsonValue *value = fields.get("precision");
  if (!value)
    return;
  auto read = [&](const JsonValue &from, StringRef path) {
    std::optional<Precision> known;
    if (from.kind == JsonScalar::Kind::String)
      known = parsePrecision(from.text);
    if (!known)
      context.error(path, R"(expected "f32", "bf16" or "int8", found )" +
                              from.describe());
    return known;
  };
  std::string path = fields.pathOf("precision");
  if (value->kind != JsonScalar::Kind::Object) {
    spec.precision = read(*value, path);
    return;
  }
  llvm::StringSet<> names = namesOfLayers(spec);
  for (auto [name, item] : llvm::zip(value->keys, value->items)) {
    std::string place = jsonMemberPath(path, name);
    if (!names.contains(name))
      return context.error(place, "expected the name of a linear layer, or of "
                                  "what it is part of (\"blocks.0\", "
                                  "\"blocks.0.attn.qkv\", \"head\")");
    if (std::optional<Precision> precision = read(item, place))
      spec.layerPrecisions.push_back({name, *precision});
  }
}

static void readModel(SpecContext &context, const JsonValue &root,
                      StringRef path, ModelSpec &spec) {
  FieldReader fields(context, root, "");
  context.ignoreUnknown = fields.string("model_type").has_value();
  readName(fields, path, spec);
  readSizes(context, fields, spec);
  spec.qkvBias = fields.boolean("qkv_bias", true);
  static const std::pair<StringRef, ModelSpec::Activation> activations[] = {
      {"gelu", ModelSpec::Activation::Gelu},
      {"gelu_tanh", ModelSpec::Activation::GeluTanh},
      {"quick_gelu", ModelSpec::Activation::QuickGelu},
      {"relu", ModelSpec::Activation::Relu},
      {"silu", ModelSpec::Activation::Silu}};
  spec.activation =
      fields.choice<ModelSpec::Activation>("hidden_act", activations)
          .value_or(ModelSpec::Activation::Gelu);
  if (const JsonValue *eps = fields.get("layer_norm_eps"))
    spec.layerNormEps = fields.asNumber(*eps, fields.pathOf("layer_norm_eps"),
                                        "a finite number of at least 0", 0.0);

  static const std::pair<StringRef, ModelSpec::Pool> pools[] = {
      {"cls", ModelSpec::Pool::Cls}, {"mean", ModelSpec::Pool::Mean}};
  std::optional<ModelSpec::Pool> pool =
      fields.choice<ModelSpec::Pool>("pool", pools);
  if (pool == ModelSpec::Pool::Cls && !spec.classToken)
    fields.error("pool", "expected \"mean\" for a model without a class token, "
                         "found \"cls\"");
  spec.pool = pool.value_or(spec.classToken ? ModelSpec::Pool::Cls
                                            : ModelSpec::Pool::Mean);
  spec.numClasses = readNumClasses(context, fields);
  if (const JsonValue *moe = fields.objectField("moe"))
    spec.moe = readMoE(context, *moe, spec);

  StringRef folder = llvm::sys::path::parent_path(path);
  std::string weights = fields.string("weights").value_or("model.safetensors");
  if (weights.empty() || StringRef(weights).contains('\0'))
    fields.error("weights",
                 "expected a file, found " + quoteForMessage(weights));
  spec.weightsPath = resolvePath(folder, weights);
  readPreprocess(context, fields.objectField("preprocess"), spec);
  readLabels(context, fields, folder, spec);
  if (!context.failed)
    readPrecision(context, fields, spec);
  fields.rejectUnknown();

  if (context.failed)
    return;
  if (int64_t parameters = countParameters(spec); parameters >= maxParameters)
    context.error("top level", "expected a model of fewer than 2^40 "
                               "parameters, found " +
                                   llvm::Twine(parameters));
}

FailureOr<ModelSpec> moe::parseModelSpecText(StringRef text, StringRef path,
                                             InputErrorSink sink) {
  SpecContext context{path, sink};
  JsonValue root;
  auto jsonError = [&](StringRef where, StringRef message) {
    context.error(where, message);
  };
  if (!parseJson(text, root, jsonError))
    return failure();
  if (root.kind != JsonScalar::Kind::Object) {
    context.error("top level", "expected an object, found " + root.describe());
    return failure();
  }
  ModelSpec spec;
  readModel(context, root, path, spec);
  if (context.failed)
    return failure();
  return spec;
}

FailureOr<ModelSpec> moe::parseModelSpec(StringRef path, InputErrorSink sink) {
  SmallString<256> file(path);
  if (llvm::sys::fs::is_directory(path)) {
    llvm::sys::path::append(file, "config.json");
    if (!llvm::sys::fs::exists(file)) {
      reportError(sink, path, "file",
                  "expected a folder that holds config.json, found none in it");
      return failure();
    }
  }
  std::unique_ptr<llvm::MemoryBuffer> buffer =
      openInputFile(file, maxSpecBytes, sink);
  if (!buffer)
    return failure();
  return parseModelSpecText(buffer->getBuffer(), file, sink);
}
