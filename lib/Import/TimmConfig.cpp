//===- TimmConfig.cpp - Configurations of timm ----------------------------===//
//
// A configuration of timm names a model of timm's own list, arguments that
// change it, and in `pretrained_cfg` what was known of its weights.
//
//===----------------------------------------------------------------------===//

#include "HubConfig.h"
#include "TimmArchitectures.h"

#include "llvm/ADT/StringMap.h"

#include <array>

using namespace mlir;
using namespace mlir::moe;

bool moe::isTimmConfig(const JsonValue &root) {
  const JsonValue *name = root.find("architecture");
  return name && name->kind == JsonScalar::Kind::String &&
         !root.find("hidden_size");
}

namespace {
class TimmReader {
public:
  TimmReader(SpecContext &context, JsonValue &root)
      : context(context), root(root), fields(context, root, ""),
        weights(readWeights()), weightFields(context, weights, weightsPath),
        arguments(readArguments()),
        argumentFields(context, arguments, "model_args") {}

  /// The specification.
  JsonValue read();

private:
  JsonValue readWeights();
  JsonValue readArguments();
  /// A field of the configuration, or else of `pretrained_cfg`.
  const JsonValue *find(StringRef key, std::string &place);

  void readArchitecture();
  /// Whether `model_args` has a value for `key`; null is none.
  bool isGiven(StringRef key) {
    const JsonValue *value = argumentFields.get(key);
    return value && value->kind != JsonScalar::Kind::Null;
  }
  void changeByArguments();
  void rejectOtherArguments();
  void readImage();
  void readPool();
  void readClasses(JsonValue &spec);
  std::optional<JsonValue> readLabels();
  JsonValue readPreprocess();
  double readCropFraction();

  SpecContext &context;
  JsonValue &root;
  FieldReader fields;
  /// `pretrained_cfg`; old files have its fields at the top.
  std::string weightsPath;
  JsonValue weights;
  FieldReader weightFields;
  JsonValue arguments;
  FieldReader argumentFields;

  TimmArguments a;
  ImageShape image{0, 0, 3};
  int64_t patchHeight = 0, patchWidth = 0;
  int64_t numClasses = 1000;
};
} // namespace

JsonValue TimmReader::readWeights() {
  const JsonValue *value = fields.objectField("pretrained_cfg");
  JsonValue result = value ? *value : root;
  weightsPath = value ? "pretrained_cfg" : "";
  dropNulls(result);
  return result;
}

JsonValue TimmReader::readArguments() {
  const JsonValue *value = fields.objectField("model_args");
  return value ? *value : jsonObject();
}

const JsonValue *TimmReader::find(StringRef key, std::string &place) {
  for (FieldReader *reader : {&fields, &weightFields})
    if (const JsonValue *value = reader->get(key)) {
      place = reader->pathOf(key);
      return value;
    }
  return nullptr;
}

void TimmReader::readArchitecture() {
  std::string name = fields.string("architecture").value_or("");
  std::optional<TimmArguments> found = findTimmArchitecture(name);
  if (found)
    a = *found;
  else
    fields.error("architecture",
                 "expected a vit, deit, deit3, flexivit or eva_large of timm "
                 "without rotary positions, gated or parallel MLPs, attention "
                 "pooling, RMSNorm and normalisation after attention, found " +
                     quoteForMessage(name));
}

void TimmReader::changeByArguments() {
  auto integer = [&](StringRef key, int64_t min, int64_t max, int64_t &value) {
    if (isGiven(key))
      value = argumentFields.integer(key, min, max);
  };
  auto boolean = [&](StringRef key, bool &value) {
    if (isGiven(key))
      value = argumentFields.boolean(key, value);
  };
  patchHeight = patchWidth = a.patchSize;
  if (isGiven("patch_size"))
    std::tie(patchHeight, patchWidth) =
        argumentFields.size("patch_size", maxImageSize);
  integer("embed_dim", 1, maxHiddenSize, a.embedDim);
  integer("depth", 1, maxLayers, a.depth);
  integer("num_heads", 1, maxHiddenSize, a.numHeads);
  integer("reg_tokens", 0, maxRegisterTokens, a.numRegisterTokens);
  if (isGiven("mlp_ratio"))
    a.mlpRatio = argumentFields.asNumber(*argumentFields.get("mlp_ratio"),
                                         argumentFields.pathOf("mlp_ratio"),
                                         "a number above 0", double(FLT_MIN));
  boolean("qkv_bias", a.qkvBias);
  boolean("qk_norm", a.qkNorm);
  boolean("class_token", a.classToken);
  boolean("no_embed_class", a.noEmbedClass);
  boolean("pre_norm", a.preNorm);
  boolean("pool_include_prefix", a.poolIncludesPrefix);
  if (isGiven("fc_norm"))
    a.fcNorm = argumentFields.boolean("fc_norm", false);
  // The layer exists if the value is neither None nor 0.
  if (const JsonValue *value = argumentFields.get("init_values"))
    a.layerScale =
        value->kind != JsonScalar::Kind::Null &&
        argumentFields.asNumber(*value, argumentFields.pathOf("init_values"),
                                "a number or null", -double(FLT_MAX)) != 0;
  static const std::pair<StringRef, StringRef> activations[] = {
      {"gelu", "gelu"},           {"gelu_tanh", "gelu_tanh"},
      {"relu", "relu"},           {"quick_gelu", "quick_gelu"},
      {"silu", "silu"},           {"swish", "silu"},
      {"quickgelu", "quick_gelu"}};
  if (isGiven("act_layer"))
    if (auto activation =
            argumentFields.choice<StringRef>("act_layer", activations))
      a.activation = *activation;
  rejectOtherArguments();
}

void TimmReader::rejectOtherArguments() {
  // What training alone has, and what readImage, readPool and readClasses read.
  static const StringRef harmless[] = {
      "drop_rate",       "pos_drop_rate",    "patch_drop_rate",
      "proj_drop_rate",  "attn_drop_rate",   "drop_path_rate",
      "weight_init",     "fix_init",         "img_size",
      "in_chans",        "num_classes",      "global_pool",
      "strict_img_size", "dynamic_img_size", "dynamic_img_pad"};
  // Values that change nothing.
  static const std::pair<StringRef, bool> fixed[] = {{"final_norm", true},
                                                     {"proj_bias", true},
                                                     {"scale_attn_norm", false},
                                                     {"scale_mlp_norm", false}};
  for (StringRef key : harmless)
    argumentFields.get(key);
  for (auto [key, value] : fixed)
    if (isGiven(key) && argumentFields.boolean(key, value) != value)
      argumentFields.error(key, llvm::Twine("expected ") +
                                    (value ? "true" : "false") + ", found " +
                                    (value ? "false" : "true"));
  static const std::pair<StringRef, bool> norms[] = {{"layernorm", true}};
  // By this name it is timm's own, whatever the family has.
  if (isGiven("norm_layer") && argumentFields.choice<bool>("norm_layer", norms))
    a.layerNormEps = 1e-6;
  static const std::pair<StringRef, bool> positions[] = {{"learn", true}};
  if (isGiven("pos_embed"))
    argumentFields.choice<bool>("pos_embed", positions);
  argumentFields.rejectUnknown();
}

void TimmReader::readImage() {
  std::string place;
  image.height = image.width = a.imageSize;
  if (const JsonValue *value = find("input_size", place)) {
    if (value->kind != JsonScalar::Kind::Array || value->items.size() != 3)
      return context.error(place, "expected [channels, height, width], found " +
                                      value->describe());
    int64_t *sizes[] = {&image.channels, &image.height, &image.width};
    for (int i = 0; i != 3; ++i)
      *sizes[i] = fields.asInteger(value->items[i], jsonElementPath(place, i),
                                   1, i == 0 ? maxChannels : maxImageSize);
  }
  if (isGiven("img_size"))
    std::tie(image.height, image.width) =
        argumentFields.size("img_size", maxImageSize);
  if (isGiven("in_chans"))
    image.channels = argumentFields.integer("in_chans", 1, maxChannels);
}

void TimmReader::readPool() {
  static const std::pair<StringRef, StringRef> pools[] = {
      {"token", "token"}, {"avg", "avg"}, {"max", "max"}, {"avgmax", "avgmax"}};
  for (FieldReader *reader : {&argumentFields, &fields, &weightFields}) {
    const JsonValue *value = reader->get("global_pool");
    if (!value || value->kind == JsonScalar::Kind::Null)
      continue;
    if (auto pool = reader->choice<StringRef>("global_pool", pools))
      a.globalPool = *pool;
    if (a.distilled && a.globalPool != "token")
      reader->error("global_pool", "expected \"token\" for a model with a "
                                   "distillation token");
    return;
  }
}

std::optional<JsonValue> TimmReader::readLabels() {
  std::string place, descriptionsPlace;
  const JsonValue *names = find("label_names", place);
  if (!names)
    return std::nullopt;
  const JsonValue *descriptions = find("label_descriptions", descriptionsPlace);
  JsonValue labels = *names;
  if (names->kind == JsonScalar::Kind::Object) {
    auto list = readIndexedLabels(context, *names, place, numClasses,
                                  /*mayHaveHoles=*/true);
    if (!list)
      return std::nullopt;
    labels = std::move(*list);
  } else if (names->kind != JsonScalar::Kind::Array ||
             names->items.size() != size_t(numClasses)) {
    context.error(place, "expected " + llvm::Twine(numClasses) +
                             " names (num_classes), found " +
                             names->describe() +
                             (names->kind == JsonScalar::Kind::Array
                                  ? " of " + std::to_string(names->items.size())
                                  : ""));
    return std::nullopt;
  }
  if (!descriptions || descriptions->kind != JsonScalar::Kind::Object)
    return labels;
  llvm::StringMap<const JsonValue *> byName;
  for (auto [name, text] : llvm::zip(descriptions->keys, descriptions->items))
    if (text.kind == JsonScalar::Kind::String)
      byName[name] = &text;
  for (JsonValue &label : labels.items)
    if (const JsonValue *text = byName.lookup(label.text))
      label = *text;
  return labels;
}

void TimmReader::readClasses(JsonValue &spec) {
  std::string place;
  const JsonValue *count =
      isGiven("num_classes") ? argumentFields.get("num_classes") : nullptr;
  if (count)
    place = argumentFields.pathOf("num_classes");
  else
    count = find("num_classes", place);
  if (count)
    numClasses = fields.asInteger(*count, place, 0, maxClasses);
  if (numClasses == 0) {
    setMember(spec, "head", jsonString("none"));
    // timm then takes the mean of both tokens.
    if (a.distilled)
      context.error(place, "expected at least 1 for a model with a "
                           "distillation token, found 0");
    return;
  }
  setMember(spec, "num_classes", jsonValue(numClasses));
  if (root.find("labels"))
    return;
  if (std::optional<JsonValue> labels = readLabels())
    setMember(spec, "labels", std::move(*labels));
}

double TimmReader::readCropFraction() {
  const JsonValue *value = weightFields.get("crop_pct");
  if (!value)
    return 0.875;
  std::string place = weightFields.pathOf("crop_pct");
  double fraction =
      weightFields.asNumber(*value, place, "a number above 0", double(FLT_MIN));
  // timm surrounds the image with black then.
  if (fraction > 1)
    context.error(place, "expected at most 1, found " + value->describe());
  return fraction;
}

JsonValue TimmReader::readPreprocess() {
  JsonValue preprocess = jsonObject();
  static const std::pair<StringRef, StringRef> interpolations[] = {
      {"bilinear", "bilinear"}, {"bicubic", "bicubic"}};
  setMember(
      preprocess, "interpolation",
      jsonString(weightFields.choice<StringRef>("interpolation", interpolations)
                     .value_or("bicubic")));
  double fraction = readCropFraction();
  auto enlarge = [&](int64_t side) {
    return static_cast<int64_t>(
        std::min(std::floor(double(side) / fraction), 1e9));
  };
  int64_t height = enlarge(image.height), width = enlarge(image.width);
  static const std::pair<StringRef, bool> modes[] = {{"center", false},
                                                     {"squash", true}};
  bool squash = weightFields.choice<bool>("crop_mode", modes).value_or(false);
  if (height > maxImageSize || width > maxImageSize)
    weightFields.error("crop_pct", "expected an image of at most " +
                                       llvm::Twine(maxImageSize) +
                                       " pixels a side before the crop");
  else if (squash)
    setSquash(preprocess, height, width, image);
  else if (height != width)
    weightFields.error("crop_mode", "expected \"squash\" for an image that is "
                                    "not square, found \"center\"");
  else
    setMember(preprocess, "resize", jsonValue(height));

  // Without any, ImageNet's, which are of three channels.
  static const std::pair<StringRef, std::array<double, 3>> statistics[] = {
      {"mean", {0.485, 0.456, 0.406}}, {"std", {0.229, 0.224, 0.225}}};
  for (const auto &[key, values] : statistics) {
    const JsonValue *value = weightFields.get(key);
    if (value && value->kind == JsonScalar::Kind::Array &&
        int64_t(value->items.size()) != image.channels)
      weightFields.error(key, "expected " + llvm::Twine(image.channels) +
                                  " numbers, one for each channel, found " +
                                  llvm::Twine(value->items.size()));
    else if (value)
      setMember(preprocess, key, *value);
    else if (image.channels == 3)
      setMember(preprocess, key,
                jsonList({jsonValue(values[0]), jsonValue(values[1]),
                          jsonValue(values[2])}));
  }
  return preprocess;
}

JsonValue TimmReader::read() {
  JsonValue spec = jsonObject();
  readArchitecture();
  if (context.failed)
    return spec;
  changeByArguments();
  readImage();
  readPool();

  // Fields of our own, in a file that somebody has extended: those that say
  // nothing of the model.
  for (StringRef key : {"name", "weights", "labels", "preprocess", "precision"})
    if (const JsonValue *value = root.find(key))
      setMember(spec, key, *value);
  for (StringRef key :
       {"moe", "stem", "head", "pool", "hidden_act", "layer_norm_eps",
        "distillation_token", "distillation_head", "num_register_tokens",
        "layer_scale", "image_size", "patch_size"})
    if (root.find(key))
      fields.error(key,
                   "expected no such field beside architecture; model_args "
                   "change a model of timm");
  auto set = [&](StringRef key, auto value) {
    setMember(spec, key, jsonValue(value));
  };
  setMember(spec, "image_size",
            jsonList({jsonValue(image.height), jsonValue(image.width)}));
  setMember(spec, "patch_size",
            jsonList({jsonValue(patchHeight), jsonValue(patchWidth)}));
  set("num_channels", image.channels);
  set("hidden_size", a.embedDim);
  set("num_hidden_layers", a.depth);
  set("num_attention_heads", a.numHeads);
  set("intermediate_size",
      static_cast<int64_t>(std::min(double(a.embedDim) * a.mlpRatio, 1e9)));
  set("qkv_bias", a.qkvBias);
  setMember(spec, "hidden_act", jsonString(a.activation));
  set("layer_norm_eps", a.layerNormEps);
  set("class_token", a.classToken);
  set("distillation_token", a.distilled);
  set("num_register_tokens", a.numRegisterTokens);
  set("no_embed_class", a.noEmbedClass);
  set("layer_scale", a.layerScale);
  set("qk_norm", a.qkNorm);
  set("pre_norm", a.preNorm);
  // timm's patch embedding has no bias before a LayerNorm.
  set("patch_bias", !a.preNorm);
  bool isToken = a.globalPool == "token";
  set("fc_norm", a.fcNorm.value_or(!isToken));
  setMember(spec, "pool",
            jsonString(isToken                 ? "cls"
                       : a.globalPool == "avg" ? "mean"
                                               : a.globalPool));
  // Which timm does not look at for the class token.
  set("pool_include_prefix", a.poolIncludesPrefix && !isToken);
  readClasses(spec);
  if (!context.failed && !root.find("preprocess"))
    setMember(spec, "preprocess", readPreprocess());
  return spec;
}

void moe::translateTimmConfig(SpecContext &context, JsonValue &root) {
  dropNulls(root);
  root = TimmReader(context, root).read();
}
