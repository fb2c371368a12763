//===- WeightStoreTest.cpp - safetensors files, good and bad --------------===//

#include "TestSupport.h"
#include "llvm/ADT/bit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

void expectError(const std::string &contents, StringRef where, StringRef part) {
  Errors errors;
  EXPECT_TRUE(failed(openText(contents, errors)));
  ASSERT_EQ(errors.list.size(), 1u) << errors.str();
  EXPECT_EQ(errors.list[0].file, "w.safetensors");
  EXPECT_EQ(errors.list[0].where, where.str()) << errors.str();
  EXPECT_TRUE(StringRef(errors.list[0].message).contains(part)) << errors.str();
}

/// A tensor's entry in a header.
std::string entry(const std::string &name, const std::string &dtype,
                  const std::string &shape, const std::string &offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

WeightStore openGood(const std::string &contents) {
  Errors errors;
  FailureOr<WeightStore> store = openText(contents, errors);
  EXPECT_TRUE(succeeded(store)) << errors.str();
  return std::move(*store);
}

TEST(WeightStore, Tensors) {
  WeightStore store = openGood(
      safetensorsFile("{\"__metadata__\":{\"format\":\"pt\"}," +
                          entry("b", "I64", "[1]", "[7,15]") + "," +
                          entry("a", "F16", "[3]", "[1,7]") + "," +
                          entry("c", "BOOL", "[]", "[0,1]") + "," +
                          entry("d", "F32", "[0,5]", "[15,15]") + "}   ",
                      std::string(15, '\1')));
  ASSERT_EQ(store.tensors().size(), 4u);
  EXPECT_EQ(store.tensors()[0].name, "a");
  EXPECT_EQ(store.tensors()[3].name, "d");
  EXPECT_EQ(store.path(), "w.safetensors");
  EXPECT_EQ(store.find("__metadata__"), nullptr);
  EXPECT_EQ(store.find(""), nullptr);
  const TensorInfo *a = store.find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->dtype, TensorInfo::DType::F16);
  EXPECT_EQ(a->shape, (SmallVector<int64_t, 4>{3}));
  EXPECT_EQ(a->data.size(), 6u);
  EXPECT_EQ(store.find("b")->dtype, TensorInfo::DType::Other);
  EXPECT_EQ(store.find("b")->dtypeName, "I64");
  EXPECT_EQ(store.find("c")->numElements(), 1);
  EXPECT_EQ(store.find("d")->numElements(), 0);
  WeightStore::readAsF32(*store.find("d"), 0, {});
  EXPECT_FALSE(WeightStore::hasNonFinite(*store.find("d")));

  WeightStore moved = std::move(store);
  EXPECT_EQ(moved.find("a"), a);
}

TEST(WeightStore, Empty) {
  EXPECT_TRUE(openGood(safetensorsFile("{}", "")).tensors().empty());
}

TEST(WeightStore, KnownAndUnknownTypes) {
  const std::pair<const char *, int> types[] = {
      {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
      {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
      {"I32", 32},    {"U32", 32}, {"F32", 32}, {"F64", 64},    {"I64", 64},
      {"U64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  for (auto [type, bits] : types) {
    std::string end = std::to_string(bits);
    openGood(
        safetensorsFile("{" + entry("t", type, "[8]", "[0," + end + "]") + "}",
                        std::string(bits, 0)));
    expectError(
        safetensorsFile("{" + entry("t", type, "[16]", "[0," + end + "]") + "}",
                        std::string(bits, 0)),
        "t", "expected " + std::to_string(2 * bits) + " bytes");
  }
  openGood(
      safetensorsFile("{" + entry("t", "F128", "[8]", "[0,3]") + "}", "abc"));
}

TEST(WeightStore, Length) {
  expectError("", "header", "at least 8 bytes");
  expectError(std::string(7, 0), "header", "found 7");
  expectError(std::string(8, 0), "header", "{");
  expectError(std::string(8, '\xff'), "header", "18446744073709551615");
  std::string cut = safetensorsFile("{}", "");
  cut.pop_back();
  expectError(cut, "header", "only 1 follow");
  std::string large = safetensorsFile("{}", "");
  large[3] = 1; // 2^24 bytes
  expectError(large, "header", "cut off");
  large[3] = 7; // more than the format's limit
  expectError(large, "header", "at most 100000000");
}

TEST(WeightStore, HeaderSyntax) {
  auto expect = [](const std::string &header, StringRef where, StringRef part) {
    expectError(safetensorsFile(header, ""), where, part);
  };
  expect("[]", "header", "{");
  expect(" {}", "header", "{");
  expect("{", "header", "line 1, column 2: not valid JSON");
  expect("{} {}", "header", "not valid JSON");
  expect(std::string("{\0}", 3), "header", "NUL");
  expect("{\"a\":1}", "a", "expected an object, found 1");
  expect("{\"a\":[]}", "a", "expected an object, found a list");
  expect("{\"__metadata__\":1}", "__metadata__", "expected an object");
  expect("{\"__metadata__\":{\"a\":1}}", "__metadata__", "strings only");
  expect("{\"__metadata__\":{\"a\":{}}}", "__metadata__", "strings only");
  expect("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", "__metadata__", "twice");
  expect("{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__", "twice");
  expect("{\"a\":{}}", "a", "found no dtype");
  expect("{\"a\":{\"dtype\":\"F32\"}}", "a", "found no shape");
  expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", "a",
         "found no data_offsets");
  expect("{\"a\":{\"dtype\":1}}", "a", "dtype: expected a string, found 1");
  expect("{\"a\":{\"dtype\":[]}}", "a", "dtype: expected a string");
  expect("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "a", "twice");
  expect("{\"a\":{\"device\":\"cpu\"}}", "a", "found \"device\"");
  expect("{\"a\":{\"shape\":1}}", "a", "shape: expected a list");
  expect("{\"a\":{\"shape\":{}}}", "a", "shape: expected a list");
  expect("{\"a\":{\"shape\":[[1]]}}", "a", "found a list");
  expect("{\"a\":{\"shape\":[-1]}}", "a", "found -1");
  expect("{\"a\":{\"shape\":[1.0]}}", "a", "found 1.0");
  expect("{\"a\":{\"shape\":[true]}}", "a", "found true");
  expect("{\"a\":{\"shape\":[9223372036854775808]}}", "a",
         "found 9223372036854775808");
  expect("{\"a\":{\"data_offsets\":3}}", "a", "a begin and an end");
  expect("{\"a\":{\"data_offsets\":[]}}", "a", "found 0 numbers");
  expect("{\"a\":{\"data_offsets\":[0]}}", "a", "found 1 numbers");
  expect("{\"a\":{\"data_offsets\":[0,0,0]}}", "a", "found 3 numbers");
  std::string rank = "{\"a\":{\"shape\":[1";
  for (int i = 0; i != 100; ++i)
    rank += ",1";
  expect(rank + "]}}", "a", "dimensions");
  std::string deep = "{\"a\":";
  for (int i = 0; i != 100000; ++i)
    deep += "[";
  expect(deep, "a", "found a list");
  expect("{" + entry("a", "F32", "[0]", "[0,0]") + "," +
             entry("a", "F32", "[0]", "[0,0]") + "}",
         "a", "twice");
  // The copy would overlap, too.
  expectError(safetensorsFile("{" + entry("a", "U8", "[1]", "[0,1]") + "," +
                                  entry("a", "U8", "[1]", "[0,1]") + "}",
                              "x"),
              "a", "twice");
  expect("{\"\":1}", "\"\"", "expected an object");
}

TEST(WeightStore, LyingOffsets) {
  auto expect = [](const std::string &entries, StringRef where,
                   StringRef part) {
    expectError(safetensorsFile("{" + entries + "}", std::string(8, 0)), where,
                part);
  };
  expect(entry("a", "F32", "[2]", "[8,0]"), "a", "begin <= end");
  expect(entry("a", "F32", "[3]", "[0,12]"), "a", "<= 8");
  expect(entry("a", "F32", "[2]", "[0,9223372036854775807]"), "a", "<= 8");
  expect(entry("a", "F32", "[1]", "[0,8]"), "a", "expected 4 bytes");
  expect(entry("a", "F32", "[3]", "[0,8]"), "a", "expected 12 bytes");
  expect(entry("a", "F32", "[4294967296,4294967296]", "[0,8]"), "a", "63 bits");
  expect(entry("a", "F32", "[1152921504606846976]", "[0,8]"), "a", "63 bits");
  expect(entry("a", "X", "[4294967296,4294967296]", "[0,8]"), "a", "63 bits");
  expect(entry("a", "F4", "[3]", "[0,1]"), "a", "bytes");
  expect(entry("a", "F32", "[2]", "[0,8]") + "," +
             entry("b", "F32", "[1]", "[4,8]"),
         "b", "overlap");
  expect(entry("a", "F32", "[2]", "[0,8]") + "," +
             entry("b", "F32", "[2]", "[0,8]"),
         "b", "overlap");
  expect(entry("a", "F32", "[1]", "[0,4]") + "," +
             entry("b", "U8", "[3]", "[5,8]"),
         "b", "hole");
  expect(entry("a", "F32", "[1]", "[4,8]"), "a", "hole");
  expect(entry("a", "F32", "[1]", "[0,4]"), "header", "all 8 bytes");
  expect("", "header", "all 8 bytes");
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

template <typename T>
WeightStore storeOf(const char *dtype, ArrayRef<T> values) {
  std::string data(reinterpret_cast<const char *>(values.data()),
                   values.size() * sizeof(T));
  // One byte in front, so that nothing is aligned.
  std::string end = std::to_string(1 + data.size());
  return openGood(safetensorsFile(
      "{" + entry("pad", "U8", "[1]", "[0,1]") + "," +
          entry("t", dtype, "[" + std::to_string(values.size()) + "]",
                "[1," + end + "]") +
          "}",
      "x" + data));
}

/// The f16 with bits `half`, from its definition.
double f16Value(unsigned half) {
  int exponent = half >> 10 & 31;
  int mantissa = half & 1023;
  double magnitude = exponent ? std::ldexp(1024 + mantissa, exponent - 25)
                              : std::ldexp(mantissa, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(WeightStore, EveryF16) {
  std::vector<uint16_t> halves(65536);
  for (unsigned i = 0; i != 65536; ++i)
    halves[i] = i;
  WeightStore store = storeOf<uint16_t>("F16", halves);
  std::vector<float> floats(65536);
  WeightStore::readAsF32(*store.find("t"), 0, floats);
  for (unsigned i = 0; i != 65536; ++i) {
    uint32_t bits = llvm::bit_cast<uint32_t>(floats[i]);
    if ((i & 0x7c00) != 0x7c00) {
      ASSERT_EQ(double(floats[i]), f16Value(i)) << i;
      ASSERT_EQ(std::signbit(floats[i]), i >= 0x8000) << i;
    } else {
      ASSERT_EQ(bits, (i & 0x8000) << 16 | 0x7f800000 | (i & 0x3ff) << 13) << i;
    }
  }
}

TEST(WeightStore, BF16AndF32KeepTheirBits) {
  std::vector<uint16_t> brains;
  std::vector<uint32_t> singles;
  std::mt19937 random(3);
  for (int i = 0; i != 1000; ++i) {
    brains.push_back(random());
    singles.push_back(random());
  }
  std::vector<float> floats(10);
  WeightStore store = storeOf<uint16_t>("BF16", brains);
  WeightStore::readAsF32(*store.find("t"), 990, floats);
  for (int i = 0; i != 10; ++i)
    EXPECT_EQ(llvm::bit_cast<uint32_t>(floats[i]), uint32_t(brains[990 + i])
                                                       << 16);
  store = storeOf<uint32_t>("F32", singles);
  WeightStore::readAsF32(*store.find("t"), 7, floats);
  EXPECT_EQ(std::memcmp(floats.data(), singles.data() + 7, 40), 0);
}

template <typename T>
void checkNonFinite(const char *dtype, T largest, T infinity) {
  T sign = T(T(1) << (8 * sizeof(T) - 1));
  std::vector<T> values(10000, largest);
  EXPECT_FALSE(WeightStore::hasNonFinite(*storeOf<T>(dtype, values).find("t")));
  for (size_t at : {size_t(0), size_t(4095), size_t(4096), values.size() - 1})
    for (T bad : {infinity, T(infinity | sign), T(infinity + 1)}) {
      values[at] = bad;
      EXPECT_TRUE(
          WeightStore::hasNonFinite(*storeOf<T>(dtype, values).find("t")));
      values[at] = T(largest | sign);
    }
}

TEST(WeightStore, NonFinite) {
  checkNonFinite<uint32_t>("F32", 0x7f7fffff, 0x7f800000);
  checkNonFinite<uint16_t>("F16", 0x7bff, 0x7c00);
  checkNonFinite<uint16_t>("BF16", 0x7f7f, 0x7f80);
  std::vector<uint32_t> other(4, 0x7f800000);
  EXPECT_FALSE(
      WeightStore::hasNonFinite(*storeOf<uint32_t>("I32", other).find("t")));
}

//===----------------------------------------------------------------------===//
// Anything
//===----------------------------------------------------------------------===//

TEST(WeightStore, ChangedBytes) {
  const std::string good =
      safetensorsFile("{\"__metadata__\":{\"format\":\"pt\"}," +
                          entry("a", "F32", "[2,2]", "[0,16]") + "," +
                          entry("b", "BF16", "[4]", "[16,24]") + "}",
                      std::string(24, '\x7f'));
  std::mt19937 random(4);
  int accepted = 0;
  for (int i = 0; i != 20000; ++i) {
    std::string contents = good;
    for (int n = 1 + random() % 3; n; --n) {
      size_t at = random() % contents.size();
      if (random() % 2)
        contents[at] ^= 1 << random() % 8;
      else
        contents[at] = "{}[]\",:0129-.e"[random() % 14];
    }
    if (random() % 8 == 0)
      contents.resize(random() % contents.size());
    Errors errors;
    FailureOr<WeightStore> store = openText(contents, errors);
    ASSERT_EQ(errors.list.size(), failed(store) ? 1u : 0u);
    if (failed(store))
      continue;
    ++accepted;
    for (const TensorInfo &tensor : store->tensors()) {
      if (tensor.dtype == TensorInfo::DType::Other)
        continue;
      std::vector<float> floats(tensor.numElements());
      WeightStore::readAsF32(tensor, 0, floats);
      WeightStore::hasNonFinite(tensor);
    }
  }
  EXPECT_GT(accepted, 100);
}

} // namespace
