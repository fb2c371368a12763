//===- HuggingFaceConfig.cpp - Configurations of transformers -------------===//
//
// ViTConfig and DeiTConfig. A specification has the names of their fields, but
// other defaults for some.
//
//===----------------------------------------------------------------------===//

#include "HubConfig.h"

#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::moe;

/// The first of `architectures`; empty if there is none.
static StringRef architectureOf(const JsonValue &root) {
  const JsonValue *list = root.find("architectures");
  if (!list || list->items.empty() ||
      list->items[0].kind != JsonScalar::Kind::String)
    return "";
  return list->items[0].text;
}

bool moe::isHuggingFaceConfig(const JsonValue &root) {
  const JsonValue *type = root.find("model_type");
  if (!type || (type->text != "vit" && type->text != "deit"))
    return false;
  StringRef architecture = architectureOf(root);
  for (StringRef family : {"ViTFor", "ViTModel", "DeiTFor", "DeiTModel"})
    if (architecture.starts_with(family))
      return true;
  return false;
}

/// The tokens and heads of the model; true if it has a head.
static bool translateArchitecture(SpecContext &context, JsonValue &root) {
  std::string name = architectureOf(root).str();
  bool withTeacher = name == "DeiTForImageClassificationWithTeacher";
  bool hasHead = name != "ViTModel" && name != "DeiTModel";
  if (hasHead && !withTeacher && name != "ViTForImageClassification" &&
      name != "DeiTForImageClassification")
    context.error("architectures[0]",
                  "expected one of \"ViTForImageClassification\", "
                  "\"ViTModel\", \"DeiTForImageClassification\", "
                  "\"DeiTForImageClassificationWithTeacher\", \"DeiTModel\", "
                  "found " +
                      quoteForMessage(name));
  // The architecture says it: nothing is overruled in silence.
  for (StringRef key : {"distillation_token", "distillation_head", "head"})
    if (root.find(key))
      context.error(key, "expected no such field beside architectures, which "
                         "say it");
  setMember(root, "distillation_token",
            jsonValue(StringRef(name).starts_with("DeiT")));
  setMember(root, "distillation_head", jsonValue(withTeacher));
  setMember(root, "head", jsonString(hasHead ? "linear" : "none"));
  return hasHead;
}

/// The field's name in a specification for that of transformers' ACT2FN.
static void translateActivation(SpecContext &context, JsonValue &root) {
  static const std::pair<StringRef, StringRef> names[] = {
      {"gelu", "gelu"},
      {"gelu_python", "gelu"},
      {"gelu_new", "gelu_tanh"},
      {"gelu_fast", "gelu_tanh"},
      {"gelu_pytorch_tanh", "gelu_tanh"},
      {"gelu_tanh", "gelu_tanh"},
      {"quick_gelu", "quick_gelu"},
      {"relu", "relu"},
      {"silu", "silu"},
      {"swish", "silu"}};
  FieldReader fields(context, root, "");
  if (auto ours = fields.choice<StringRef>("hidden_act", names))
    setMember(root, "hidden_act", jsonString(*ours));
}

/// `num_classes` and `labels` from `id2label` and `num_labels`. What is there
/// already counts.
static void translateClasses(SpecContext &context, JsonValue &root) {
  FieldReader fields(context, root, "");
  const JsonValue *names = fields.objectField("id2label");
  if (context.failed)
    return;
  if (!root.find("num_classes")) {
    int64_t count = names ? names->items.size()
                          : fields.integer("num_labels", 1, maxClasses, 2);
    if (count < 1 || count > maxClasses)
      return fields.error("id2label",
                          "expected 1 to " + llvm::Twine(maxClasses) +
                              " classes, found " + llvm::Twine(count));
    setMember(root, "num_classes", jsonValue(count));
  }
  // `root` has changed.
  names = root.find("id2label");
  const JsonValue *count = root.find("num_classes");
  if (!names || root.find("labels") ||
      count->integer != int64_t(names->items.size()))
    return;
  if (auto labels = readIndexedLabels(context, *names, "id2label",
                                      count->integer, /*mayHaveHoles=*/false))
    setMember(root, "labels", std::move(*labels));
}

void moe::translateHuggingFaceConfig(SpecContext &context, JsonValue &root,
                                     StringRef path) {
  dropNulls(root);
  // transformers' defaults; it has the others that a specification has.
  static const std::pair<StringRef, int64_t> sizes[] = {
      {"image_size", 224},        {"patch_size", 16},
      {"num_channels", 3},        {"hidden_size", 768},
      {"num_hidden_layers", 12},  {"num_attention_heads", 12},
      {"intermediate_size", 3072}};
  for (auto [key, size] : sizes)
    if (!root.find(key))
      setMember(root, key, jsonValue(size));
  if (!root.find("layer_norm_eps"))
    setMember(root, "layer_norm_eps", jsonValue(1e-12));

  translateActivation(context, root);
  if (translateArchitecture(context, root))
    translateClasses(context, root);
  if (root.find("preprocess") || context.failed)
    return;

  FieldReader fields(context, root, "");
  ImageShape image;
  std::tie(image.height, image.width) = fields.size("image_size", maxImageSize);
  image.channels = fields.integer("num_channels", 1, maxChannels);
  if (context.failed)
    return;
  auto preprocess =
      readPreprocessorConfig(context, llvm::sys::path::parent_path(path),
                             root.find("model_type")->text == "deit", image);
  if (preprocess)
    setMember(root, "preprocess", std::move(*preprocess));
}
