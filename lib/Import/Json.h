//===- Json.h - JSON from strangers -----------------------------*- C++ -*-===//
//
// A thin layer over nlohmann/json's event parser, the only file that includes
// it. Added to it: a limit on depth and on the number of values, exact
// integers, no duplicate keys, and errors with a line and a column.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_IMPORT_JSON_H
#define MOE_LIB_IMPORT_JSON_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir::moe {

/// A value; for lists and objects without what is in them.
struct JsonScalar {
  enum class Kind { Null, Bool, Integer, Float, String, Array, Object };

  Kind kind = Kind::Null;
  bool boolean = false;
  /// Kind Integer: a number written without point and exponent that fits.
  int64_t integer = 0;
  /// Kinds Integer and Float; finite.
  double number = 0;
  /// The string; for kind Float the number as it was written.
  std::string text;

  bool isNumber() const { return kind == Kind::Integer || kind == Kind::Float; }
  /// For messages: `3.0`, `"abc"`, `true`, `null`, `a list`, `an object`.
  std::string describe() const;
};

struct JsonValue : JsonScalar {
  /// The elements of a list, or the values of an object, in file order.
  std::vector<JsonValue> items;
  /// The keys of an object; as many as `items`, all different.
  std::vector<std::string> keys;

  /// The value of `key` in an object, or null.
  const JsonValue *find(StringRef key) const;
};

/// What the parser sees, in order. A function that returns false ends the
/// parsing, after it has remembered why.
class JsonEvents {
public:
  virtual ~JsonEvents() = default;
  virtual bool scalar(JsonScalar value) = 0;
  virtual bool startObject() = 0;
  virtual bool key(std::string key) = 0;
  virtual bool endObject() = 0;
  virtual bool startArray() = 0;
  virtual bool endArray() = 0;
};

/// Where (`line 3, column 7`, or a JSON path) and what is wrong.
using JsonErrorSink = llvm::function_ref<void(StringRef, StringRef)>;

/// Feeds `text` to `events`. False if they ended it, or after reporting that
/// `text` is not JSON.
bool parseJsonEvents(StringRef text, JsonEvents &events, JsonErrorSink error);

/// Parses `text` to a tree; false after reporting an error.
bool parseJson(StringRef text, JsonValue &root, JsonErrorSink error);

/// The path of member `key` of the object at `path`: `moe.router`. A key that
/// is not an identifier is quoted.
std::string jsonMemberPath(StringRef path, StringRef key);
/// The path of element `index` of the list at `path`: `moe.layers[2]`.
std::string jsonElementPath(StringRef path, size_t index);

} // namespace mlir::moe

#endif // MOE_LIB_IMPORT_JSON_H
