//===- TestSupport.h - Specifications and weights for the tests -*- C++ -*-===//

#ifndef MOE_TEST_UNIT_IMPORT_TESTSUPPORT_H
#define MOE_TEST_UNIT_IMPORT_TESTSUPPORT_H

#include "moe/Import/InputError.h"
#include "moe/Import/ModelSpec.h"
#include "moe/Import/WeightStore.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace mlir::moe::test {

/// Remembers what it is given.
struct Errors {
  std::vector<InputError> list;
  void operator()(const InputError &error) { list.push_back(error); }

  std::string str() const {
    std::string text;
    for (const InputError &error : list)
      text += error.str() + "\n";
    return text;
  }
};

/// Fields of an object with their values as JSON text.
using Fields = std::map<std::string, std::string>;

inline std::string toJson(const Fields &fields) {
  std::string text = "{";
  for (const auto &[key, value] : fields)
    text += (text.size() > 1 ? ", \"" : "\"") + key + "\": " + value;
  return text + "}";
}

/// A small valid specification: 2 blocks, D = 8, 4 patches and a class token.
/// `changes` replaces fields; an empty value removes one.
inline std::string specText(const Fields &changes = {}) {
  Fields fields = {{"image_size", "8"},          {"patch_size", "4"},
                   {"hidden_size", "8"},         {"num_hidden_layers", "2"},
                   {"num_attention_heads", "2"}, {"intermediate_size", "16"},
                   {"num_classes", "3"}};
  for (const auto &[key, value] : changes) {
    if (value.empty())
      fields.erase(key);
    else
      fields[key] = value;
  }
  return toJson(fields);
}

/// The small specification with `changes`, which is good.
inline ModelSpec parseSpec(const Fields &changes) {
  Errors errors;
  FailureOr<ModelSpec> spec =
      parseModelSpecText(specText(changes), "tiny.json", errors);
  EXPECT_TRUE(succeeded(spec)) << errors.str();
  return succeeded(spec) ? *spec : ModelSpec();
}

/// Expects that `errors` has exactly one, at `where`, whose message has `part`.
inline void expectOneError(const Errors &errors, StringRef where,
                           StringRef part) {
  ASSERT_EQ(errors.list.size(), 1u) << errors.str();
  EXPECT_EQ(errors.list[0].severity, InputError::Severity::Error);
  EXPECT_EQ(errors.list[0].where, where.str()) << errors.str();
  EXPECT_TRUE(StringRef(errors.list[0].message).contains(part)) << errors.str();
}

/// JSON `text` with one to three changes of a few bytes.
inline std::string changeBytes(std::string text, std::mt19937 &random) {
  const StringRef tokens = "{}[]\",:0123456789.-+eE\\ \n";
  for (int n = 1 + random() % 3; n; --n) {
    size_t at = random() % text.size();
    switch (random() % 4) {
    case 0:
      text[at] = static_cast<char>(random());
      break;
    case 1:
      text[at] = tokens[random() % tokens.size()];
      break;
    case 2:
      text.erase(at, 1 + random() % 8);
      break;
    case 3:
      text.insert(at, 1, tokens[random() % tokens.size()]);
      break;
    }
  }
  return text;
}

/// A safetensors file of that header and those data.
inline std::string safetensorsFile(StringRef header, StringRef data) {
  std::string file(8, '\0');
  for (int i = 0; i != 8; ++i)
    file[i] = static_cast<char>(uint64_t(header.size()) >> (8 * i));
  return file + header.str() + data.str();
}

inline FailureOr<WeightStore> openText(StringRef contents, Errors &errors) {
  return WeightStore::fromBuffer(
      llvm::MemoryBuffer::getMemBufferCopy(contents, "test"), "w.safetensors",
      errors);
}

} // namespace mlir::moe::test

#endif // MOE_TEST_UNIT_IMPORT_TESTSUPPORT_H
