//===- TimmTest.cpp - Folders that timm wrote -----------------------------===//

#include "TestFolder.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

/// Each model of timm 1.0 that a specification can express: D, blocks, heads,
/// width of the MLP, patch, image and what else is not timm's default.
const std::pair<const char *, const char *> models[] = {
    {"vit_tiny_patch16_224", "192 12 3 768 16 224"},
    {"vit_tiny_patch16_384", "192 12 3 768 16 384"},
    {"vit_small_patch32_224", "384 12 6 1536 32 224"},
    {"vit_small_patch32_384", "384 12 6 1536 32 384"},
    {"vit_small_patch16_224", "384 12 6 1536 16 224"},
    {"vit_small_patch16_384", "384 12 6 1536 16 384"},
    {"vit_small_patch8_224", "384 12 6 1536 8 224"},
    {"vit_base_patch32_224", "768 12 12 3072 32 224"},
    {"vit_base_patch32_384", "768 12 12 3072 32 384"},
    {"vit_base_patch16_224", "768 12 12 3072 16 224"},
    {"vit_base_patch16_384", "768 12 12 3072 16 384"},
    {"vit_base_patch8_224", "768 12 12 3072 8 224"},
    {"vit_large_patch32_224", "1024 24 16 4096 32 224"},
    {"vit_large_patch32_384", "1024 24 16 4096 32 384"},
    {"vit_large_patch16_224", "1024 24 16 4096 16 224"},
    {"vit_large_patch16_384", "1024 24 16 4096 16 384"},
    {"vit_large_patch14_224", "1024 24 16 4096 14 224"},
    {"vit_huge_patch14_224", "1280 32 16 5120 14 224"},
    {"vit_giant_patch14_224", "1408 40 16 6144 14 224"},
    {"vit_gigantic_patch14_224", "1664 48 16 8192 14 224"},
    {"vit_base_patch16_224_miil", "768 12 12 3072 16 224 no_qkv_bias"},
    {"vit_medium_patch16_gap_240",
     "512 12 8 2048 16 240 no_qkv_bias no_class_token layer_scale mean"},
    {"vit_medium_patch16_gap_256",
     "512 12 8 2048 16 256 no_qkv_bias no_class_token layer_scale mean"},
    {"vit_medium_patch16_gap_384",
     "512 12 8 2048 16 384 no_qkv_bias no_class_token layer_scale mean"},
    {"vit_betwixt_patch16_gap_256",
     "640 12 10 2560 16 256 no_qkv_bias no_class_token layer_scale mean"},
    {"vit_base_patch16_gap_224", "768 12 16 3072 16 224 no_class_token mean"},
    {"vit_huge_patch14_gap_224", "1280 32 16 5120 14 224 no_class_token mean"},
    {"vit_huge_patch16_gap_448", "1280 32 16 5120 16 448 no_class_token mean"},
    {"vit_giant_patch16_gap_224", "1408 40 16 6144 16 224 no_class_token mean"},
    {"vit_xsmall_patch16_clip_224", "256 10 4 1024 16 224 eps pre_norm"},
    {"vit_medium_patch32_clip_224", "512 12 8 2048 32 224 eps pre_norm"},
    {"vit_medium_patch16_clip_224", "512 12 8 2048 16 224 eps pre_norm"},
    {"vit_betwixt_patch32_clip_224", "640 12 10 2560 32 224 eps pre_norm"},
    {"vit_base_patch32_clip_224", "768 12 12 3072 32 224 eps pre_norm"},
    {"vit_base_patch32_clip_256", "768 12 12 3072 32 256 eps pre_norm"},
    {"vit_base_patch32_clip_384", "768 12 12 3072 32 384 eps pre_norm"},
    {"vit_base_patch32_clip_448", "768 12 12 3072 32 448 eps pre_norm"},
    {"vit_base_patch16_clip_224", "768 12 12 3072 16 224 eps pre_norm"},
    {"vit_base_patch16_clip_384", "768 12 12 3072 16 384 eps pre_norm"},
    {"vit_base_patch16_plus_clip_240", "896 12 14 3584 16 240 eps pre_norm"},
    {"vit_large_patch14_clip_224", "1024 24 16 4096 14 224 eps pre_norm"},
    {"vit_large_patch14_clip_336", "1024 24 16 4096 14 336 eps pre_norm"},
    {"vit_huge_patch14_clip_224", "1280 32 16 5120 14 224 eps pre_norm"},
    {"vit_huge_patch14_clip_336", "1280 32 16 5120 14 336 eps pre_norm"},
    {"vit_huge_patch14_clip_378", "1280 32 16 5120 14 378 eps pre_norm"},
    {"vit_giant_patch14_clip_224", "1408 40 16 6144 14 224 eps pre_norm"},
    {"vit_gigantic_patch14_clip_224", "1664 48 16 8192 14 224 eps pre_norm"},
    {"vit_gigantic_patch14_clip_378", "1664 48 16 8192 14 378 eps pre_norm"},
    {"vit_base_patch32_clip_quickgelu_224",
     "768 12 12 3072 32 224 quick_gelu eps pre_norm"},
    {"vit_base_patch16_clip_quickgelu_224",
     "768 12 12 3072 16 224 quick_gelu eps pre_norm"},
    {"vit_large_patch14_clip_quickgelu_224",
     "1024 24 16 4096 14 224 quick_gelu eps pre_norm"},
    {"vit_large_patch14_clip_quickgelu_336",
     "1024 24 16 4096 14 336 quick_gelu eps pre_norm"},
    {"vit_huge_patch14_clip_quickgelu_224",
     "1280 32 16 5120 14 224 quick_gelu eps pre_norm"},
    {"vit_huge_patch14_clip_quickgelu_378",
     "1280 32 16 5120 14 378 quick_gelu eps pre_norm"},
    {"vit_gigantic_patch14_clip_quickgelu_224",
     "1664 48 16 8192 14 224 quick_gelu eps pre_norm"},
    {"vit_base_patch32_plus_256", "896 12 14 3584 32 256 layer_scale"},
    {"vit_base_patch16_plus_240", "896 12 14 3584 16 240 layer_scale"},
    {"vit_small_patch16_36x1_224", "384 36 6 1536 16 224 layer_scale"},
    {"eva_large_patch14_196", "1024 24 16 4096 14 196 fc_norm mean"},
    {"eva_large_patch14_336", "1024 24 16 4096 14 336 fc_norm mean"},
    {"flexivit_small", "384 12 6 1536 16 224 no_embed_class"},
    {"flexivit_base", "768 12 12 3072 16 224 no_embed_class"},
    {"flexivit_large", "1024 24 16 4096 16 224 no_embed_class"},
    {"vit_small_patch14_dinov2", "384 12 6 1536 14 224 layer_scale"},
    {"vit_base_patch14_dinov2", "768 12 12 3072 14 224 layer_scale"},
    {"vit_large_patch14_dinov2", "1024 24 16 4096 14 224 layer_scale"},
    {"vit_small_patch14_reg4_dinov2",
     "384 12 6 1536 14 224 reg4 no_embed_class layer_scale"},
    {"vit_base_patch14_reg4_dinov2",
     "768 12 12 3072 14 224 reg4 no_embed_class layer_scale"},
    {"vit_large_patch14_reg4_dinov2",
     "1024 24 16 4096 14 224 reg4 no_embed_class layer_scale"},
    {"vit_base_patch14_reg1_tipsv2",
     "768 12 12 3072 14 224 reg1 no_embed_class layer_scale"},
    {"vit_large_patch14_reg1_tipsv2",
     "1024 24 16 4096 14 224 reg1 no_embed_class layer_scale"},
    {"vit_so400m_patch14_reg1_tipsv2",
     "1152 27 16 4304 14 224 reg1 no_embed_class layer_scale"},
    {"vit_base_patch32_siglip_gap_256",
     "768 12 12 3072 32 256 gelu_tanh no_class_token mean"},
    {"vit_base_patch16_siglip_gap_224",
     "768 12 12 3072 16 224 no_class_token mean"},
    {"vit_base_patch16_siglip_gap_256",
     "768 12 12 3072 16 256 no_class_token mean"},
    {"vit_base_patch16_siglip_gap_384",
     "768 12 12 3072 16 384 no_class_token mean"},
    {"vit_base_patch16_siglip_gap_512",
     "768 12 12 3072 16 512 no_class_token mean"},
    {"vit_large_patch16_siglip_gap_256",
     "1024 24 16 4096 16 256 no_class_token mean"},
    {"vit_large_patch16_siglip_gap_384",
     "1024 24 16 4096 16 384 no_class_token mean"},
    {"vit_large_patch16_siglip_gap_512",
     "1024 24 16 4096 16 512 gelu_tanh no_class_token mean"},
    {"vit_so400m_patch14_siglip_gap_224",
     "1152 27 16 4304 14 224 no_class_token mean"},
    {"vit_so400m_patch14_siglip_gap_378",
     "1152 27 16 4304 14 378 no_class_token mean"},
    {"vit_so400m_patch14_siglip_gap_448",
     "1152 27 16 4304 14 448 no_class_token mean"},
    {"vit_so400m_patch14_siglip_gap_896",
     "1152 27 16 4304 14 896 no_class_token mean"},
    {"vit_so400m_patch16_siglip_gap_256",
     "1152 27 16 4304 16 256 gelu_tanh no_class_token mean"},
    {"vit_so400m_patch16_siglip_gap_384",
     "1152 27 16 4304 16 384 gelu_tanh no_class_token mean"},
    {"vit_so400m_patch16_siglip_gap_512",
     "1152 27 16 4304 16 512 gelu_tanh no_class_token mean"},
    {"vit_giantopt_patch16_siglip_gap_256",
     "1536 40 16 6144 16 256 gelu_tanh no_class_token mean"},
    {"vit_giantopt_patch16_siglip_gap_384",
     "1536 40 16 6144 16 384 gelu_tanh no_class_token mean"},
    {"vit_wee_patch16_reg1_gap_256", "256 14 4 1280 16 256 no_class_token reg1 "
                                     "no_embed_class layer_scale fc_norm mean"},
    {"vit_little_patch16_reg1_gap_256",
     "320 14 5 1792 16 256 no_class_token reg1 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_little_patch16_reg4_gap_256",
     "320 14 5 1792 16 256 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_medium_patch16_reg1_gap_256",
     "512 12 8 2048 16 256 no_class_token reg1 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_medium_patch16_reg4_gap_256",
     "512 12 8 2048 16 256 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_mediumd_patch16_reg4_gap_256",
     "512 20 8 2048 16 256 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_mediumd_patch16_reg4_gap_384",
     "512 20 8 2048 16 384 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_betwixt_patch16_reg1_gap_256",
     "640 12 10 2560 16 256 no_class_token reg1 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_betwixt_patch16_reg4_gap_256",
     "640 12 10 2560 16 256 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_betwixt_patch16_reg4_gap_384",
     "640 12 10 2560 16 384 no_class_token reg4 no_embed_class layer_scale "
     "fc_norm mean"},
    {"vit_base_patch16_reg4_gap_256",
     "768 12 12 3072 16 256 no_class_token reg4 no_embed_class fc_norm mean"},
    {"vit_so150m_patch16_reg4_gap_256",
     "896 18 14 2304 16 256 no_class_token reg4 mean"},
    {"vit_so150m_patch16_reg4_gap_384",
     "896 18 14 2304 16 384 no_class_token reg4 mean"},
    {"vit_so150m2_patch16_reg1_gap_256",
     "832 21 13 2176 16 256 no_qkv_bias no_class_token reg1 layer_scale "
     "fc_norm mean"},
    {"vit_so150m2_patch16_reg1_gap_384",
     "832 21 13 2176 16 384 no_qkv_bias no_class_token reg1 layer_scale "
     "fc_norm mean"},
    {"vit_so150m2_patch16_reg1_gap_448",
     "832 21 13 2176 16 448 no_qkv_bias no_class_token reg1 layer_scale "
     "fc_norm mean"},
    {"test_vit", "64 6 2 192 16 160"},
    {"test_vit2",
     "64 8 2 192 16 160 no_class_token reg1 layer_scale fc_norm mean"},
    {"deit_tiny_patch16_224", "192 12 3 768 16 224"},
    {"deit_small_patch16_224", "384 12 6 1536 16 224"},
    {"deit_base_patch16_224", "768 12 12 3072 16 224"},
    {"deit_base_patch16_384", "768 12 12 3072 16 384"},
    {"deit_tiny_distilled_patch16_224", "192 12 3 768 16 224 distilled"},
    {"deit_small_distilled_patch16_224", "384 12 6 1536 16 224 distilled"},
    {"deit_base_distilled_patch16_224", "768 12 12 3072 16 224 distilled"},
    {"deit_base_distilled_patch16_384", "768 12 12 3072 16 384 distilled"},
    {"deit3_small_patch16_224",
     "384 12 6 1536 16 224 no_embed_class layer_scale"},
    {"deit3_small_patch16_384",
     "384 12 6 1536 16 384 no_embed_class layer_scale"},
    {"deit3_medium_patch16_224",
     "512 12 8 2048 16 224 no_embed_class layer_scale"},
    {"deit3_base_patch16_224",
     "768 12 12 3072 16 224 no_embed_class layer_scale"},
    {"deit3_base_patch16_384",
     "768 12 12 3072 16 384 no_embed_class layer_scale"},
    {"deit3_large_patch16_224",
     "1024 24 16 4096 16 224 no_embed_class layer_scale"},
    {"deit3_large_patch16_384",
     "1024 24 16 4096 16 384 no_embed_class layer_scale"},
    {"deit3_huge_patch14_224",
     "1280 32 16 5120 14 224 no_embed_class layer_scale"},
};

std::string describe(const ModelSpec &spec) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << spec.hiddenSize << ' ' << spec.numLayers << ' ' << spec.numHeads << ' '
     << spec.intermediateSize << ' ' << spec.patchWidth << ' '
     << spec.imageWidth;
  if (!spec.qkvBias)
    os << " no_qkv_bias";
  if (spec.activation == ModelSpec::Activation::QuickGelu)
    os << " quick_gelu";
  if (spec.activation == ModelSpec::Activation::GeluTanh)
    os << " gelu_tanh";
  if (spec.layerNormEps == 1e-5)
    os << " eps";
  if (!spec.classToken)
    os << " no_class_token";
  if (spec.distillationToken && spec.distillationHead)
    os << " distilled";
  if (spec.numRegisterTokens)
    os << " reg" << spec.numRegisterTokens;
  if (spec.noEmbedClass)
    os << " no_embed_class";
  if (spec.layerScale)
    os << " layer_scale";
  if (spec.preNorm && !spec.patchBias)
    os << " pre_norm";
  if (spec.fcNorm)
    os << " fc_norm";
  if (spec.pool == ModelSpec::Pool::Mean)
    os << " mean";
  return text;
}

FailureOr<ModelSpec> parse(const std::string &text, Errors &errors) {
  return parseModelSpecText(text, "folder/config.json", errors);
}

ModelSpec parseGood(const std::string &text) {
  Errors errors;
  FailureOr<ModelSpec> spec = parse(text, errors);
  EXPECT_TRUE(succeeded(spec) && errors.list.empty()) << errors.str();
  return succeeded(spec) ? *spec : ModelSpec();
}

void expectError(const std::string &text, StringRef where, StringRef part) {
  Errors errors;
  EXPECT_TRUE(failed(parse(text, errors))) << text;
  expectOneError(errors, where, part);
}

TEST(Timm, Models) {
  for (auto [name, expected] : models)
    EXPECT_EQ(describe(parseGood(
                  toJson({{"architecture", "\"" + std::string(name) + "\""}}))),
              expected)
        << name;
}

TEST(Timm, OtherModels) {
  for (const char *name : {"vit_base_patch16_rpn_224",
                           "vit_small_patch16_18x2_224",
                           "vit_base_patch16_18x2_224",
                           "vit_base_patch16_xp_224",
                           "vit_large_patch14_xp_224",
                           "vit_huge_patch14_xp_224",
                           "vit_giant_patch14_dinov2",
                           "vit_giant_patch14_reg4_dinov2",
                           "vit_giant_patch14_reg1_tipsv2",
                           "vit_base_patch32_siglip_256",
                           "vit_base_patch16_siglip_224",
                           "vit_base_patch16_siglip_256",
                           "vit_base_patch16_siglip_384",
                           "vit_base_patch16_siglip_512",
                           "vit_large_patch16_siglip_256",
                           "vit_large_patch16_siglip_384",
                           "vit_large_patch16_siglip_512",
                           "vit_so400m_patch14_siglip_224",
                           "vit_so400m_patch14_siglip_378",
                           "vit_so400m_patch14_siglip_384",
                           "vit_so400m_patch16_siglip_256",
                           "vit_so400m_patch16_siglip_384",
                           "vit_so400m_patch16_siglip_512",
                           "vit_giantopt_patch16_siglip_256",
                           "vit_giantopt_patch16_siglip_384",
                           "vit_dwee_patch16_reg1_gap_256",
                           "vit_pwee_patch16_reg1_gap_256",
                           "vit_dpwee_patch16_reg1_gap_256",
                           "vit_dlittle_patch16_reg1_gap_256",
                           "vit_so150m_patch16_reg4_map_256",
                           "vit_intern300m_patch14_448",
                           "aimv2_large_patch14_224",
                           "aimv2_huge_patch14_224",
                           "aimv2_1b_patch14_224",
                           "aimv2_3b_patch14_224",
                           "aimv2_large_patch14_336",
                           "aimv2_huge_patch14_336",
                           "aimv2_1b_patch14_336",
                           "aimv2_3b_patch14_336",
                           "aimv2_large_patch14_448",
                           "aimv2_huge_patch14_448",
                           "aimv2_1b_patch14_448",
                           "aimv2_3b_patch14_448",
                           "test_vit3",
                           "test_vit4",
                           "beit3_base_patch16_224",
                           "beit3_large_patch16_224",
                           "beit3_giant_patch14_224",
                           "beit3_giant_patch14_336",
                           "vit_base_patch16_rope_224",
                           "vit_relpos_base_patch16_224",
                           "vit_small_patch16_rope_mixed_ape_224",
                           "samvit_base_patch16_224",
                           "resnet50",
                           "vit",
                           "vit_",
                           "vit_tiny",
                           "vit_tiny_patch",
                           "vit_tiny_patch16_224_384",
                           "vit_tiny_patch16_99999999999999999999",
                           "vit_tiny_patchx_224",
                           "deit_tiny_distilled",
                           "deit3_tiny_gap_224",
                           "vit_tiny_distilled_patch16_224",
                           "deit_tiny_patch16_gap_224",
                           "flexivit_tiny",
                           "eva_large_patch14_",
                           "",
                           "_",
                           "__",
                           "vit__patch16"})
    expectError(toJson({{"architecture", "\"" + std::string(name) + "\""}}),
                "architecture", "found \"");
  // The last pixels belong to no patch.
  expectError(R"({"architecture": "vit_so400m_patch14_siglip_gap_384"})",
              "image_size", "multiple");
  expectError(R"({"architecture": "vit_tiny_patch0_224"})", "patch_size[0]",
              "found 0");
  // A former name.
  EXPECT_EQ(
      parseGood(R"({"architecture": "vit_tiny_patch16_224_in21k"})").hiddenSize,
      192);
}

/// timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k, with `changes` in its
/// `pretrained_cfg` and `more` outside of it.
std::string tiny(const Fields &changes = {}, const Fields &more = {}) {
  Fields weights = {{"tag", "\"augreg_in21k_ft_in1k\""},
                    {"custom_load", "true"},
                    {"input_size", "[3, 224, 224]"},
                    {"fixed_input_size", "true"},
                    {"interpolation", "\"bicubic\""},
                    {"crop_pct", "0.9"},
                    {"crop_mode", "\"center\""},
                    {"mean", "[0.5, 0.5, 0.5]"},
                    {"std", "[0.5, 0.5, 0.5]"},
                    {"num_classes", "1000"},
                    {"pool_size", "null"},
                    {"first_conv", "\"patch_embed.proj\""},
                    {"classifier", "\"head\""}};
  Fields config = {{"architecture", "\"vit_tiny_patch16_224\""},
                   {"num_classes", "1000"},
                   {"num_features", "192"},
                   {"global_pool", "\"token\""}};
  auto change = [](Fields &fields, const Fields &changes) {
    for (const auto &[key, value] : changes) {
      if (value.empty())
        fields.erase(key);
      else
        fields[key] = value;
    }
  };
  change(weights, changes);
  config["pretrained_cfg"] = toJson(weights);
  change(config, more);
  return toJson(config);
}

TEST(Timm, Tiny) {
  ModelSpec spec = parseGood(tiny());
  EXPECT_EQ(spec.displayName, "folder");
  EXPECT_EQ(describe(spec), "192 12 3 768 16 224");
  EXPECT_EQ(spec.numClasses, 1000);
  EXPECT_TRUE(spec.labels.empty() && spec.hasHead);
  EXPECT_EQ(spec.weightsPath, "folder/model.safetensors");
  EXPECT_EQ(spec.preprocess.resize, 248);
  EXPECT_FALSE(spec.preprocess.squash);
  EXPECT_TRUE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>(3, 0.5f)));
  EXPECT_EQ(spec.preprocess.std, (std::vector<float>(3, 0.5f)));
}

/// timm/vit_small_patch14_reg4_dinov2.lvd142m.
TEST(Timm, Features) {
  ModelSpec spec =
      parseGood(tiny({{"num_classes", "0"},
                      {"input_size", "[3, 518, 518]"},
                      {"crop_pct", "1.0"},
                      {"mean", "[0.485, 0.456, 0.406]"},
                      {"std", "[0.229, 0.224, 0.225]"}},
                     {{"architecture", "\"vit_small_patch14_reg4_dinov2\""},
                      {"num_classes", "0"}}));
  EXPECT_EQ(describe(spec),
            "384 12 6 1536 14 518 reg4 no_embed_class layer_scale");
  EXPECT_FALSE(spec.hasHead);
  EXPECT_EQ(spec.numClasses, 384);
  EXPECT_EQ(spec.preprocess.resize, 518);
}

/// What timm takes where a file says nothing, and the files of old versions,
/// which have all at the top.
TEST(Timm, Defaults) {
  ModelSpec spec = parseGood(R"({"architecture": "deit_tiny_patch16_224"})");
  EXPECT_EQ(spec.numClasses, 1000);
  EXPECT_EQ(spec.preprocess.resize, 256);
  EXPECT_TRUE(spec.preprocess.bicubic);
  EXPECT_EQ(spec.preprocess.mean, (std::vector<float>{0.485f, 0.456f, 0.406f}));
  EXPECT_EQ(spec.preprocess.std, (std::vector<float>{0.229f, 0.224f, 0.225f}));
  spec = parseGood(R"({"architecture": "vit_tiny_patch16_224",
    "num_classes": 2, "labels": ["a", "b"], "crop_pct": 0.95, "url": "",
    "interpolation": "bilinear", "input_size": [3, 64, 64]})");
  EXPECT_EQ(spec.labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(spec.imageHeight, 64);
  EXPECT_EQ(spec.preprocess.resize, 67);
  EXPECT_FALSE(spec.preprocess.bicubic);
}

TEST(Timm, Arguments) {
  auto withArguments = [](const char *arguments,
                          const char *name = "vit_tiny_patch16_224") {
    return parseGood(tiny({{"crop_mode", "\"squash\""}},
                          {{"model_args", arguments},
                           {"global_pool", ""},
                           {"architecture", "\"" + std::string(name) + "\""}}));
  };
  ModelSpec spec = withArguments(R"({"img_size": [64, 96], "patch_size": 8,
    "in_chans": 3, "num_classes": 5, "embed_dim": 96, "depth": 3,
    "num_heads": 4, "mlp_ratio": 2.5, "qkv_bias": false, "init_values": 1e-5,
    "reg_tokens": 2, "no_embed_class": true, "act_layer": "gelu_tanh",
    "drop_path_rate": 0.1, "weight_init": "jax", "dynamic_img_size": true})");
  EXPECT_EQ(describe(spec), "96 3 4 240 8 96 no_qkv_bias gelu_tanh reg2 "
                            "no_embed_class layer_scale");
  EXPECT_EQ(spec.imageHeight, 64);
  EXPECT_EQ(spec.numClasses, 5);
  // The place of the last LayerNorm follows the pool.
  EXPECT_EQ(describe(withArguments(R"({"global_pool": "avg"})")),
            "192 12 3 768 16 224 fc_norm mean");
  EXPECT_EQ(describe(withArguments(R"({"global_pool": "avg", "fc_norm": false,
                                       "class_token": false})")),
            "192 12 3 768 16 224 no_class_token mean");
  spec = withArguments(R"({"global_pool": "max", "pool_include_prefix": true,
                           "qk_norm": true})");
  EXPECT_EQ(spec.pool, ModelSpec::Pool::Max);
  EXPECT_TRUE(spec.poolIncludesPrefix && spec.qkNorm && spec.fcNorm);
  EXPECT_EQ(withArguments(R"({"global_pool": "avgmax"})").pool,
            ModelSpec::Pool::AvgMax);
  spec = withArguments(R"({"init_values": null, "norm_layer": "layernorm"})",
                       "vit_small_patch14_dinov2");
  EXPECT_FALSE(spec.layerScale);
  // What the model was saved with.
  EXPECT_EQ(describe(parseGood(tiny({}, {{"global_pool", "\"avg\""}}))),
            "192 12 3 768 16 224 fc_norm mean");
}

TEST(Timm, NullArguments) {
  // As if they were not given.
  std::string nulls;
  for (const char *key :
       {"embed_dim", "act_layer", "global_pool", "norm_layer", "pos_embed",
        "final_norm", "img_size", "in_chans", "num_classes", "fc_norm"})
    nulls += (nulls.empty() ? "{\"" : ", \"") + std::string(key) + "\": null";
  EXPECT_EQ(describe(parseGood(tiny({}, {{"model_args", nulls + "}"}}))),
            describe(parseGood(tiny({}, {{"model_args", "null"}}))));
}

TEST(Timm, FieldsOfSpecifications) {
  for (const char *key : {"moe", "head", "pool", "stem"})
    expectError(tiny({}, {{key, "1"}}), key, "beside architecture");
}

TEST(Timm, Labels) {
  auto labels = [](const Fields &more) {
    Fields fields = more;
    fields["num_classes"] = "3";
    return parseGood(tiny({}, fields)).labels;
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(labels({{"label_names", R"(["n1", "n2", "n3"])"},
                    {"label_descriptions", R"({"n3": "a, b", "n1": "c",
                                               "n2": {"x": "y"}})"}}),
            (Strings{"c", "n2", "a, b"}));
  EXPECT_EQ(labels({{"label_names", R"({"2": "b", "0": "a"})"}}),
            (Strings{"a", "", "b"}));
  EXPECT_EQ(labels({{"labels", R"(["x", "y", "z"])"},
                    {"label_names", R"(["a", "b", "c"])"}}),
            (Strings{"x", "y", "z"}));
  EXPECT_EQ(parseGood(tiny({{"label_names", R"(["x", "y"])"}},
                           {{"num_classes", "2"}}))
                .labels,
            (Strings{"x", "y"}));
}

TEST(Timm, Preprocess) {
  PreprocessSpec spec =
      parseGood(tiny({{"crop_mode", "\"squash\""}})).preprocess;
  EXPECT_EQ(spec.squash, std::pair(int64_t(248), int64_t(248)));
  EXPECT_FALSE(spec.resize);
  spec = parseGood(tiny({{"crop_mode", "\"squash\""}, {"crop_pct", "1.0"}}))
             .preprocess;
  EXPECT_FALSE(spec.squash || spec.resize);
  // One channel with its own statistics, or without any.
  spec = parseGood(tiny({{"input_size", "[1, 224, 224]"},
                         {"mean", "[0.1307]"},
                         {"std", "[0.3081]"}}))
             .preprocess;
  EXPECT_EQ(spec.mean, (std::vector<float>{0.1307f}));
  spec = parseGood(tiny({{"input_size", "[1, 224, 224]"},
                         {"mean", "null"},
                         {"std", "null"}}))
             .preprocess;
  EXPECT_EQ(spec.mean, (std::vector<float>{0.0f}));
}

TEST(Timm, Errors) {
  auto weights = [](const char *field, const char *value, StringRef where,
                    StringRef part) {
    expectError(tiny({{field, value}}), where, part);
  };
  weights("interpolation", "\"lanczos\"", "pretrained_cfg.interpolation",
          "\"bilinear\", \"bicubic\", found \"lanczos\"");
  weights("crop_mode", "\"border\"", "pretrained_cfg.crop_mode", "\"border\"");
  weights("crop_pct", "1.1", "pretrained_cfg.crop_pct", "at most 1, found 1.1");
  weights("crop_pct", "0", "pretrained_cfg.crop_pct", "above 0");
  weights("crop_pct", "1e-9", "pretrained_cfg.crop_pct", "16384");
  weights("crop_pct", "1e-300", "pretrained_cfg.crop_pct", "above 0");
  weights("input_size", "[224, 224]", "pretrained_cfg.input_size", "a list");
  weights("input_size", "[3, 224, 0]", "pretrained_cfg.input_size[2]",
          "found 0");
  weights("input_size", "[3, 224, 240]", "pretrained_cfg.crop_mode",
          "not square");
  weights("mean", "[0.5]", "pretrained_cfg.mean", "3 numbers");
  weights("label_names", "[\"a\"]", "pretrained_cfg.label_names",
          "expected 1000 names (num_classes), found a list of 1");
  weights("label_names", "{\"1000\": \"a\"}", "pretrained_cfg.label_names.1000",
          "from 0 to 999");
  weights("label_names", "5", "pretrained_cfg.label_names", "found 5");

  auto arguments = [](const char *text, StringRef where, StringRef part) {
    expectError(tiny({}, {{"model_args", text}}), where, part);
  };
  arguments("[]", "model_args", "expected an object");
  arguments(R"({"block_fn": "x"})", "model_args.block_fn", "unknown field");
  arguments(R"({"norm_layer": "rmsnorm"})", "model_args.norm_layer",
            "\"rmsnorm\"");
  arguments(R"({"pos_embed": "none"})", "model_args.pos_embed", "\"none\"");
  arguments(R"({"final_norm": false})", "model_args.final_norm",
            "expected true, found false");
  arguments(R"({"scale_mlp_norm": true})", "model_args.scale_mlp_norm",
            "expected false, found true");
  arguments(R"({"act_layer": "mish"})", "model_args.act_layer", "\"mish\"");
  arguments(R"({"embed_dim": 1e3})", "model_args.embed_dim", "1e3");
  arguments(R"({"depth": 0})", "model_args.depth", "found 0");
  arguments(R"({"mlp_ratio": 1e30})", "intermediate_size", "262144");
  arguments(R"({"mlp_ratio": 1e-9})", "intermediate_size", "found 0");
  arguments(R"({"num_heads": 5})", "num_attention_heads", "divisor");
  arguments(R"({"global_pool": "map"})", "model_args.global_pool", "\"map\"");
  arguments(R"({"class_token": false})", "pool", "\"mean\"");
  arguments(R"({"patch_size": 15})", "image_size", "multiple");
  expectError(tiny({}, {{"pretrained_cfg", "3"}}), "pretrained_cfg",
              "expected an object");
  expectError(tiny({}, {{"global_pool", "\"prr\""}}), "global_pool", "\"prr\"");
  expectError(tiny({}, {{"num_classes", "-1"}}), "num_classes", "found -1");
  expectError(tiny({}, {{"architecture", "\"deit_tiny_distilled_patch16_224\""},
                        {"num_classes", "0"}}),
              "num_classes", "found 0");
  expectError(tiny({}, {{"architecture", "\"deit_tiny_distilled_patch16_224\""},
                        {"global_pool", "\"avg\""}}),
              "global_pool", "\"token\"");
  // A specification, though a strange one.
  expectError(R"({"architecture": 5})", "image_size", "missing");
}

/// Whatever the bytes are, there is one error, or a model that can be used.
TEST(Timm, ChangedBytes) {
  std::string good =
      tiny({{"label_names", R"(["a", "b", "c"])"}, {"crop_mode", "\"squash\""}},
           {{"num_classes", "3"},
            {"label_descriptions", R"({"a": "d"})"},
            {"model_args", R"({"img_size": [64, 96], "patch_size": 8,
              "mlp_ratio": 2.5, "reg_tokens": 2, "init_values": 1e-5})"}});
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i != 10000; ++i) {
    std::string text = changeBytes(good, random);
    Errors errors;
    FailureOr<ModelSpec> spec = parse(text, errors);
    ASSERT_EQ(errors.list.size(), failed(spec) ? 1u : 0u) << text;
    if (failed(spec))
      continue;
    ++accepted;
    ASSERT_GE(spec->numPatches(), 1);
    ASSERT_EQ(spec->headSize() * spec->numHeads, spec->hiddenSize);
    ASSERT_TRUE(spec->labels.empty() ||
                spec->labels.size() == size_t(spec->numClasses));
  }
  EXPECT_GT(accepted, 100);
}

} // namespace
