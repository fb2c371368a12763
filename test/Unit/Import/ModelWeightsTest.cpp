//===- ModelWeightsTest.cpp - The tensors that a model needs --------------===//

#include "moe/Import/ModelWeights.h"
#include "TestSupport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i != shape.size(); ++i)
    text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Names and shapes, one a line.
std::string listing(const ModelSpec &spec) {
  std::string text;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    text += tensor.name + " " + shapeText(tensor.shape) + "\n";
  return text;
}

TEST(ModelWeights, DenseModel) {
  ModelSpec spec =
      parseSpec({{"num_hidden_layers", "1"}, {"patch_size", "[4, 2]"}});
  EXPECT_EQ(listing(spec), R"(cls_token [1,1,8]
pos_embed [1,9,8]
patch_embed.proj.weight [8,3,4,2]
patch_embed.proj.bias [8]
blocks.0.norm1.weight [8]
blocks.0.norm1.bias [8]
blocks.0.attn.qkv.weight [24,8]
blocks.0.attn.qkv.bias [24]
blocks.0.attn.proj.weight [8,8]
blocks.0.attn.proj.bias [8]
blocks.0.norm2.weight [8]
blocks.0.norm2.bias [8]
blocks.0.mlp.fc1.weight [16,8]
blocks.0.mlp.fc1.bias [16]
blocks.0.mlp.fc2.weight [8,16]
blocks.0.mlp.fc2.bias [8]
norm.weight [8]
norm.bias [8]
head.weight [3,8]
head.bias [3]
)");
  EXPECT_EQ(countParameters(spec), 8 + 72 + 192 + 8 + 16 + 192 + 24 + 64 + 8 +
                                       16 + 128 + 16 + 128 + 8 + 16 + 24 + 3);
}

TEST(ModelWeights, ExpertsAndSharedRouter) {
  ModelSpec spec = parseSpec({{"num_hidden_layers", "1"},
                              {"class_token", "false"},
                              {"qkv_bias", "false"},
                              {"moe", R"({"layers": [0], "num_experts": 2})"}});
  EXPECT_EQ(listing(spec), R"(pos_embed [1,4,8]
patch_embed.proj.weight [8,3,4,4]
patch_embed.proj.bias [8]
router.weight [2,8]
blocks.0.norm1.weight [8]
blocks.0.norm1.bias [8]
blocks.0.attn.qkv.weight [24,8]
blocks.0.attn.proj.weight [8,8]
blocks.0.attn.proj.bias [8]
blocks.0.norm2.weight [8]
blocks.0.norm2.bias [8]
blocks.0.moe.experts.0.fc1.weight [16,8]
blocks.0.moe.experts.0.fc1.bias [16]
blocks.0.moe.experts.0.fc2.weight [8,16]
blocks.0.moe.experts.0.fc2.bias [8]
blocks.0.moe.experts.1.fc1.weight [16,8]
blocks.0.moe.experts.1.fc1.bias [16]
blocks.0.moe.experts.1.fc2.weight [8,16]
blocks.0.moe.experts.1.fc2.bias [8]
norm.weight [8]
norm.bias [8]
head.weight [3,8]
head.bias [3]
)");
}

TEST(ModelWeights, RoutersPerLayer) {
  ModelSpec spec = parseSpec({{"moe", R"({"layers": [1], "num_experts": 2,
      "router": {"placement": "per_layer", "bias": true}})"}});
  std::string text = listing(spec);
  EXPECT_NE(text.find("blocks.0.mlp.fc1.weight"), std::string::npos);
  EXPECT_EQ(text.find("blocks.1.mlp"), std::string::npos);
  EXPECT_EQ(text.find("blocks.0.moe"), std::string::npos);
  EXPECT_NE(text.find("blocks.1.moe.router.weight [2,8]\n"
                      "blocks.1.moe.router.bias [2]\n"),
            std::string::npos);
  EXPECT_EQ(text.find("\nrouter."), std::string::npos);

  spec = parseSpec({{"moe", R"({"layers": [1], "num_experts": 2,
                            "router": {"bias": true}})"}});
  EXPECT_NE(listing(spec).find("\nrouter.weight [2,8]\nrouter.bias [2]\n"),
            std::string::npos);
}

//===----------------------------------------------------------------------===//
// checkWeights
//===----------------------------------------------------------------------===//

struct TestTensor {
  std::string name;
  std::string dtype = "F32";
  SmallVector<int64_t, 4> shape;
  float value = 0.5f;
};

std::vector<TestTensor> tensorsOf(const ModelSpec &spec) {
  std::vector<TestTensor> tensors;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    tensors.push_back({tensor.name, "F32", tensor.shape});
  return tensors;
}

TestTensor &named(std::vector<TestTensor> &tensors, StringRef name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const TestTensor &t) { return t.name == name; });
}

WeightStore storeOf(const std::vector<TestTensor> &tensors) {
  std::string header = "{", data;
  for (const TestTensor &tensor : tensors) {
    size_t begin = data.size();
    int64_t count = 1;
    for (int64_t dim : tensor.shape)
      count *= dim;
    for (int64_t i = 0; i != count; ++i) {
      char bytes[8] = {};
      size_t width = tensor.dtype == "F64" ? 8 : tensor.dtype == "F32" ? 4 : 2;
      if (tensor.dtype == "F32")
        std::memcpy(bytes, &tensor.value, 4);
      data.append(bytes, width);
    }
    header += (header.size() > 1 ? ",\"" : "\"") + tensor.name +
              "\":{\"dtype\":\"" + tensor.dtype +
              "\",\"shape\":" + shapeText(tensor.shape) +
              ",\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(data.size()) + "]}";
  }
  Errors errors;
  FailureOr<WeightStore> store =
      openText(safetensorsFile(header + "}", data), errors);
  EXPECT_TRUE(succeeded(store)) << errors.str();
  return std::move(*store);
}

class CheckWeights : public ::testing::Test {
protected:
  ModelSpec spec = parseSpec({{"moe", R"({"layers": [1], "num_experts": 4})"}});
  std::vector<TestTensor> tensors = tensorsOf(spec);
  Errors errors;

  bool check() {
    return succeeded(checkWeights(spec, storeOf(tensors), errors));
  }
};

TEST_F(CheckWeights, Good) {
  EXPECT_TRUE(check());
  EXPECT_EQ(errors.str(), "");
  named(tensors, "norm.weight").dtype = "F16";
  named(tensors, "norm.bias").dtype = "BF16";
  EXPECT_TRUE(check());
  EXPECT_EQ(errors.str(), "");
}

TEST_F(CheckWeights, EachTensorIsNeeded) {
  for (size_t i = 0; i != tensors.size(); ++i) {
    std::vector<TestTensor> rest = tensors;
    rest.erase(rest.begin() + i);
    Errors found;
    EXPECT_TRUE(failed(checkWeights(spec, storeOf(rest), found)));
    ASSERT_EQ(found.list.size(), 1u);
    EXPECT_EQ(found.list[0].where, tensors[i].name);
    EXPECT_TRUE(StringRef(found.list[0].message).contains("missing"));
  }
}

TEST_F(CheckWeights, Shapes) {
  named(tensors, "head.weight").shape = {8, 3};
  named(tensors, "cls_token").shape = {1, 8};
  named(tensors, "norm.bias").shape = {};
  EXPECT_FALSE(check());
  EXPECT_EQ(errors.str(),
            "error: w.safetensors: cls_token: expected shape [1, 1, 8], found "
            "[1, 8]\n"
            "error: w.safetensors: norm.bias: expected shape [8], found []\n"
            "error: w.safetensors: head.weight: expected shape [3, 8], found "
            "[8, 3]\n");
}

TEST_F(CheckWeights, Types) {
  named(tensors, "head.bias").dtype = "F64";
  EXPECT_FALSE(check());
  EXPECT_EQ(errors.str(), "error: w.safetensors: head.bias: expected dtype "
                          "F32, F16 or BF16, found \"F64\"\n");
}

TEST_F(CheckWeights, ManyErrors) {
  size_t count = tensors.size();
  tensors.clear();
  EXPECT_FALSE(check());
  ASSERT_EQ(errors.list.size(), 11u);
  EXPECT_EQ(errors.list[0].where, "cls_token");
  EXPECT_EQ(errors.list[10].message,
            std::to_string(count - 10) +
                " more tensors are missing or not as expected");
}

TEST_F(CheckWeights, UnusedTensors) {
  tensors.push_back({"extra", "F64", {2}});
  EXPECT_TRUE(check());
  EXPECT_EQ(errors.str(), "warning: w.safetensors: header: the model does not "
                          "use 1 tensor: extra\n");
  errors.list.clear();
  for (int i = 0; i != 30; ++i)
    tensors.push_back({"more." + std::to_string(i), "F32", {1}});
  EXPECT_TRUE(check());
  ASSERT_EQ(errors.list.size(), 1u);
  EXPECT_TRUE(StringRef(errors.str()).contains("31 tensors: extra, more.0, "));
  EXPECT_TRUE(StringRef(errors.str()).contains(" and 11 more\n"));
}

TEST_F(CheckWeights, NonFiniteWeights) {
  named(tensors, "norm.weight").value = NAN;
  named(tensors, "head.bias").value = -INFINITY;
  // Nobody reads this one.
  tensors.push_back({"unused", "F32", {1}, NAN});
  EXPECT_TRUE(check());
  EXPECT_EQ(errors.str(), "warning: w.safetensors: header: the model does not "
                          "use 1 tensor: unused\n"
                          "warning: w.safetensors: data: NaN or infinite "
                          "weights in 2 tensors: norm.weight, head.bias\n");
}

} // namespace
