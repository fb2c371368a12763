//===- SpecFields.h - Reading the fields of a specification -----*- C++ -*-===//

#ifndef MOE_LIB_IMPORT_SPECFIELDS_H
#define MOE_LIB_IMPORT_SPECFIELDS_H

#include "InputFile.h"
#include "Json.h"
#include "moe/Import/ModelSpec.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"

#include <cfloat>
#include <cmath>

namespace mlir::moe {

// Far beyond any model; with them no product of sizes leaves an int64_t, and a
// specification cannot ask for more memory than its file and weights justify.
inline constexpr int64_t maxImageSize = 16384;
inline constexpr int64_t maxChannels = 1024;
inline constexpr size_t maxStemLayers = 64;
inline constexpr int64_t maxStemChannels = 4096;
inline constexpr int64_t maxKernelSize = 64;
/// Of the image before a stem and of each map in it, with the channels in lanes
/// of 16.
inline constexpr int64_t maxMapValues = int64_t(1) << 28;
inline constexpr int64_t maxTokens = 65536;
inline constexpr int64_t maxRegisterTokens = 1024;
inline constexpr int64_t maxHiddenSize = 65536;
inline constexpr int64_t maxIntermediateSize = 262144;
inline constexpr int64_t maxLayers = 4096;
inline constexpr int64_t maxClasses = 1000000;
inline constexpr int64_t maxExperts = 4096;
inline constexpr int64_t maxTotalExperts = 65536;
inline constexpr int64_t maxUnequalExperts = 256;
inline constexpr int64_t maxParameters = int64_t(1) << 40;
inline constexpr size_t maxNameLength = 200;
inline constexpr uint64_t maxSpecBytes = 16 << 20;
inline constexpr uint64_t maxLabelsBytes = 64 << 20;

/// What all readers of one file share: only the first error is reported.
struct SpecContext {
  StringRef file;
  InputErrorSink sink;
  /// A file with a `model_type` may have fields that mean nothing to us.
  bool ignoreUnknown = false;
  bool failed = false;
  /// What else has been read.
  std::vector<std::string> otherFiles = {};

  void error(StringRef where, const llvm::Twine &message) {
    if (!failed)
      reportError(sink, file, where, message);
    failed = true;
  }

  /// Parses `text`, which must be an object; false after an error.
  bool parseObject(StringRef text, JsonValue &root) {
    auto report = [&](StringRef where, StringRef message) {
      error(where, message);
    };
    if (parseJson(text, root, report) && root.kind != JsonScalar::Kind::Object)
      error("top level", "expected an object, found " + root.describe());
    return !failed;
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
  std::pair<int64_t, int64_t>
  size(StringRef key, int64_t max,
       std::optional<std::pair<int64_t, int64_t>> fallback = std::nullopt,
       int64_t min = 1) {
    const JsonValue *value = get(key);
    if (!value) {
      if (fallback)
        return *fallback;
      error(key, "missing; expected an integer or [height, width]");
      return {1, 1};
    }
    if (value->kind == JsonScalar::Kind::Array) {
      if (value->items.size() == 2)
        return {asInteger(value->items[0], jsonElementPath(pathOf(key), 0), min,
                          max),
                asInteger(value->items[1], jsonElementPath(pathOf(key), 1), min,
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
    int64_t side = asInteger(*value, pathOf(key), min, max);
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

/// The tokens beside the patches. The sizes of image and patch are known.
void readTokens(SpecContext &context, FieldReader &fields, ModelSpec &spec);

/// What layers there are beside the usual ones.
void readVariants(FieldReader &fields, ModelSpec &spec);

/// What the answer is made of, and how many outputs there are. The tokens, the
/// hidden size and the variants are known.
void readPoolAndHead(SpecContext &context, FieldReader &fields,
                     ModelSpec &spec);

/// `moe`: the mixture-of-experts part. The sizes of `spec` are known.
MoESpec readMoE(SpecContext &context, const JsonValue &object,
                const ModelSpec &spec);

/// `stem`, if there is one. The image's size and channels are known.
void readStem(SpecContext &context, FieldReader &fields, ModelSpec &spec);

/// The names of activations, as `hidden_act` and the stem have them.
ArrayRef<std::pair<StringRef, ActivationKind>> activationNames();

/// `preprocess`, which may be null.
void readPreprocess(SpecContext &context, const JsonValue *object,
                    ModelSpec &spec);

/// `labels`, where a file's path is relative to `folder`.
void readLabels(SpecContext &context, FieldReader &fields, StringRef folder,
                ModelSpec &spec);

/// Paths in a specification are relative to its folder.
std::string resolvePath(StringRef folder, StringRef path);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_SPECFIELDS_H
