//===- HubConfig.cpp - Configurations of others' libraries ----------------===//

#include "HubConfig.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

/// Of a folder that looks like transformers', but whose model is not known to
/// be one of its.
static void warnOfPreprocessor(SpecContext &context, StringRef path) {
  SmallString<256> file(llvm::sys::path::parent_path(path));
  llvm::sys::path::append(file, "preprocessor_config.json");
  if (llvm::sys::fs::exists(file))
    context.sink({InputError::Severity::Warning, path.str(), "architectures",
                  "preprocessor_config.json and the names of classes are not "
                  "used: expected \"ViTForImageClassification\" or another ViT "
                  "or DeiT of transformers"});
}

void moe::translateHubConfig(SpecContext &context, JsonValue &root,
                             StringRef path) {
  if (isTimmConfig(root))
    translateTimmConfig(context, root);
  else if (isHuggingFaceConfig(root))
    translateHuggingFaceConfig(context, root, path);
  else if (root.find("model_type") && !root.find("preprocess"))
    warnOfPreprocessor(context, path);
}

std::optional<JsonValue>
moe::readIndexedLabels(SpecContext &context, const JsonValue &names,
                       StringRef where, int64_t numClasses, bool mayHaveHoles) {
  std::vector<JsonValue> labels(numClasses, jsonString(""));
  std::vector<bool> seen(numClasses);
  for (const auto &[key, name] : llvm::zip(names.keys, names.items)) {
    int64_t index;
    bool isIndex = !StringRef(key).getAsInteger(10, index) && index >= 0 &&
                   index < numClasses && std::to_string(index) == key;
    if (!isIndex)
      context.error(jsonMemberPath(where, key),
                    "expected an index from 0 to " +
                        llvm::Twine(numClasses - 1));
    else if (name.kind != JsonScalar::Kind::String ||
             StringRef(name.text).contains('\0'))
      context.error(jsonMemberPath(where, key),
                    "expected a string without NUL, found " + name.describe());
    if (context.failed)
      return std::nullopt;
    labels[index] = name;
    seen[index] = true;
  }
  auto hole = llvm::find(seen, false);
  if (hole != seen.end() && !mayHaveHoles) {
    context.error(where, "expected a name for each of " +
                             llvm::Twine(numClasses) +
                             " classes, found none for " +
                             llvm::Twine(hole - seen.begin()));
    return std::nullopt;
  }
  return jsonList(std::move(labels));
}

JsonValue moe::jsonValue(int64_t value) {
  JsonValue result;
  result.kind = JsonScalar::Kind::Integer;
  result.integer = value;
  result.number = static_cast<double>(value);
  return result;
}

JsonValue moe::jsonValue(double value) {
  JsonValue result;
  result.kind = JsonScalar::Kind::Float;
  result.number = value;
  llvm::raw_string_ostream(result.text) << llvm::format("%g", value);
  return result;
}

JsonValue moe::jsonValue(bool value) {
  JsonValue result;
  result.kind = JsonScalar::Kind::Bool;
  result.boolean = value;
  return result;
}

JsonValue moe::jsonString(StringRef value) {
  JsonValue result;
  result.kind = JsonScalar::Kind::String;
  result.text = value.str();
  return result;
}

JsonValue moe::jsonList(std::vector<JsonValue> items) {
  JsonValue result;
  result.kind = JsonScalar::Kind::Array;
  result.items = std::move(items);
  return result;
}

JsonValue moe::jsonObject() {
  JsonValue result;
  result.kind = JsonScalar::Kind::Object;
  return result;
}

void moe::setMember(JsonValue &object, StringRef key, JsonValue value) {
  auto it = llvm::find(object.keys, key);
  if (it != object.keys.end()) {
    object.items[it - object.keys.begin()] = std::move(value);
    return;
  }
  object.keys.push_back(key.str());
  object.items.push_back(std::move(value));
}

void moe::dropNulls(JsonValue &object) {
  JsonValue kept = jsonObject();
  for (auto [key, value] : llvm::zip(object.keys, object.items)) {
    if (value.kind == JsonScalar::Kind::Null)
      continue;
    kept.keys.push_back(std::move(key));
    kept.items.push_back(std::move(value));
  }
  object = std::move(kept);
}

void moe::setSquash(JsonValue &preprocess, int64_t height, int64_t width,
                    ImageShape image) {
  if (height != image.height || width != image.width)
    setMember(preprocess, "resize",
              jsonList({jsonValue(height), jsonValue(width)}));
}
