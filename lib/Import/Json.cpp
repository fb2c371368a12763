//===- Json.cpp - JSON from strangers -------------------------------------===//

#include "Json.h"

#include "moe/Import/InputError.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace mlir;
using namespace mlir::moe;

/// Deeper than any specification or safetensors header.
static constexpr unsigned maxDepth = 32;
/// Values in a tree, about 100 bytes each. A list of labels has up to 1e6.
static constexpr size_t maxValues = 1500000;

std::string JsonScalar::describe() const {
  switch (kind) {
  case Kind::Null:
    return "null";
  case Kind::Bool:
    return boolean ? "true" : "false";
  case Kind::Integer:
    return std::to_string(integer);
  case Kind::Float:
    return StringRef(text).take_front(60).str();
  case Kind::String:
    return quoteForMessage(text);
  case Kind::Array:
    return "a list";
  case Kind::Object:
    return "an object";
  }
  llvm_unreachable("all kinds are handled");
}

const JsonValue *JsonValue::find(StringRef key) const {
  auto it = llvm::find(keys, key);
  return it == keys.end() ? nullptr : &items[it - keys.begin()];
}

std::string moe::jsonMemberPath(StringRef path, StringRef key) {
  bool plain = !key.empty() && llvm::all_of(key, [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '-';
  });
  std::string name = plain ? key.str() : quoteForMessage(key);
  return path.empty() ? name : (path + "." + name).str();
}

std::string moe::jsonElementPath(StringRef path, size_t index) {
  return (path + "[" + llvm::Twine(index) + "]").str();
}

//===----------------------------------------------------------------------===//
// The adapter to nlohmann/json
//===----------------------------------------------------------------------===//

static std::string describePosition(StringRef text, size_t offset) {
  StringRef before = text.take_front(offset);
  size_t column = before.size() - (before.rfind('\n') + 1) + 1;
  return ("line " + llvm::Twine(before.count('\n') + 1) + ", column " +
          llvm::Twine(column))
      .str();
}

namespace {
/// The names of the members are nlohmann's.
class SaxAdapter {
  using json = nlohmann::json;

public:
  SaxAdapter(StringRef text, JsonEvents &events, JsonErrorSink error)
      : text(text), events(events), error(error) {}

  bool null() { return events.scalar({}); }
  bool boolean(bool value) {
    JsonScalar scalar;
    scalar.kind = JsonScalar::Kind::Bool;
    scalar.boolean = value;
    return events.scalar(std::move(scalar));
  }
  bool number_integer(json::number_integer_t value) {
    JsonScalar scalar;
    scalar.kind = JsonScalar::Kind::Integer;
    scalar.integer = value;
    scalar.number = static_cast<double>(value);
    return events.scalar(std::move(scalar));
  }
  bool number_unsigned(json::number_unsigned_t value) {
    if (value <= static_cast<uint64_t>(INT64_MAX))
      return number_integer(static_cast<int64_t>(value));
    return number_float(static_cast<double>(value), std::to_string(value));
  }
  bool number_float(json::number_float_t value, const std::string &written) {
    JsonScalar scalar;
    scalar.kind = JsonScalar::Kind::Float;
    scalar.number = value;
    scalar.text = written;
    return events.scalar(std::move(scalar));
  }
  bool string(std::string &value) {
    JsonScalar scalar;
    scalar.kind = JsonScalar::Kind::String;
    scalar.text = std::move(value);
    return events.scalar(std::move(scalar));
  }
  bool binary(json::binary_t &) { llvm_unreachable("JSON has no binary"); }
  bool start_object(size_t) { return enter() && events.startObject(); }
  bool key(std::string &value) { return events.key(std::move(value)); }
  bool end_object() { return leave() && events.endObject(); }
  bool start_array(size_t) { return enter() && events.startArray(); }
  bool end_array() { return leave() && events.endArray(); }

  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &exception) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ...":
    // the numbers are for nlohmann's users, and the place goes elsewhere.
    StringRef what = exception.what();
    if (what.consume_front("[json."))
      what = what.split("] ").second;
    if (what.consume_front("parse error at "))
      what = what.split(": ").second;
    // `position` counts the characters read, the offending one included.
    size_t offset = std::min(position == 0 ? 0 : position - 1, text.size());
    error(describePosition(text, offset), ("not valid JSON: " + what).str());
    return false;
  }

private:
  bool enter() {
    if (++depth <= maxDepth)
      return true;
    error("top level", ("expected at most " + llvm::Twine(maxDepth) +
                        " levels of lists and objects, found more")
                           .str());
    return false;
  }
  bool leave() {
    --depth;
    return true;
  }

  StringRef text;
  JsonEvents &events;
  JsonErrorSink error;
  unsigned depth = 0;
};
} // namespace

bool moe::parseJsonEvents(StringRef text, JsonEvents &events,
                          JsonErrorSink error) {
  // nlohmann takes a NUL for the end, and would not look at what follows.
  if (size_t nul = text.find('\0'); nul != StringRef::npos) {
    error(describePosition(text, nul), "not valid JSON: found a NUL byte");
    return false;
  }
  SaxAdapter adapter(text, events, error);
  return nlohmann::json::sax_parse(text.begin(), text.end(), &adapter);
}

//===----------------------------------------------------------------------===//
// The tree
//===----------------------------------------------------------------------===//

namespace {
class TreeBuilder final : public JsonEvents {
public:
  TreeBuilder(JsonValue &root, JsonErrorSink error)
      : root(root), error(error) {}

  bool scalar(JsonScalar value) override {
    JsonValue *slot = add();
    if (slot)
      static_cast<JsonScalar &>(*slot) = std::move(value);
    return slot;
  }
  bool startObject() override { return open(JsonScalar::Kind::Object); }
  bool startArray() override { return open(JsonScalar::Kind::Array); }
  bool key(std::string key) override {
    stack.back()->keys.push_back(std::move(key));
    return true;
  }
  bool endObject() override {
    std::vector<StringRef> sorted(stack.back()->keys.begin(),
                                  stack.back()->keys.end());
    llvm::sort(sorted);
    stack.pop_back();
    auto duplicate = std::adjacent_find(sorted.begin(), sorted.end());
    if (duplicate == sorted.end())
      return true;
    error(jsonMemberPath(currentPath(), *duplicate), "is there twice");
    return false;
  }
  bool endArray() override {
    stack.pop_back();
    return true;
  }

private:
  /// The place of the next value, or null after reporting that there are too
  /// many. A parent does not grow while one of its children is open, so that
  /// the pointers in `stack` stay valid.
  JsonValue *add() {
    if (++count > maxValues) {
      error("top level", ("expected at most " + llvm::Twine(maxValues) +
                          " values, found more")
                             .str());
      return nullptr;
    }
    if (stack.empty())
      return &root;
    stack.back()->items.emplace_back();
    return &stack.back()->items.back();
  }

  bool open(JsonScalar::Kind kind) {
    JsonValue *slot = add();
    if (!slot)
      return false;
    slot->kind = kind;
    stack.push_back(slot);
    return true;
  }

  /// The path of the value that was added last to the innermost open one.
  std::string currentPath() const {
    std::string path;
    for (const JsonValue *value : stack)
      path = value->kind == JsonScalar::Kind::Object
                 ? jsonMemberPath(path, value->keys.back())
                 : jsonElementPath(path, value->items.size() - 1);
    return path;
  }

  JsonValue &root;
  JsonErrorSink error;
  SmallVector<JsonValue *> stack;
  size_t count = 0;
};
} // namespace

bool moe::parseJson(StringRef text, JsonValue &root, JsonErrorSink error) {
  TreeBuilder builder(root, error);
  return parseJsonEvents(text, builder, error);
}
