//===- ModelSpecTest.cpp - The rules of the specification -----------------===//

#include "TestFolder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

ModelSpec parseGood(const std::string &text,
                    StringRef path = "folder/tiny.json") {
  Errors errors;
  FailureOr<ModelSpec> spec = parseModelSpecText(text, path, errors);
  EXPECT_TRUE(succeeded(spec)) << text << "\n" << errors.str();
  EXPECT_EQ(errors.str(), "");
  return succeeded(spec) ? *spec : ModelSpec();
}

/// Expects exactly one error, at `where`, whose message has `part`.
void expectError(const std::string &text, StringRef where, StringRef part) {
  Errors errors;
  FailureOr<ModelSpec> spec =
      parseModelSpecText(text, "folder/tiny.json", errors);
  EXPECT_TRUE(failed(spec)) << text;
  expectOneError(errors, where, part);
  ASSERT_FALSE(errors.list.empty());
  EXPECT_EQ(errors.list[0].file, "folder/tiny.json");
}

struct Case {
  Fields changes;
  const char *where;
  const char *part;
};

void expectErrors(ArrayRef<Case> cases) {
  for (const Case &c : cases)
    expectError(specText(c.changes), c.where, c.part);
}

//===----------------------------------------------------------------------===//
// What is accepted
//===----------------------------------------------------------------------===//

TEST(ModelSpec, Defaults) {
  ModelSpec spec = parseGood(specText({{"num_classes", ""}}));
  EXPECT_EQ(spec.name, "tiny");
  EXPECT_EQ(spec.displayName, "tiny");
  EXPECT_EQ(spec.imageHeight, 8);
  EXPECT_EQ(spec.imageWidth, 8);
  EXPECT_EQ(spec.patchHeight, 4);
  EXPECT_EQ(spec.patchWidth, 4);
  EXPECT_EQ(spec.numChannels, 3);
  EXPECT_EQ(spec.hiddenSize, 8);
  EXPECT_EQ(spec.numLayers, 2);
  EXPECT_EQ(spec.numHeads, 2);
  EXPECT_EQ(spec.headSize(), 4);
  EXPECT_EQ(spec.intermediateSize, 16);
  EXPECT_TRUE(spec.qkvBias);
  EXPECT_EQ(spec.activation, ModelSpec::Activation::Gelu);
  EXPECT_EQ(spec.layerNormEps, 1e-6);
  EXPECT_TRUE(spec.classToken);
  EXPECT_EQ(spec.pool, ModelSpec::Pool::Cls);
  EXPECT_EQ(spec.numClasses, 1000);
  EXPECT_FALSE(spec.moe);
  EXPECT_FALSE(spec.isMoELayer(0));
  EXPECT_EQ(spec.weightsPath, "folder/model.safetensors");
  EXPECT_TRUE(spec.labels.empty());
  EXPECT_FALSE(spec.preprocess.resize);
  EXPECT_FALSE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, std::vector<float>(3, 0.0f));
  EXPECT_EQ(spec.preprocess.std, std::vector<float>(3, 1.0f));
  EXPECT_EQ(spec.numPatches(), 4);
  EXPECT_EQ(spec.numTokens(), 5);
}

TEST(ModelSpec, EveryField) {
  ModelSpec spec = parseGood(
      specText({{"name", "\"My model\""},
                {"image_size", "[8, 12]"},
                {"patch_size", "[4, 3]"},
                {"num_channels", "1"},
                {"qkv_bias", "false"},
                {"hidden_act", "\"silu\""},
                {"layer_norm_eps", "1e-5"},
                {"class_token", "false"},
                {"num_classes", "2"},
                {"weights", "\"../w.safetensors\""},
                {"labels", "[\"cat\", \"d\\u00f6g\"]"},
                {"preprocess", R"({"resize": 13, "interpolation": "bicubic",
                          "mean": [0.5], "std": [0.25]})"},
                {"moe", R"({"layers": [1, 0], "num_experts": 4, "top_k": 2,
                   "router": {"placement": "per_layer", "input": "mean",
                              "bias": true, "normalize": true}})"}}));
  EXPECT_EQ(spec.name, "My_model");
  EXPECT_EQ(spec.displayName, "My model");
  EXPECT_EQ(spec.imageHeight, 8);
  EXPECT_EQ(spec.imageWidth, 12);
  EXPECT_EQ(spec.patchHeight, 4);
  EXPECT_EQ(spec.patchWidth, 3);
  EXPECT_EQ(spec.numTokens(), 8);
  EXPECT_EQ(spec.numChannels, 1);
  EXPECT_FALSE(spec.qkvBias);
  EXPECT_EQ(spec.activation, ModelSpec::Activation::Silu);
  EXPECT_EQ(spec.layerNormEps, 1e-5);
  EXPECT_EQ(spec.pool, ModelSpec::Pool::Mean);
  EXPECT_EQ(spec.weightsPath, "folder/../w.safetensors");
  EXPECT_EQ(spec.labels, (std::vector<std::string>{"cat", "d\xc3\xb6g"}));
  EXPECT_EQ(spec.preprocess.resize, 13);
  EXPECT_TRUE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, std::vector<float>{0.5f});
  EXPECT_EQ(spec.preprocess.std, std::vector<float>{0.25f});
  ASSERT_TRUE(spec.moe);
  EXPECT_EQ(spec.moe->layers, (SmallVector<int64_t>{0, 1}));
  EXPECT_EQ(spec.moe->numExperts, 4);
  EXPECT_EQ(spec.moe->topK, 2);
  EXPECT_EQ(spec.moe->routing, MoESpec::Routing::Image);
  EXPECT_EQ(spec.moe->placement, MoESpec::Placement::PerLayer);
  EXPECT_EQ(spec.moe->routerInput, MoESpec::RouterInput::Mean);
  EXPECT_TRUE(spec.moe->routerBias);
  EXPECT_TRUE(spec.moe->normalize);
}

TEST(ModelSpec, Activations) {
  const std::pair<const char *, ModelSpec::Activation> cases[] = {
      {"gelu", ModelSpec::Activation::Gelu},
      {"gelu_tanh", ModelSpec::Activation::GeluTanh},
      {"quick_gelu", ModelSpec::Activation::QuickGelu},
      {"relu", ModelSpec::Activation::Relu},
      {"silu", ModelSpec::Activation::Silu},
      {"hardswish", ModelSpec::Activation::Hardswish}};
  for (auto [name, activation] : cases)
    EXPECT_EQ(
        parseGood(specText({{"hidden_act", "\"" + std::string(name) + "\""}}))
            .activation,
        activation);
}

TEST(ModelSpec, MoEDefaults) {
  ModelSpec spec =
      parseGood(specText({{"moe", R"({"layers": [1], "num_experts": 2})"}}));
  EXPECT_EQ(spec.moe->topK, 1);
  EXPECT_EQ(spec.moe->routing, MoESpec::Routing::Image);
  EXPECT_EQ(spec.moe->placement, MoESpec::Placement::Shared);
  EXPECT_EQ(spec.moe->routerInput, MoESpec::RouterInput::Cls);
  EXPECT_FALSE(spec.moe->routerBias);
  EXPECT_FALSE(spec.moe->normalize);
  EXPECT_FALSE(spec.moe->capacityFactor);
  EXPECT_EQ(spec.moe->capacityMultipleOf, 1);
  EXPECT_FALSE(spec.moe->batchPriority);
  EXPECT_FALSE(spec.isMoELayer(0));
  EXPECT_TRUE(spec.isMoELayer(1));

  spec = parseGood(specText({{"class_token", "false"},
                             {"moe", R"({"layers": [1], "num_experts": 2})"}}));
  EXPECT_EQ(spec.moe->routerInput, MoESpec::RouterInput::Mean);

  spec = parseGood(specText({{"moe", R"({"layers": [1], "num_experts": 2,
                                         "routing": "patch"})"}}));
  EXPECT_EQ(spec.moe->placement, MoESpec::Placement::PerLayer);
}

TEST(ModelSpec, MoELayerForms) {
  auto layers = [](const char *form) {
    return parseGood(specText({{"num_hidden_layers", "6"},
                               {"moe", std::string(R"({"layers": )") + form +
                                           R"(, "num_experts": 2})"}}))
        .moe->layers;
  };
  using List = SmallVector<int64_t>;
  EXPECT_EQ(layers("[5, 0, 3]"), (List{0, 3, 5}));
  EXPECT_EQ(layers("{\"last\": 2}"), (List{4, 5}));
  EXPECT_EQ(layers("{\"last\": 6}"), (List{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(layers("{\"every\": 1}"), (List{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(layers("{\"every\": 2}"), (List{1, 3, 5}));
  EXPECT_EQ(layers("{\"every\": 4}"), (List{3}));
  EXPECT_EQ(layers("{\"every\": 6}"), (List{5}));
}

TEST(ModelSpec, Capacity) {
  // 4 patches and a class token: 5 tokens.
  auto capacity = [](const std::string &extra) {
    return parseGood(specText({{"moe", R"({"layers": [1], "num_experts": 4,
                                           "routing": "patch")" +
                                           extra + "}"}}))
        .expertCapacity();
  };
  EXPECT_EQ(capacity(""), 5);
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1.0)"), 2); // ceil(1.25)
  EXPECT_EQ(capacity(R"(, "capacity_factor": 0.8)"), 1); // ceil(1.0)
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1e-30)"), 1);
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1e30)"), 5);
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1, "top_k": 3)"), 4); // 3.75
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1, "capacity_multiple_of": 4)"),
            4);
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1, "capacity_multiple_of": 8)"),
            5);
  EXPECT_EQ(capacity(R"(, "capacity_factor": 1,
                          "router": {"batch_priority": true})"),
            2);
}

TEST(ModelSpec, PatchOnlyFieldsMayHaveTheirDefaults) {
  parseGood(specText({{"moe", R"({"layers": [1], "num_experts": 2,
                                  "capacity_multiple_of": 1,
                                  "router": {"batch_priority": false}})"}}));
}

TEST(ModelSpec, Identifiers) {
  const std::pair<const char *, const char *> cases[] = {
      {"vit", "vit"},
      {"ViT-B/16", "ViT_B_16"},
      {"3d", "_3d"},
      {"int", "_int"},
      {"while", "_while"},
      {"restrict", "_restrict"},
      {"_Bool", "__Bool"},
      {"Int", "Int"},
      {"d\xc3\xb6g", "d_g"},
      {"\xf0\x9f\x90\x88", "_"},
      {"a b\nc", "a_b_c"},
      {"class", "class"},
      {"", ""},
      {"-", "_"}};
  for (auto [text, identifier] : cases)
    EXPECT_EQ(makeCIdentifier(text), identifier);
}

TEST(ModelSpec, DefaultNames) {
  const std::pair<const char *, const char *> cases[] = {
      {"x/y.json", "y"},
      {"y.v2.json", "y_v2"},
      {"/models/my-vit/config.json", "my_vit"},
      {"/models/my-vit/./config.json", "my_vit"},
      {"/models/my-vit/sub/../config.json", "my_vit"}};
  for (auto [path, name] : cases)
    EXPECT_EQ(parseGood(specText(), path).name, name);
  // The folder that the process is in.
  SmallString<128> cwd;
  ASSERT_FALSE(llvm::sys::fs::current_path(cwd));
  EXPECT_EQ(parseGood(specText(), "config.json").displayName,
            llvm::sys::path::filename(cwd).str());

  Errors errors;
  EXPECT_TRUE(failed(parseModelSpecText(specText(), "/config.json", errors)));
  ASSERT_EQ(errors.list.size(), 1u);
  EXPECT_EQ(errors.list[0].where, "name");
}

TEST(ModelSpec, AbsoluteWeights) {
  EXPECT_EQ(
      parseGood(specText({{"weights", "\"/w/a.safetensors\""}})).weightsPath,
      "/w/a.safetensors");
  EXPECT_EQ(parseGood(specText(), "tiny.json").weightsPath,
            "model.safetensors");
}

TEST(ModelSpec, HuggingFaceConfig) {
  ModelSpec spec = parseGood(specText({{"model_type", "\"vit\""},
                                       {"architectures", "[\"ViT\"]"},
                                       {"torch_dtype", "null"},
                                       {"num_classes", ""},
                                       {"id2label", R"({"0": "a", "1": "b"})"},
                                       {"layer_norm_eps", "1e-12"}}));
  EXPECT_EQ(spec.numClasses, 2);
  EXPECT_EQ(spec.layerNormEps, 1e-12);
  // Ours wins.
  EXPECT_EQ(parseGood(specText({{"model_type", "\"vit\""},
                                {"id2label", R"({"0": "a"})"}}))
                .numClasses,
            3);
  EXPECT_EQ(
      parseGood(specText({{"model_type", "\"vit\""}, {"num_classes", ""}}))
          .numClasses,
      1000);
  expectErrors(
      {{{{"model_type", "5"}}, "model_type", "string"},
       {{{"id2label", "{}"}}, "id2label", "unknown field"},
       {{{"model_type", "\"vit\""}, {"num_classes", ""}, {"id2label", "{}"}},
        "id2label",
        "expected"}});
}

//===----------------------------------------------------------------------===//
// What is not
//===----------------------------------------------------------------------===//

TEST(ModelSpec, Syntax) {
  expectError("", "line 1, column 1", "not valid JSON");
  expectError("{\n  \"a\": 1,\n  x\n}", "line 3, column 3", "not valid JSON");
  expectError("{\"a\": 1", "line 1, column 8", "not valid JSON");
  expectError("{} {}", "line 1, column 4", "not valid JSON");
  expectError(std::string("{}\0x", 4), "line 1, column 3", "NUL");
  expectError("{\"a\": \"\xff\"}", "line 1, column 8", "not valid JSON");
  expectError("{\"a\": 1e999}", "line 1, column 11", "not valid JSON");
  expectError("// c\n{}", "line 1, column 1", "not valid JSON");
  expectError("[1]", "top level", "expected an object, found a list");
  expectError("null", "top level", "found null");
  expectError(specText({{"name", "\"a\", \"name\": \"b\""}}), "name", "twice");
  expectError(
      specText({{"moe", R"({"router": {"bias": true, "bias": true}})"}}),
      "moe.router.bias", "twice");
  expectError(specText({{"moe", R"([1, {"a b": 1, "a b": 2}])"}}),
              "moe[1].\"a b\"", "twice");
  for (const char *open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i != 1000000; ++i)
      deep += open;
    expectError(deep, "top level", "levels");
  }
  std::string many = "[";
  for (int i = 0; i != 2000000; ++i)
    many += "1,";
  expectError(many + "1]", "top level", "values");
}

TEST(ModelSpec, RequiredFields) {
  for (const char *field :
       {"image_size", "patch_size", "hidden_size", "num_hidden_layers",
        "num_attention_heads", "intermediate_size"})
    expectError(specText({{field, ""}}), field, "missing");
  expectError(specText({{"moe", R"({"num_experts": 2})"}}), "moe.layers",
              "missing");
  expectError(specText({{"moe", R"({"layers": [0]})"}}), "moe.num_experts",
              "missing");
}

TEST(ModelSpec, UnknownFields) {
  expectErrors(
      {{{{"hidden_sice", "8"}}, "hidden_sice", "unknown field"},
       {{{"a b", "8"}}, "\"a b\"", "unknown field"},
       {{{"", "8"}}, "\"\"", "unknown field"},
       {{{"moe", R"({"layers": [0], "num_experts": 2, "topk": 1})"}},
        "moe.topk",
        "top_k"},
       {{{"moe", R"({"layers": [0], "num_experts": 2,
                     "router": {"place": 1}})"}},
        "moe.router.place",
        "placement"},
       {{{"moe", R"({"layers": {"last": 1, "x": 1}, "num_experts": 2})"}},
        "moe.layers.x",
        "last, every"},
       {{{"preprocess", R"({"crop": 1})"}}, "preprocess.crop", "resize"}});
}

/// Every way to write something that is no integer from 1 to some limit.
TEST(ModelSpec, Integers) {
  for (const char *field :
       {"image_size", "patch_size", "num_channels", "hidden_size",
        "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "num_classes"})
    for (const char *value :
         {"0", "-1", "3.0", "1e2", "1e300", "1099511627776", "-1099511627776",
          "9223372036854775807", "9223372036854775808", "18446744073709551616",
          "-9223372036854775809", "true", "null", "\"8\"", "{}"})
      expectError(specText({{field, value}}), field, "found ");
  for (const char *field : {"image_size", "patch_size"}) {
    expectError(specText({{field, "[]"}}), field, "list of 0");
    expectError(specText({{field, "[8]"}}), field, "list of 1");
    expectError(specText({{field, "[8, 8, 8]"}}), field, "list of 3");
    std::string first = std::string(field) + "[0]",
                second = std::string(field) + "[1]";
    expectError(specText({{field, "[0, 8]"}}), first, "found 0");
    expectError(specText({{field, "[8, 8.5]"}}), second, "found 8.5");
    expectError(specText({{field, "[8, [8]]"}}), second, "found a list");
  }
  expectError(specText({{"hidden_size", "[8]"}}), "hidden_size",
              "found a list");
}

TEST(ModelSpec, WrongTypes) {
  expectErrors({{{{"name", "1"}}, "name", "expected a string, found 1"},
                {{{"qkv_bias", "1"}}, "qkv_bias", "true or false"},
                {{{"class_token", "\"yes\""}}, "class_token", "true or false"},
                {{{"hidden_act", "1"}}, "hidden_act", "found 1"},
                {{{"layer_norm_eps", "\"1\""}}, "layer_norm_eps", "number"},
                {{{"layer_norm_eps", "true"}}, "layer_norm_eps", "number"},
                {{{"pool", "null"}}, "pool", "found null"},
                {{{"moe", "[]"}}, "moe", "expected an object"},
                {{{"moe", "null"}}, "moe", "expected an object"},
                {{{"weights", "3"}}, "weights", "expected a string"},
                {{{"labels", "3"}}, "labels", "found 3"},
                {{{"labels", "[\"a\", 1, \"c\"]"}}, "labels[1]", "found 1"},
                {{{"preprocess", "3"}}, "preprocess", "expected an object"}});
}

TEST(ModelSpec, Values) {
  expectErrors(
      {{{{"name", "\"\""}}, "name", "empty"},
       {{{"name", "\"" + std::string(300, 'n') + "\""}}, "name", "200"},
       {{{"patch_size", "3"}}, "image_size", "multiple of patch_size"},
       {{{"patch_size", "[4, 16]"}}, "image_size", "found 8 x 8"},
       {{{"image_size", "16384"}, {"patch_size", "1"}}, "patch_size", "tokens"},
       // 65536 patches, and the class token is one too many.
       {{{"image_size", "256"}, {"patch_size", "1"}}, "patch_size", "65537"},
       {{{"num_attention_heads", "3"}}, "num_attention_heads", "divisor"},
       {{{"num_attention_heads", "16"}}, "num_attention_heads", "divisor"},
       {{{"hidden_act", "\"swish\""}},
        "hidden_act",
        "\"gelu\", \"gelu_tanh\", \"quick_gelu\", \"relu\", \"silu\", "
        "\"hardswish\", found \"swish\""},
       {{{"layer_norm_eps", "-1e-6"}}, "layer_norm_eps", "at least 0"},
       {{{"layer_norm_eps", "1e300"}}, "layer_norm_eps", "finite"},
       {{{"pool", "\"sum\""}}, "pool", "\"cls\", \"mean\""},
       {{{"pool", "\"cls\""}, {"class_token", "false"}}, "pool", "\"mean\""},
       {{{"weights", "\"\""}}, "weights", "expected a file"},
       {{{"weights", "\"a\\u0000b\""}}, "weights", "expected a file"},
       {{{"labels", "\"\""}}, "labels", "empty"},
       {{{"labels", "[]"}}, "labels", "expected 3 labels"},
       {{{"labels", "[\"a\", \"b\"]"}}, "labels", "found 2"},
       {{{"labels", "[\"a\", \"b\\u0000\", \"c\"]"}}, "labels[1]", "NUL"},
       {{{"hidden_size", "65536"},
         {"num_hidden_layers", "4096"},
         {"intermediate_size", "262144"}},
        "top level",
        "2^40"}});
  parseGood(specText(
      {{"image_size", "256"}, {"patch_size", "1"}, {"class_token", "false"}}));
  parseGood(specText({{"layer_norm_eps", "0"}}));
}

TEST(ModelSpec, Preprocess) {
  auto expect = [](const char *object, StringRef where, StringRef part) {
    expectError(specText({{"preprocess", object}}), where, part);
  };
  expect(R"({"resize": 7})", "preprocess.resize", "at least 8");
  expect(R"({"resize": 0})", "preprocess.resize", "found 0");
  expect(R"({"resize": [8, 7]})", "preprocess.resize", "8 x 8, found 8 x 7");
  expect(R"({"resize": [8]})", "preprocess.resize", "a list of 1");
  expect(R"({"resize": [8, 0]})", "preprocess.resize[1]", "found 0");
  expect(R"({"resize": 1e6})", "preprocess.resize", "found 1e6");
  expect(R"({"interpolation": "nearest"})", "preprocess.interpolation",
         "\"bilinear\", \"bicubic\"");
  expect(R"({"mean": 0.5})", "preprocess.mean", "list of 3 numbers");
  expect(R"({"mean": [0.5]})", "preprocess.mean", "found a list of 1");
  expect(R"({"mean": [0, 0, "0"]})", "preprocess.mean[2]", "finite number");
  expect(R"({"mean": [0, 1e300, 0]})", "preprocess.mean[1]", "finite number");
  expect(R"({"std": [1, 1, 1, 1]})", "preprocess.std", "found a list of 4");
  expect(R"({"std": [0, 1, 1]})", "preprocess.std[0]", "above 0");
  expect(R"({"std": [1, -1, 1]})", "preprocess.std[1]", "above 0");
  expect(R"({"std": [1, 1, 1e-60]})", "preprocess.std[2]", "above 0");
  expectError(
      specText({{"image_size", "[4, 8]"}, {"preprocess", R"({"resize": 4})"}}),
      "preprocess.resize", "at least 8");
  ModelSpec spec = parseGood(specText({{"preprocess", R"({"mean": [-1, 0, 0.5],
                                             "interpolation": "bilinear",
                                             "resize": 8})"}}));
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>{-1.0f, 0.0f, 0.5f}));
  EXPECT_EQ(spec.preprocess.resize, 8);
  EXPECT_FALSE(spec.preprocess.squash);
  spec = parseGood(specText({{"preprocess", R"({"resize": [9, 10]})"}}));
  EXPECT_EQ(spec.preprocess.squash, std::pair(int64_t(9), int64_t(10)));
  EXPECT_FALSE(spec.preprocess.resize);
}

TEST(ModelSpec, MoE) {
  struct MoECase {
    const char *layers;
    const char *rest;
    const char *where;
    const char *part;
  };
  const MoECase cases[] = {
      {"[]", "", "moe.layers", "at least one"},
      {"[0, 0]", "", "moe.layers[1]", "again"},
      {"[0, 2]", "", "moe.layers[1]", "from 0 to 1"},
      {"[-1]", "", "moe.layers[0]", "from 0 to 1"},
      {"[0.0]", "", "moe.layers[0]", "found 0.0"},
      {"[true]", "", "moe.layers[0]", "found true"},
      {"1", "", "moe.layers", "found 1"},
      {"\"all\"", "", "moe.layers", "found \"all\""},
      {"{}", "", "moe.layers", "neither"},
      {"{\"last\": 1, \"every\": 1}", "", "moe.layers", "both"},
      {"{\"last\": 0}", "", "moe.layers.last", "found 0"},
      {"{\"last\": 3}", "", "moe.layers.last", "from 1 to 2"},
      {"{\"last\": 1.0}", "", "moe.layers.last", "found 1.0"},
      {"{\"every\": 0}", "", "moe.layers.every", "found 0"},
      {"{\"every\": 3}", "", "moe.layers.every", "from 1 to 2"},
      {"[0]", R"("num_experts": 0)", "moe.num_experts", "found 0"},
      {"[0]", R"("num_experts": 4097)", "moe.num_experts", "4096"},
      {"[0]", R"("num_experts": 1099511627776)", "moe.num_experts", "4096"},
      {"[0]", R"("top_k": 0)", "moe.top_k", "found 0"},
      {"[0]", R"("top_k": 5)", "moe.top_k", "at most 4"},
      {"[0]", R"("top_k": 1.5)", "moe.top_k", "found 1.5"},
      {"[0]", R"("routing": "token")", "moe.routing", "\"image\", \"patch\""},
      {"[0]", R"("router": [])", "moe.router", "expected an object"},
      {"[0]", R"("router": {"placement": "x"})", "moe.router.placement",
       "\"shared\", \"per_layer\""},
      {"[0]", R"("routing": "patch", "router": {"placement": "shared"})",
       "moe.router.placement", "per_layer"},
      {"[0]", R"("router": {"input": "max"})", "moe.router.input", "\"mean\""},
      {"[0]", R"("routing": "patch", "router": {"input": "mean"})",
       "moe.router.input", "routing \"patch\""},
      {"[0]", R"("router": {"bias": 0})", "moe.router.bias", "found 0"},
      {"[0]", R"("router": {"normalize": null})", "moe.router.normalize",
       "found null"},
      {"[0]", R"("router": {"batch_priority": true})",
       "moe.router.batch_priority", "routing \"image\""},
      {"[0]", R"("capacity_factor": 1.0)", "moe.capacity_factor",
       "routing \"image\""},
      {"[0]", R"("capacity_multiple_of": 4)", "moe.capacity_multiple_of",
       "routing \"image\""},
      {"[0]", R"("routing": "patch", "capacity_factor": 0)",
       "moe.capacity_factor", "above 0"},
      {"[0]", R"("routing": "patch", "capacity_factor": -1.5)",
       "moe.capacity_factor", "above 0"},
      {"[0]", R"("routing": "patch", "capacity_factor": "1")",
       "moe.capacity_factor", "found \"1\""},
      {"[0]", R"("routing": "patch", "capacity_multiple_of": 0)",
       "moe.capacity_multiple_of", "found 0"},
      {"[0]", R"("routing": "patch", "capacity_multiple_of": 1.0)",
       "moe.capacity_multiple_of", "found 1.0"}};
  for (const MoECase &c : cases) {
    std::string rest = c.rest;
    if (rest.find("num_experts") == std::string::npos)
      rest += (rest.empty() ? "" : ", ") + std::string("\"num_experts\": 4");
    expectError(specText({{"moe", std::string("{\"layers\": ") + c.layers +
                                      ", " + rest + "}"}}),
                c.where, c.part);
  }
  expectError(specText({{"class_token", "false"},
                        {"moe", R"({"layers": [0], "num_experts": 2,
                                    "router": {"input": "cls"}})"}}),
              "moe.router.input", "class token");
  expectError(
      specText({{"num_hidden_layers", "17"}, {"moe", R"({"layers": {"every": 1},
                                    "num_experts": 4096})"}}),
      "moe.num_experts", "65536");
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

class ModelSpecFiles : public TestFolder {
protected:
  void expectFileError(StringRef path, StringRef file, StringRef where,
                       StringRef part) {
    Errors errors;
    EXPECT_TRUE(failed(parseModelSpec(path, errors)));
    ASSERT_EQ(errors.list.size(), 1u);
    EXPECT_EQ(errors.list[0].file, file.str());
    EXPECT_EQ(errors.list[0].where, where.str());
    EXPECT_TRUE(StringRef(errors.list[0].message).contains(part))
        << errors.str();
  }
};

TEST_F(ModelSpecFiles, FileAndFolder) {
  std::string file = write("some-vit.json", specText());
  Errors errors;
  FailureOr<ModelSpec> spec = parseModelSpec(file, errors);
  ASSERT_TRUE(succeeded(spec)) << errors.str();
  EXPECT_EQ(spec->name, "some_vit");

  write("config.json", specText());
  spec = parseModelSpec(folder, errors);
  ASSERT_TRUE(succeeded(spec)) << errors.str();
  EXPECT_EQ(spec->displayName, llvm::sys::path::filename(folder).str());
  EXPECT_EQ(spec->weightsPath, (folder + "/model.safetensors").str());
  // The same with a slash behind it.
  spec = parseModelSpec((folder + "/").str(), errors);
  ASSERT_TRUE(succeeded(spec)) << errors.str();
  EXPECT_EQ(spec->displayName, llvm::sys::path::filename(folder).str());
}

TEST_F(ModelSpecFiles, CannotBeOpened) {
  expectFileError(folder, folder, "file", "config.json");
  std::string none = (folder + "/none.json").str();
  expectFileError(none, none, "file", "cannot open");
  expectFileError("/dev/zero", "/dev/zero", "file", "regular file");
  std::string big = write("big.json", std::string((16 << 20) + 1, ' '));
  expectFileError(big, big, "file", "at most 16777216 bytes");
}

TEST_F(ModelSpecFiles, Labels) {
  auto labels = [&](StringRef contents) {
    write("labels.txt", contents);
    std::string file =
        write("m.json", specText({{"labels", "\"labels.txt\""}}));
    Errors errors;
    FailureOr<ModelSpec> spec = parseModelSpec(file, errors);
    EXPECT_TRUE(succeeded(spec)) << errors.str();
    if (failed(spec))
      return std::vector<std::string>();
    EXPECT_EQ(spec->files,
              (std::vector<std::string>{file, pathOf("labels.txt")}));
    return spec->labels;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(labels("a\nb\nc\n"), (List{"a", "b", "c"}));
  EXPECT_EQ(labels("a\nb\nc"), (List{"a", "b", "c"}));
  EXPECT_EQ(labels("a\r\nb b\r\nc\r\n"), (List{"a", "b b", "c"}));
  EXPECT_EQ(labels("\xef\xbb\xbf"
                   "a\n\nc\n"),
            (List{"a", "", "c"}));
}

TEST_F(ModelSpecFiles, BadLabels) {
  std::string spec = write("m.json", specText({{"labels", "\"l.txt\""}}));
  std::string path = (folder + "/l.txt").str();
  expectFileError(spec, path, "file", "cannot open");
  write("l.txt", "a\nb\n");
  expectFileError(spec, spec, "labels", "found 2 in \"l.txt\"");
  write("l.txt", "a\nb\nc\n\n");
  expectFileError(spec, spec, "labels", "found 4");
  write("l.txt", "a\n\xff\nc\n");
  expectFileError(spec, path, "line 2", "UTF-8");
  write("l.txt", StringRef("a\nb\n\0\n", 6));
  expectFileError(spec, path, "line 3", "NUL");
  write("l.txt", std::string(1000001, '\n'));
  expectFileError(spec, path, "line 1000001", "no more lines");
}

//===----------------------------------------------------------------------===//
// Anything
//===----------------------------------------------------------------------===//

TEST(ModelSpec, ChangedBytes) {
  const std::string good =
      specText({{"name", "\"d\\u00f6g\""},
                {"labels", "[\"a\", \"b\", \"c\"]"},
                {"preprocess", R"({"resize": 9, "mean": [0, 0.5, 1e-1]})"},
                {"moe", R"({"layers": {"last": 1}, "num_experts": 4, "top_k": 2,
                   "routing": "patch", "capacity_factor": 1.5,
                   "router": {"normalize": true}})"}});
  parseGood(good);
  std::mt19937 random(2);
  int accepted = 0;
  for (int i = 0; i != 20000; ++i) {
    std::string text = changeBytes(good, random);
    Errors errors;
    FailureOr<ModelSpec> spec = parseModelSpecText(text, "f.json", errors);
    // One error, or none and a model whose sizes can be used.
    ASSERT_EQ(errors.list.size(), failed(spec) ? 1u : 0u) << text;
    if (failed(spec))
      continue;
    ++accepted;
    ASSERT_GE(spec->numPatches(), 1);
    ASSERT_EQ(spec->headSize() * spec->numHeads, spec->hiddenSize);
    if (spec->moe) {
      ASSERT_GE(spec->expertCapacity(), 1);
    }
  }
  // The changes are small enough to get past the syntax.
  EXPECT_GT(accepted, 100);
}

} // namespace
