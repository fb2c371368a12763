//===- VariantFields.cpp - The variants of Vision Transformers ------------===//

#include "SpecFields.h"

using namespace mlir;
using namespace mlir::moe;

void moe::readTokens(SpecContext &context, FieldReader &fields,
                     ModelSpec &spec) {
  spec.classToken = fields.boolean("class_token", true);
  spec.distillationToken = fields.boolean("distillation_token", false);
  if (spec.distillationToken && !spec.classToken)
    fields.error("distillation_token", "expected false for a model without a "
                                       "class token, found true");
  spec.numRegisterTokens =
      fields.integer("num_register_tokens", 0, maxRegisterTokens, 0);
  spec.noEmbedClass = fields.boolean("no_embed_class", false);
  if (!context.failed && spec.numTokens() > maxTokens)
    fields.error("patch_size", "expected at most " + llvm::Twine(maxTokens) +
                                   " tokens, found " +
                                   llvm::Twine(spec.numTokens()) +
                                   " with the model's own");
}

void moe::readVariants(FieldReader &fields, ModelSpec &spec) {
  spec.patchBias = fields.boolean("patch_bias", true);
  spec.preNorm = fields.boolean("pre_norm", false);
  spec.qkNorm = fields.boolean("qk_norm", false);
  spec.layerScale = fields.boolean("layer_scale", false);
  spec.fcNorm = fields.boolean("fc_norm", false);
}

static void readPool(FieldReader &fields, ModelSpec &spec) {
  static const std::pair<StringRef, ModelSpec::Pool> pools[] = {
      {"cls", ModelSpec::Pool::Cls},
      {"mean", ModelSpec::Pool::Mean},
      {"max", ModelSpec::Pool::Max},
      {"avgmax", ModelSpec::Pool::AvgMax}};
  std::optional<ModelSpec::Pool> pool =
      fields.choice<ModelSpec::Pool>("pool", pools);
  if (pool == ModelSpec::Pool::Cls && !spec.classToken)
    fields.error("pool", R"(expected "mean", "max" or "avgmax" for a model )"
                         R"(without a class token, found "cls")");
  spec.pool = pool.value_or(spec.classToken ? ModelSpec::Pool::Cls
                                            : ModelSpec::Pool::Mean);
  spec.poolIncludesPrefix = fields.boolean("pool_include_prefix", false);
  if (spec.poolIncludesPrefix && spec.pool == ModelSpec::Pool::Cls)
    fields.error("pool_include_prefix",
                 R"(expected false with pool "cls", found true)");
}

/// `num_classes`; a Hugging Face config has the names of the classes instead.
static int64_t readNumClasses(SpecContext &context, FieldReader &fields) {
  const JsonValue *names =
      context.ignoreUnknown ? fields.get("id2label") : nullptr;
  if (fields.get("num_classes") || !names)
    return fields.integer("num_classes", 1, maxClasses, 1000);
  int64_t count = names->items.size();
  if (names->kind != JsonScalar::Kind::Object || count < 1 ||
      count > maxClasses)
    fields.error("id2label", "expected an object of 1 to " +
                                 llvm::Twine(maxClasses) + " classes, found " +
                                 names->describe());
  return std::max<int64_t>(count, 1);
}

/// `distillation_head`: its default is that there is one for the token.
static void readDistillationHead(FieldReader &fields, ModelSpec &spec) {
  spec.distillationHead =
      fields.boolean("distillation_head", spec.distillationToken);
  if (!spec.distillationHead)
    return;
  StringRef reason = !spec.distillationToken ? "without distillation_token"
                     : !spec.hasHead         ? R"(with head "none")"
                     : spec.pool != ModelSpec::Pool::Cls
                         ? R"(with a pool other than "cls")"
                     // It would have to be of a vector that nobody pools.
                     : spec.fcNorm ? "with fc_norm"
                                   : "";
  if (!reason.empty())
    fields.error("distillation_head",
                 fields.get("distillation_head")
                     ? "expected false " + reason + ", found true"
                     : "missing; expected false " + reason +
                           ", since its default is distillation_token's true");
}

void moe::readPoolAndHead(SpecContext &context, FieldReader &fields,
                          ModelSpec &spec) {
  readPool(fields, spec);
  static const std::pair<StringRef, bool> heads[] = {{"linear", true},
                                                     {"none", false}};
  spec.hasHead = fields.choice<bool>("head", heads).value_or(true);
  if (spec.hasHead) {
    spec.numClasses = readNumClasses(context, fields);
  } else {
    spec.numClasses = spec.hiddenSize;
    for (StringRef key : {"num_classes", "labels"})
      if (fields.get(key))
        fields.error(key, R"(expected no such field with head "none")");
  }
  readDistillationHead(fields, spec);
}
