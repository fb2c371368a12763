//===- HuggingFaceTest.cpp - Folders that transformers wrote --------------===//

#include "TestFolder.h"

#include "moe/Import/ModelWeights.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

/// `id2label` of that many classes, not in order.
std::string labelsOf(int count) {
  std::string text = "{";
  for (int i = count - 1; i >= 0; --i)
    text += "\"" + std::to_string(i) + "\": \"class " + std::to_string(i) +
            (i ? "\", " : "\"");
  return text + "}";
}

/// google/vit-base-patch16-224, without its names of classes.
const Fields base = {{"_name_or_path", "\"google/vit-base-patch16-224\""},
                     {"architectures", "[\"ViTForImageClassification\"]"},
                     {"attention_probs_dropout_prob", "0.0"},
                     {"hidden_act", "\"gelu\""},
                     {"hidden_dropout_prob", "0.0"},
                     {"hidden_size", "768"},
                     {"image_size", "224"},
                     {"initializer_range", "0.02"},
                     {"intermediate_size", "3072"},
                     {"layer_norm_eps", "1e-12"},
                     {"model_type", "\"vit\""},
                     {"num_attention_heads", "12"},
                     {"num_channels", "3"},
                     {"num_hidden_layers", "12"},
                     {"patch_size", "16"},
                     {"qkv_bias", "true"},
                     {"transformers_version", "\"4.13.0.dev0\""}};

const Fields tiny = {{"hidden_size", "192"},
                     {"intermediate_size", "768"},
                     {"num_attention_heads", "3"},
                     {"encoder_stride", "16"},
                     {"torch_dtype", "\"float32\""}};

const char *const vitProcessor = R"({
  "do_normalize": true, "do_resize": true,
  "feature_extractor_type": "ViTFeatureExtractor",
  "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
  "resample": 2, "size": 224})";

/// facebook/deit-tiny-patch16-224 and the distilled one.
const Fields deitProcessor = {
    {"crop_size", "224"},
    {"do_center_crop", "true"},
    {"do_normalize", "true"},
    {"do_resize", "true"},
    {"feature_extractor_type", "\"DeiTFeatureExtractor\""},
    {"image_mean", "[0.485, 0.456, 0.406]"},
    {"image_std", "[0.229, 0.224, 0.225]"},
    {"resample", "3"},
    {"size", "256"}};

Fields operator+(Fields fields, const Fields &changes) {
  for (const auto &[key, value] : changes) {
    if (value.empty())
      fields.erase(key);
    else
      fields[key] = value;
  }
  return fields;
}

class HuggingFace : public TestFolder {
protected:
  ModelSpec parse(const Fields &config, StringRef processor = vitProcessor) {
    write("config.json", toJson(config));
    write("preprocessor_config.json", processor);
    Errors errors;
    FailureOr<ModelSpec> spec = parseModelSpec(folder, errors);
    EXPECT_TRUE(succeeded(spec) && errors.list.empty()) << errors.str();
    return succeeded(spec) ? *spec : ModelSpec();
  }

  void expectError(const Fields &config, StringRef processor, StringRef file,
                   StringRef where, StringRef part) {
    write("config.json", toJson(config));
    write("preprocessor_config.json", processor);
    Errors errors;
    EXPECT_TRUE(failed(parseModelSpec(folder, errors)));
    expectOneError(errors, where, part);
    ASSERT_FALSE(errors.list.empty());
    EXPECT_EQ(errors.list[0].file, pathOf(file));
  }
  void expectConfigError(const Fields &changes, StringRef where,
                         StringRef part) {
    expectError(base + changes, vitProcessor, "config.json", where, part);
  }
  void expectProcessorError(const Fields &changes, StringRef where,
                            StringRef part) {
    expectError(base, toJson(deitProcessor + changes),
                "preprocessor_config.json", where, part);
  }
};

TEST_F(HuggingFace, ViTBase) {
  ModelSpec spec = parse(base + Fields{{"id2label", labelsOf(1000)}});
  EXPECT_EQ(spec.displayName, llvm::sys::path::filename(folder).str());
  EXPECT_EQ(spec.hiddenSize, 768);
  EXPECT_EQ(spec.numLayers, 12);
  EXPECT_EQ(spec.layerNormEps, 1e-12);
  EXPECT_TRUE(spec.classToken && spec.qkvBias && spec.hasHead);
  EXPECT_FALSE(spec.distillationToken);
  EXPECT_EQ(spec.pool, ModelSpec::Pool::Cls);
  EXPECT_EQ(spec.numClasses, 1000);
  ASSERT_EQ(spec.labels.size(), 1000u);
  EXPECT_EQ(spec.labels[7], "class 7");
  EXPECT_EQ(spec.weightsPath, pathOf("model.safetensors"));
  EXPECT_FALSE(spec.preprocess.resize || spec.preprocess.squash);
  EXPECT_FALSE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(spec.preprocess.std, (std::vector<float>{0.5f, 0.5f, 0.5f}));
}

/// google/vit-base-patch16-224-in21k, and the processor as transformers 4.26
/// and later write it, with fields that were not given.
TEST_F(HuggingFace, Features) {
  ModelSpec spec =
      parse(base + Fields{{"architectures", "[\"ViTModel\"]"}}, R"({
    "crop_size": null, "do_center_crop": null, "do_convert_rgb": null,
    "do_normalize": true, "do_rescale": true, "do_resize": true,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessorFast", "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224}})");
  EXPECT_FALSE(spec.hasHead);
  EXPECT_EQ(spec.numClasses, 768);
  EXPECT_TRUE(spec.labels.empty());
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  spec = parse(base + Fields{{"architectures", "[\"DeiTModel\"]"},
                             {"model_type", "\"deit\""}});
  EXPECT_TRUE(spec.distillationToken);
  EXPECT_FALSE(spec.hasHead || spec.distillationHead);
}

/// WinKawaks/vit-tiny-patch16-224.
TEST_F(HuggingFace, ViTTiny) {
  ModelSpec spec = parse(base + tiny + Fields{{"id2label", labelsOf(1000)}});
  EXPECT_EQ(spec.hiddenSize, 192);
  EXPECT_EQ(spec.numHeads, 3);
  EXPECT_EQ(spec.intermediateSize, 768);
  // 5.7 million parameters, as its authors say.
  EXPECT_EQ(countParameters(spec), 5717416);
}

/// facebook/deit-tiny-patch16-224 is a ViT with DeiT's processor, which takes
/// no notice of an image's shape.
TEST_F(HuggingFace, DeiTTiny) {
  ModelSpec spec =
      parse(base + tiny + Fields{{"qkv_bias", ""}}, toJson(deitProcessor));
  EXPECT_FALSE(spec.distillationToken);
  EXPECT_TRUE(spec.qkvBias);
  EXPECT_EQ(spec.preprocess.squash, std::pair(int64_t(256), int64_t(256)));
  EXPECT_TRUE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>{0.485f, 0.456f, 0.406f}));
  EXPECT_EQ(spec.preprocess.std, (std::vector<float>{0.229f, 0.224f, 0.225f}));
  // transformers writes no names if there are two classes.
  EXPECT_EQ(spec.numClasses, 2);
  EXPECT_TRUE(spec.labels.empty());
}

TEST_F(HuggingFace, Distilled) {
  Fields deit =
      base + tiny +
      Fields{{"model_type", "\"deit\""},
             {"id2label", labelsOf(10)},
             {"architectures", "[\"DeiTForImageClassificationWithTeacher\"]"}};
  ModelSpec spec = parse(deit, toJson(deitProcessor));
  EXPECT_TRUE(spec.distillationToken && spec.distillationHead && spec.hasHead);
  EXPECT_EQ(spec.numClasses, 10);
  spec = parse(
      deit + Fields{{"architectures", "[\"DeiTForImageClassification\"]"}},
      toJson(deitProcessor));
  EXPECT_TRUE(spec.distillationToken && spec.hasHead);
  EXPECT_FALSE(spec.distillationHead);
}

/// What ViTConfig() is.
TEST_F(HuggingFace, Defaults) {
  Fields config = {{"model_type", "\"vit\""},
                   {"architectures", "[\"ViTForImageClassification\"]"},
                   {"hidden_size", "null"}};
  ModelSpec spec = parse(config, "{}"), expected = parse(base);
  EXPECT_EQ(spec.imageHeight, expected.imageHeight);
  EXPECT_EQ(spec.patchWidth, expected.patchWidth);
  EXPECT_EQ(spec.hiddenSize, expected.hiddenSize);
  EXPECT_EQ(spec.numLayers, expected.numLayers);
  EXPECT_EQ(spec.numHeads, expected.numHeads);
  EXPECT_EQ(spec.intermediateSize, expected.intermediateSize);
  EXPECT_EQ(spec.layerNormEps, expected.layerNormEps);
  EXPECT_EQ(spec.preprocess.mean, expected.preprocess.mean);
  config["model_type"] = "\"deit\"";
  config["architectures"] = "[\"DeiTForImageClassification\"]";
  config["num_labels"] = "7";
  spec = parse(config, "{}");
  EXPECT_EQ(spec.preprocess.squash, std::pair(int64_t(256), int64_t(256)));
  EXPECT_TRUE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.numClasses, 7);
}

TEST_F(HuggingFace, Activations) {
  const std::pair<const char *, ModelSpec::Activation> cases[] = {
      {"gelu", ModelSpec::Activation::Gelu},
      {"gelu_new", ModelSpec::Activation::GeluTanh},
      {"gelu_pytorch_tanh", ModelSpec::Activation::GeluTanh},
      {"gelu_fast", ModelSpec::Activation::GeluTanh},
      {"quick_gelu", ModelSpec::Activation::QuickGelu},
      {"relu", ModelSpec::Activation::Relu},
      {"silu", ModelSpec::Activation::Silu},
      {"swish", ModelSpec::Activation::Silu}};
  for (auto [name, activation] : cases)
    EXPECT_EQ(
        parse(base + Fields{{"hidden_act", "\"" + std::string(name) + "\""}})
            .activation,
        activation);
  expectConfigError({{"hidden_act", "\"mish\""}}, "hidden_act",
                    "found \"mish\"");
}

/// Fields of a specification may be added, and they count.
TEST_F(HuggingFace, OwnFields) {
  using List = std::vector<std::string>;
  ModelSpec spec = parse(base + Fields{{"name", "\"other\""},
                                       {"id2label", labelsOf(2)},
                                       {"labels", "[\"a\", \"b\"]"},
                                       {"preprocess", R"({"resize": 300})"},
                                       {"weights", "\"w.safetensors\""}},
                         "not read");
  EXPECT_EQ(spec.name, "other");
  EXPECT_EQ(spec.labels, (List{"a", "b"}));
  EXPECT_EQ(spec.preprocess.resize, 300);
  EXPECT_EQ(spec.weightsPath, pathOf("w.safetensors"));
  EXPECT_EQ(spec.files, List{pathOf("config.json")});
  spec = parse(base + Fields{{"num_classes", "5"}, {"id2label", labelsOf(2)}});
  EXPECT_EQ(spec.numClasses, 5);
  EXPECT_TRUE(spec.labels.empty());
  EXPECT_EQ(spec.files,
            (List{pathOf("config.json"), pathOf("preprocessor_config.json")}));
}

TEST_F(HuggingFace, Preprocessing) {
  auto preprocess = [&](const Fields &changes) {
    return parse(base, toJson(deitProcessor + changes)).preprocess;
  };
  PreprocessSpec spec = preprocess({{"size", R"({"shortest_edge": 248})"}});
  EXPECT_EQ(spec.resize, 248);
  EXPECT_FALSE(spec.squash);
  spec = preprocess({{"size", R"({"height": 230, "width": 240})"},
                     {"crop_size", R"({"height": 224, "width": 224})"}});
  EXPECT_EQ(spec.squash, std::pair(int64_t(230), int64_t(240)));
  // Nothing to cut off.
  spec = preprocess({{"size", "224"}});
  EXPECT_FALSE(spec.squash || spec.resize);
  // Without the division by 255 a pixel is that much larger.
  spec = preprocess({{"do_rescale", "false"},
                     {"image_mean", "127.5"},
                     {"image_std", "[51, 51, 255]"}});
  EXPECT_EQ(spec.mean, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(spec.std, (std::vector<float>{0.2f, 0.2f, 1.0f}));
  // Pixels from 0 to 2 and nothing else.
  spec = preprocess(
      {{"do_normalize", "false"}, {"rescale_factor", "0.00784313725490196"}});
  EXPECT_EQ(spec.mean, (std::vector<float>{0.0f, 0.0f, 0.0f}));
  EXPECT_FLOAT_EQ(spec.std[0], 0.5f);
}

TEST_F(HuggingFace, NoProcessor) {
  write("config.json", toJson(base));
  Errors errors;
  FailureOr<ModelSpec> spec = parseModelSpec(folder, errors);
  ASSERT_TRUE(succeeded(spec));
  ASSERT_EQ(errors.list.size(), 1u);
  EXPECT_EQ(errors.list[0].severity, InputError::Severity::Warning);
  EXPECT_EQ(errors.list[0].file, pathOf("preprocessor_config.json"));
  EXPECT_EQ(spec->preprocess.mean, (std::vector<float>(3, 0.0f)));
  EXPECT_EQ(spec->files, std::vector<std::string>{pathOf("config.json")});
}

TEST_F(HuggingFace, ConfigErrors) {
  auto expect = [&](const char *field, const char *value, StringRef where,
                    StringRef part) {
    expectConfigError({{field, value}}, where, part);
  };
  expect("architectures", "[\"ViTForMaskedImageModeling\"]", "architectures[0]",
         "found \"ViTForMaskedImageModeling\"");
  expect("id2label", R"({"0": "a", "2": "b"})", "id2label.2", "from 0 to 1");
  expect("id2label", R"({"0": "a", "00": "b"})", "id2label.00", "index");
  expect("id2label", R"({"0": "a", "-1": "b"})", "id2label.-1", "index");
  expect("id2label", R"({"0": "a", "1": 5})", "id2label.1", "found 5");
  expect("id2label", R"({"0": "a\u0000"})", "id2label.0", "NUL");
  expect("id2label", "{}", "id2label", "found 0");
  expect("id2label", "[\"a\"]", "id2label", "expected an object");
  expect("num_labels", "0", "num_labels", "found 0");
  expect("patch_size", "15", "image_size", "multiple of patch_size");
  expect("hidden_size", "0", "hidden_size", "found 0");
  expect("layer_norm_eps", "\"1\"", "layer_norm_eps", "number");
  expect("qkv_bias", "1", "qkv_bias", "true or false");
}

TEST_F(HuggingFace, ProcessorErrors) {
  auto expect = [&](const char *field, const char *value, StringRef where,
                    StringRef part) {
    expectProcessorError({{field, value}}, where, part);
  };
  expect("resample", "0", "resample", "2 (bilinear) or 3 (bicubic), found 0");
  expect("resample", "1", "resample", "found 1");
  expect("resample", "\"bicubic\"", "resample", "found \"bicubic\"");
  expect("do_resize", "false", "do_resize", "found false");
  expect("do_center_crop", "1", "do_center_crop", "true or false");
  expect("crop_size", "225", "crop_size", "224 x 224, found 225 x 225");
  expect("do_center_crop", "false", "size", "224 x 224, found 256 x 256");
  expect("size", "223", "size", "no less than crop_size");
  expect("size", R"({"shortest_edge": 223})", "size", "no less");
  expect("size", R"({"longest_edge": 256})", "size", "\"longest_edge\"");
  expect("size", R"({"height": 256})", "size.width", "missing");
  expect("size", R"({"height": 1e9, "width": 256})", "size.height", "1e9");
  expect("size", R"({"shortest_edge": 256, "width": 256})", "size", "both");
  expect("size", "[256, 256]", "size", "found a list");
  expect("image_mean", "[0.5]", "image_mean", "3 channels, found 1");
  expect("image_mean", "[0.5, 0.5, null]", "image_mean[2]", "found null");
  expect("image_std", "[1, 1, 0]", "image_std", "above 0");
  expect("image_std", "-1", "image_std", "above 0");
  expect("rescale_factor", "0", "rescale_factor", "above 0");
  expect("rescale_factor", "1e-39", "rescale_factor", "above 0");
  expectProcessorError({{"rescale_factor", "1e-30"}, {"image_std", "1e30"}},
                       "image_std", "range");
  expect("feature_extractor_type", "\"CLIPFeatureExtractor\"",
         "feature_extractor_type", "\"CLIPFeatureExtractor\"");
  for (auto [text, where, part] :
       {std::tuple("[]", "top level", "expected an object"),
        std::tuple("{", "line 1, column 2", "not valid JSON"),
        std::tuple("{\"size\": 1, \"size\": 2}", "size", "twice")})
    expectError(base, text, "preprocessor_config.json", where, part);
  std::string deep(1000000, '[');
  expectError(base, deep, "preprocessor_config.json", "top level", "levels");
}

/// A file that names no class of transformers is a specification, as is one of
/// another library.
TEST_F(HuggingFace, OtherConfigs) {
  for (const char *architectures :
       {"[]", "[\"MyModel\"]", "[5]", "\"ViTModel\"", "null"}) {
    write("config.json", specText({{"model_type", "\"vit\""},
                                   {"architectures", architectures},
                                   {"num_classes", ""}}));
    Errors errors;
    FailureOr<ModelSpec> spec = parseModelSpec(folder, errors);
    ASSERT_TRUE(succeeded(spec)) << errors.str();
    EXPECT_EQ(spec->numClasses, 1000);
    EXPECT_EQ(spec->layerNormEps, 1e-6);
  }
}

/// What the architecture says is not overruled in silence.
TEST_F(HuggingFace, FieldsOfArchitecture) {
  for (const char *key : {"head", "distillation_token", "distillation_head"})
    expectConfigError({{key, "true"}}, key, "beside architectures");
}

/// A processor that nobody reads is told of.
TEST_F(HuggingFace, UnusedProcessor) {
  write("preprocessor_config.json", vitProcessor);
  write("config.json", specText({{"model_type", "\"vit_msn\""}}));
  Errors errors;
  ASSERT_TRUE(succeeded(parseModelSpec(folder, errors))) << errors.str();
  ASSERT_EQ(errors.list.size(), 1u);
  EXPECT_EQ(errors.list[0].severity, InputError::Severity::Warning);
  EXPECT_EQ(errors.list[0].where, "architectures");
}

TEST_F(HuggingFace, ChangedBytes) {
  std::string config = toJson(base + Fields{{"id2label", labelsOf(3)}}),
              processor = toJson(deitProcessor);
  write("preprocessor_config.json", processor);
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i != 3000; ++i) {
    // Files take most of the time.
    bool isProcessor = i % 10 == 0;
    if (isProcessor)
      write("preprocessor_config.json", changeBytes(processor, random));
    Errors errors;
    FailureOr<ModelSpec> spec =
        parseModelSpecText(isProcessor ? config : changeBytes(config, random),
                           pathOf("config.json"), errors);
    if (isProcessor)
      write("preprocessor_config.json", processor);
    // One error at most; and a warning, where the architecture is no longer
    // one.
    auto isError = [](const InputError &error) {
      return error.severity == InputError::Severity::Error;
    };
    ASSERT_EQ(llvm::count_if(errors.list, isError), failed(spec) ? 1 : 0)
        << errors.str();
    ASSERT_LE(errors.list.size(), 2u) << errors.str();
    if (failed(spec))
      continue;
    ++accepted;
    ASSERT_EQ(spec->preprocess.mean.size(), size_t(spec->numChannels));
    for (float deviation : spec->preprocess.std)
      ASSERT_GT(deviation, 0);
  }
  EXPECT_GT(accepted, 100);
}

} // namespace
