//===- HubConfig.h - Configurations of others' libraries --------*- C++ -*-===//
//
// A `config.json` of transformers or timm is translated to a specification as
// one could have written it by hand, which is then read as any other. So there
// is one place for limits and checks.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_HUBCONFIG_H
#define MOE_LIB_IMPORT_HUBCONFIG_H

#include "SpecFields.h"

namespace mlir::moe {

/// If `root` is one of transformers' or timm's configurations, makes it a
/// specification. `path` is the file's.
void translateHubConfig(SpecContext &context, JsonValue &root, StringRef path);

/// A `config.json` that transformers wrote for a ViT or DeiT: it has a
/// `model_type` and `architectures`.
bool isHuggingFaceConfig(const JsonValue &root);
void translateHuggingFaceConfig(SpecContext &context, JsonValue &root,
                                StringRef path);

/// A `config.json` of timm: it has an `architecture`.
bool isTimmConfig(const JsonValue &root);
void translateTimmConfig(SpecContext &context, JsonValue &root);

/// The size of an image that a model takes.
struct ImageShape {
  int64_t height = 0, width = 0, channels = 0;
};

/// The `preprocess` of a specification that does what the
/// `preprocessor_config.json` in `folder` says. `isDeiT` chooses the defaults
/// of a file that does not say whose processor it is. Nothing, after a warning,
/// if there is no such file; nothing after an error.
std::optional<JsonValue> readPreprocessorConfig(SpecContext &context,
                                                StringRef folder, bool isDeiT,
                                                ImageShape image);

/// The names of `numClasses` classes in `names`, an object from indices to
/// strings, as a list. `mayHaveHoles` allows indices without a name, which get
/// an empty one.
std::optional<JsonValue> readIndexedLabels(SpecContext &context,
                                           const JsonValue &names,
                                           StringRef where, int64_t numClasses,
                                           bool mayHaveHoles);

// JSON that never was a text.
JsonValue jsonValue(int64_t value);
JsonValue jsonValue(double value);
JsonValue jsonValue(bool value);
JsonValue jsonString(StringRef value);
JsonValue jsonList(std::vector<JsonValue> items);
JsonValue jsonObject();
/// Sets a member of an object.
void setMember(JsonValue &object, StringRef key, JsonValue value);
/// Removes the members of an object that are null: most libraries write fields
/// that were not given.
void dropNulls(JsonValue &object);

/// `preprocess.resize` for a whole image of that size, of which the model's
/// part is the centre.
void setSquash(JsonValue &preprocess, int64_t height, int64_t width,
               ImageShape image);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_HUBCONFIG_H
