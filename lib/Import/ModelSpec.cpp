//===- ModelSpec.cpp - The specification of a model -----------------------===//

#include "moe/Import/ModelSpec.h"

#include "HubConfig.h"
#include "moe/Import/ModelWeights.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::moe;

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

int64_t ModelSpec::slotsPerExpert() const {
  if (moe->slotsPerExpert)
    return *moe->slotsPerExpert;
  // Doubles, left to right, a half to even: so says the format.
  double slots =
      std::nearbyint(double(numTokens()) * moe->capacityFactor.value_or(1.0) /
                     double(moe->numExperts));
  // Clamped first: the product may be beyond any integer.
  return static_cast<int64_t>(std::min(slots, double(maxTokens + 1)));
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

ArrayRef<std::pair<StringRef, ActivationKind>> moe::activationNames() {
  static const std::pair<StringRef, ActivationKind> names[] = {
      {"gelu", ActivationKind::Gelu},
      {"gelu_tanh", ActivationKind::GeluTanh},
      {"quick_gelu", ActivationKind::QuickGelu},
      {"relu", ActivationKind::Relu},
      {"silu", ActivationKind::Silu},
      {"hardswish", ActivationKind::Hardswish}};
  return names;
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
  spec.numChannels = fields.integer("num_channels", 1, maxChannels, 3);
  readStem(context, fields, spec);
  std::optional<std::pair<int64_t, int64_t>> patch;
  if (!spec.stem.empty())
    patch = {1, 1};
  std::tie(spec.patchHeight, spec.patchWidth) =
      fields.size("patch_size", maxImageSize, patch);
  auto describe = [](int64_t height, int64_t width) {
    return std::to_string(height) + " x " + std::to_string(width);
  };
  MapSize map = spec.map();
  bool isWhole =
      map.height % spec.patchHeight == 0 && map.width % spec.patchWidth == 0;
  if (!isWhole && !spec.stem.empty())
    fields.error("patch_size", "expected a divisor of the stem's map, " +
                                   describe(map.height, map.width) +
                                   ", found " +
                                   describe(spec.patchHeight, spec.patchWidth));
  else if (!isWhole)
    fields.error("image_size", "expected a multiple of patch_size, " +
                                   describe(spec.patchHeight, spec.patchWidth) +
                                   ", found " +
                                   describe(spec.imageHeight, spec.imageWidth));
  readTokens(context, fields, spec);

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

/// The names of layers that can have a precision of their own: those of linear
/// layers but routers and the stem, and of what they are part of. Experts of a
/// block have theirs together, since they share their code.
static llvm::StringSet<> namesOfLayers(const ModelSpec &spec) {
  llvm::StringSet<> names;
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    auto [layer, kind] = StringRef(tensor.name).rsplit('.');
    if (kind != "weight" || tensor.shape.size() < 2 ||
        layer.ends_with("router") || layer.starts_with("stem."))
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
  spec.activation =
      fields.choice<ActivationKind>("hidden_act", activationNames())
          .value_or(ModelSpec::Activation::Gelu);
  if (const JsonValue *eps = fields.get("layer_norm_eps"))
    spec.layerNormEps = fields.asNumber(*eps, fields.pathOf("layer_norm_eps"),
                                        "a finite number of at least 0", 0.0);

  readVariants(fields, spec);
  readPoolAndHead(context, fields, spec);
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
  if (!context.parseObject(text, root))
    return failure();
  translateHubConfig(context, root, path);
  if (context.failed)
    return failure();
  ModelSpec spec;
  readModel(context, root, path, spec);
  if (context.failed)
    return failure();
  spec.files = std::move(context.otherFiles);
  spec.files.insert(spec.files.begin(), path.str());
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
