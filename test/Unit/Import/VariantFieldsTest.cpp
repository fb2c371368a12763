//===- VariantFieldsTest.cpp - Variants of Vision Transformers ------------===//

#include "TestSupport.h"
#include "moe/Import/ModelWeights.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

/// Expects exactly one error, at `where`, whose message has `part`.
void expectError(const Fields &changes, StringRef where, StringRef part) {
  Errors errors;
  EXPECT_TRUE(
      failed(parseModelSpecText(specText(changes), "tiny.json", errors)));
  expectOneError(errors, where, part);
}

/// Names and numbers of elements, in one line.
std::string listing(const ModelSpec &spec) {
  std::string text;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    text += tensor.name + " " + std::to_string(tensor.numElements()) + "\n";
  return text;
}

TEST(VariantFields, Defaults) {
  ModelSpec spec = parseSpec({});
  EXPECT_FALSE(spec.distillationToken);
  EXPECT_FALSE(spec.distillationHead);
  EXPECT_EQ(spec.numRegisterTokens, 0);
  EXPECT_FALSE(spec.noEmbedClass);
  EXPECT_FALSE(spec.layerScale);
  EXPECT_FALSE(spec.qkNorm);
  EXPECT_FALSE(spec.preNorm);
  EXPECT_TRUE(spec.patchBias);
  EXPECT_FALSE(spec.fcNorm);
  EXPECT_FALSE(spec.poolIncludesPrefix);
  EXPECT_TRUE(spec.hasHead);
  EXPECT_EQ(spec.numPrefixTokens(), 1);
}

TEST(VariantFields, Tokens) {
  ModelSpec spec = parseSpec({{"distillation_token", "true"},
                              {"num_register_tokens", "3"},
                              {"no_embed_class", "true"}});
  EXPECT_TRUE(spec.distillationToken);
  EXPECT_TRUE(spec.distillationHead);
  EXPECT_TRUE(spec.noEmbedClass);
  EXPECT_EQ(spec.numPrefixTokens(), 5);
  EXPECT_EQ(spec.numTokens(), 9);
  EXPECT_TRUE(StringRef(listing(spec))
                  .starts_with("cls_token 8\ndist_token 8\nreg_token 24\n"
                               "pos_embed 32\n"));
  EXPECT_TRUE(StringRef(listing(spec))
                  .ends_with("norm.weight 8\nnorm.bias 8\nhead.weight 24\n"
                             "head.bias 3\nhead_dist.weight 24\n"
                             "head_dist.bias 3\n"));

  spec = parseSpec({{"class_token", "false"}, {"num_register_tokens", "1024"}});
  EXPECT_EQ(spec.numTokens(), 1028);
  EXPECT_EQ(spec.pool, ModelSpec::Pool::Mean);

  expectError({{"num_register_tokens", "1025"}}, "num_register_tokens",
              "from 0 to 1024, found 1025");
  expectError({{"num_register_tokens", "-1"}}, "num_register_tokens", "-1");
  expectError({{"num_register_tokens", "true"}}, "num_register_tokens",
              "an integer");
  expectError({{"distillation_token", "true"}, {"class_token", "false"}},
              "distillation_token", "class token");
  expectError({{"no_embed_class", "1"}}, "no_embed_class", "true or false");
  expectError({{"image_size", "256"},
               {"patch_size", "1"},
               {"class_token", "false"},
               {"num_register_tokens", "1"}},
              "patch_size", "found 65537");
}

TEST(VariantFields, Layers) {
  ModelSpec spec = parseSpec({{"num_hidden_layers", "1"},
                              {"layer_scale", "true"},
                              {"qk_norm", "true"},
                              {"pre_norm", "true"},
                              {"patch_bias", "false"},
                              {"fc_norm", "true"}});
  EXPECT_EQ(listing(spec), R"(cls_token 8
pos_embed 40
patch_embed.proj.weight 384
norm_pre.weight 8
norm_pre.bias 8
blocks.0.norm1.weight 8
blocks.0.norm1.bias 8
blocks.0.attn.qkv.weight 192
blocks.0.attn.qkv.bias 24
blocks.0.attn.q_norm.weight 4
blocks.0.attn.q_norm.bias 4
blocks.0.attn.k_norm.weight 4
blocks.0.attn.k_norm.bias 4
blocks.0.attn.proj.weight 64
blocks.0.attn.proj.bias 8
blocks.0.ls1.gamma 8
blocks.0.ls2.gamma 8
blocks.0.norm2.weight 8
blocks.0.norm2.bias 8
blocks.0.mlp.fc1.weight 128
blocks.0.mlp.fc1.bias 16
blocks.0.mlp.fc2.weight 128
blocks.0.mlp.fc2.bias 8
fc_norm.weight 8
fc_norm.bias 8
head.weight 24
head.bias 3
)");
  for (const char *field :
       {"layer_scale", "qk_norm", "pre_norm", "patch_bias", "fc_norm"})
    expectError({{field, "\"yes\""}}, field, "true or false");
}

TEST(VariantFields, Pools) {
  EXPECT_EQ(parseSpec({{"pool", "\"max\""}}).pool, ModelSpec::Pool::Max);
  ModelSpec spec =
      parseSpec({{"pool", "\"avgmax\""}, {"pool_include_prefix", "true"}});
  EXPECT_EQ(spec.pool, ModelSpec::Pool::AvgMax);
  EXPECT_TRUE(spec.poolIncludesPrefix);
  expectError({{"pool", "\"median\""}}, "pool",
              R"("cls", "mean", "max", "avgmax", found "median")");
  expectError({{"pool", "\"cls\""}, {"class_token", "false"}}, "pool",
              R"("mean", "max" or "avgmax")");
  expectError({{"pool_include_prefix", "true"}}, "pool_include_prefix",
              R"(pool "cls")");
}

TEST(VariantFields, Heads) {
  ModelSpec spec = parseSpec({{"head", "\"none\""}, {"num_classes", ""}});
  EXPECT_FALSE(spec.hasHead);
  EXPECT_EQ(spec.numClasses, 8);
  EXPECT_TRUE(
      StringRef(listing(spec)).ends_with("norm.weight 8\nnorm.bias 8\n"));
  EXPECT_TRUE(parseSpec({{"head", "\"linear\""}}).hasHead);
  spec = parseSpec({{"distillation_token", "true"},
                    {"distillation_head", "false"},
                    {"pool", "\"mean\""}});
  EXPECT_FALSE(spec.distillationHead);

  expectError({{"head", "\"mlp\""}}, "head", R"("linear", "none")");
  expectError({{"head", "\"none\""}}, "num_classes", "no such field");
  expectError({{"head", "\"none\""}, {"num_classes", ""}, {"labels", "[]"}},
              "labels", "no such field");
  expectError({{"head", "\"none\""},
               {"num_classes", ""},
               {"precision", R"({"head": "bf16"})"}},
              "precision.head", "linear layer");
  expectError({{"distillation_head", "true"}}, "distillation_head",
              "without distillation_token, found true");
  Fields distilled = {{"distillation_token", "true"}};
  auto with = [&](Fields more) {
    more.insert(distilled.begin(), distilled.end());
    return more;
  };
  expectError(with({{"pool", "\"mean\""}}), "distillation_head",
              R"(with a pool other than "cls", since)");
  expectError(with({{"head", "\"none\""}, {"num_classes", ""}}),
              "distillation_head", R"(head "none")");
  expectError(with({{"fc_norm", "true"}, {"distillation_head", "true"}}),
              "distillation_head", "fc_norm, found true");
}

} // namespace
