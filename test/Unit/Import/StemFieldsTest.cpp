//===- StemFieldsTest.cpp - The convolutional stem of a specification -----===//

#include "TestSupport.h"
#include "moe/Import/ModelWeights.h"
#include "moe/Import/WeightStore.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

FailureOr<ModelSpec> parse(const std::string &stem, Errors &errors,
                           Fields changes = {}) {
  changes["stem"] = stem;
  changes.insert({"patch_size", ""});
  return parseModelSpecText(specText(changes), "tiny.json", errors);
}

ModelSpec parseGood(const std::string &stem, const Fields &changes = {}) {
  Errors errors;
  FailureOr<ModelSpec> spec = parse(stem, errors, changes);
  EXPECT_TRUE(succeeded(spec)) << stem << "\n" << errors.str();
  return succeeded(spec) ? *spec : ModelSpec();
}

/// Expects exactly this error.
void expectError(const std::string &stem, StringRef error,
                 const Fields &changes = {}) {
  Errors errors;
  EXPECT_TRUE(failed(parse(stem, errors, changes))) << stem;
  EXPECT_EQ(errors.str(), "error: tiny.json: " + error.str() + "\n") << stem;
}

TEST(StemFields, Defaults) {
  ModelSpec spec = parseGood(R"([{"out_channels": 5}])");
  ASSERT_EQ(spec.stem.size(), 1u);
  const StemLayer &layer = spec.stem[0];
  EXPECT_TRUE((layer.input == MapSize{3, 8, 8}));
  EXPECT_TRUE((layer.output == MapSize{5, 8, 8}));
  EXPECT_EQ(layer.kernelHeight, 3);
  EXPECT_EQ(layer.kernelWidth, 3);
  EXPECT_EQ(layer.strideHeight, 1);
  EXPECT_EQ(layer.strideWidth, 1);
  EXPECT_EQ(layer.paddingHeight, 1);
  EXPECT_EQ(layer.paddingWidth, 1);
  EXPECT_FALSE(layer.depthwise);
  EXPECT_TRUE(layer.batchNorm);
  EXPECT_FALSE(layer.bias);
  EXPECT_EQ(layer.batchNormEps, 1e-5);
  EXPECT_FALSE(layer.activation);
  EXPECT_EQ(layer.residual, 0);
  // A patch is a pixel of the map.
  EXPECT_EQ(spec.patchHeight, 1);
  EXPECT_EQ(spec.patchWidth, 1);
  EXPECT_EQ(spec.numPatches(), 64);
}

TEST(StemFields, EveryField) {
  ModelSpec spec = parseGood(R"([
      {"out_channels": 4, "kernel_size": [2, 5], "stride": [2, 1],
       "padding": [1, 0], "bias": true, "batch_norm": false},
      {"depthwise": true, "out_channels": 4, "batch_norm_eps": 0.001,
       "activation": "hardswish"},
      {"out_channels": 4, "kernel_size": 1, "residual": 2,
       "activation": "none"}])",
                             {{"patch_size", "[5, 2]"}});
  ASSERT_EQ(spec.stem.size(), 3u);
  EXPECT_TRUE((spec.stem[0].output == MapSize{4, 5, 4}));
  EXPECT_TRUE(spec.stem[0].bias);
  EXPECT_FALSE(spec.stem[0].batchNorm);
  EXPECT_TRUE(spec.stem[1].depthwise);
  EXPECT_EQ(spec.stem[1].batchNormEps, 1e-3);
  EXPECT_EQ(spec.stem[1].activation, ActivationKind::Hardswish);
  EXPECT_EQ(spec.stem[2].residual, 2);
  EXPECT_FALSE(spec.stem[2].activation);
  EXPECT_EQ(spec.stem[2].paddingHeight, 0);
  EXPECT_TRUE((spec.map() == MapSize{4, 5, 4}));
  EXPECT_EQ(spec.numPatches(), 2);
  EXPECT_EQ(spec.numTokens(), 3);
}

TEST(StemFields, EvenKernelsPadLessThanHalf) {
  ModelSpec spec =
      parseGood(R"([{"out_channels": 4, "kernel_size": 4, "stride": 4}])");
  EXPECT_EQ(spec.stem[0].paddingHeight, 1);
  EXPECT_TRUE((spec.map() == MapSize{4, 2, 2}));
}

TEST(StemFields, Errors) {
  expectError("3", "stem: expected a list of 1 to 64 layers, found 3");
  expectError("[]",
              "stem: expected a list of 1 to 64 layers, found a list of 0");
  expectError("[1]", "stem[0]: expected an object, found 1");
  expectError("[{}]", "stem[0].out_channels: missing; expected an integer from "
                      "1 to 4096");
  expectError(R"([{"out_channels": 0}])",
              "stem[0].out_channels: expected an integer from 1 to 4096, "
              "found 0");
  expectError(R"([{"depthwise": 1}])",
              "stem[0].depthwise: expected true or false, found 1");
  expectError(R"([{"depthwise": true, "out_channels": 6}])",
              "stem[0].out_channels: expected the 3 channels of a depthwise "
              "layer's input, found 6");
  expectError(R"([{"out_channels": 4, "kernel_size": 65}])",
              "stem[0].kernel_size: expected an integer from 1 to 64, found "
              "65");
  expectError(R"([{"out_channels": 4, "kernel_size": [1, 2, 3]}])",
              "stem[0].kernel_size: expected an integer or [height, width], "
              "found a list of 3");
  expectError(R"([{"out_channels": 4, "stride": 0}])",
              "stem[0].stride: expected an integer from 1 to 64, found 0");
  expectError(R"([{"out_channels": 4, "stride": [1, "2"]}])",
              "stem[0].stride[1]: expected an integer from 1 to 64, found "
              "\"2\"");
  expectError(R"([{"out_channels": 4, "padding": -1}])",
              "stem[0].padding: expected an integer from 0 to 64, found -1");
  expectError(R"([{"out_channels": 4, "padding": [0, 3]}])",
              "stem[0].padding: expected less than kernel_size, 3 x 3, found "
              "0 x 3");
  expectError(R"([{"out_channels": 4, "kernel_size": 9, "padding": 0}])",
              "stem[0].kernel_size: expected at most the padded map's 8, found "
              "9");
  expectError(R"([{"out_channels": 4, "batch_norm": 0}])",
              "stem[0].batch_norm: expected true or false, found 0");
  expectError(R"([{"out_channels": 4, "bias": "no"}])",
              "stem[0].bias: expected true or false, found \"no\"");
  expectError(R"([{"out_channels": 4, "batch_norm_eps": -1}])",
              "stem[0].batch_norm_eps: expected a finite number of at least 0, "
              "found -1");
  expectError(R"([{"out_channels": 4, "batch_norm": false,
                   "batch_norm_eps": 1e-5}])",
              "stem[0].batch_norm_eps: expected none in a layer without "
              "batch_norm");
  expectError(R"([{"out_channels": 4, "activation": "tanh"}])",
              "stem[0].activation: expected one of \"none\", \"gelu\", "
              "\"gelu_tanh\", \"quick_gelu\", \"relu\", \"silu\", "
              "\"hardswish\", found \"tanh\"");
  expectError(R"([{"out_channels": 3, "residual": 0}])",
              "stem[0].residual: expected an integer from 1 to 1, found 0");
  expectError(R"([{"out_channels": 3}, {"out_channels": 3, "residual": 3}])",
              "stem[1].residual: expected an integer from 1 to 2, found 3");
  expectError(R"([{"out_channels": 4}, {"out_channels": 4, "residual": 2}])",
              "stem[1].residual: expected an input of the size of this layer's "
              "output, 4 x 8 x 8, found one of 3 x 8 x 8");
  expectError(R"([{"out_channels": 4}, {"out_channel": 4}])",
              "stem[1].out_channels: missing; expected an integer from 1 to "
              "4096");
  expectError(R"([{"out_channels": 4, "dilation": 2}])",
              "stem[0].dilation: unknown field; expected one of depthwise, "
              "out_channels, kernel_size, stride, padding, batch_norm, bias, "
              "batch_norm_eps, activation, residual");
  expectError(R"([{"out_channels": 4}])",
              "patch_size: expected a divisor of the stem's map, 8 x 8, found "
              "3 x 3",
              {{"patch_size", "3"}});
  expectError(R"([{"out_channels": 4}])",
              "patch_size: expected at most 65536 tokens, found 90001 with "
              "the model's own",
              {{"image_size", "300"}});
  expectError(R"([{"out_channels": 4096, "stride": 64}])",
              "stem[0].out_channels: expected maps of at most 2^28 values, "
              "found 3 x 16386 x 16386 (channels in lanes of 16)",
              {{"image_size", "16384"}});
  expectError(R"([{"out_channels": 4096}])",
              "stem[0].out_channels: expected maps of at most 2^28 values, "
              "found 4096 x 300 x 300 (channels in lanes of 16)",
              {{"image_size", "300"}, {"patch_size", "300"}});
  // The stem always computes in f32.
  expectError(R"([{"out_channels": 4}])",
              "precision.\"stem.0.conv\": expected the name of a linear "
              "layer, or of what it is part of (\"blocks.0\", "
              "\"blocks.0.attn.qkv\", \"head\")",
              {{"precision", R"({"stem.0.conv": "bf16"})"}});
}

TEST(StemFields, AtMost64Layers) {
  auto layers = [](int count) {
    std::string text = "[";
    for (int i = 0; i < count; ++i)
      text += i ? R"(, {"depthwise": true})" : R"({"depthwise": true})";
    return text + "]";
  };
  EXPECT_EQ(parseGood(layers(64)).stem.size(), 64u);
  expectError(layers(65), "stem: expected a list of 1 to 64 layers, found a "
                          "list of 65");
}

TEST(StemFields, Tensors) {
  ModelSpec spec = parseGood(R"([
      {"out_channels": 4, "kernel_size": [2, 3]},
      {"depthwise": true, "batch_norm": false},
      {"out_channels": 6, "bias": true, "kernel_size": 1}])");
  std::string text;
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    text += tensor.name;
    for (int64_t size : tensor.shape)
      text += " " + std::to_string(size);
    text += "\n";
    if (tensor.name == "patch_embed.proj.weight")
      break;
  }
  EXPECT_EQ(text, R"(stem.0.conv.weight 4 3 2 3
stem.0.bn.weight 4
stem.0.bn.bias 4
stem.0.bn.running_mean 4
stem.0.bn.running_var 4
stem.1.conv.weight 4 1 3 3
stem.1.conv.bias 4
stem.2.conv.weight 6 4 1 1
stem.2.conv.bias 6
stem.2.bn.weight 6
stem.2.bn.bias 6
stem.2.bn.running_mean 6
stem.2.bn.running_var 6
cls_token 1 1 8
pos_embed 1 57 8
patch_embed.proj.weight 8 6 1 1
)");
}

/// A file with all of the model's tensors, zero, and one of 64-bit integers.
std::string fileFor(const ModelSpec &spec, StringRef extra) {
  std::string header = "{\"" + extra.str() +
                       R"(":{"dtype":"I64","shape":[],"data_offsets":[0,8]})";
  int64_t end = 8;
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    header += ",\"" + tensor.name + R"(":{"dtype":"F32","shape":[)";
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    int64_t begin = end;
    end += 4 * tensor.numElements();
    header += "],\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(end) + "]}";
  }
  return safetensorsFile(header + "}", std::string(end, '\0'));
}

/// What is told of a file with tensor `extra`.
std::string warnings(StringRef extra) {
  ModelSpec spec = parseGood(
      R"([{"out_channels": 4}, {"out_channels": 4, "batch_norm": false}])");
  Errors errors;
  FailureOr<WeightStore> store = openText(fileFor(spec, extra), errors);
  EXPECT_TRUE(succeeded(store)) << errors.str();
  if (succeeded(store))
    EXPECT_TRUE(succeeded(checkWeights(spec, std::move(*store), errors)));
  return errors.str();
}

TEST(StemFields, CountOfBatches) {
  EXPECT_EQ(warnings("stem.0.bn.num_batches_tracked"), "");
  EXPECT_EQ(warnings("stem.1.bn.num_batches_tracked"),
            "warning: w.safetensors: header: the model does not use 1 tensor: "
            "stem.1.bn.num_batches_tracked\n");
}

} // namespace
