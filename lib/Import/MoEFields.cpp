//===- MoEFields.cpp - The experts of a specification ---------------------===//

#include "SpecFields.h"

using namespace mlir;
using namespace mlir::moe;

/// `moe.layers`: a list of block indices, {"last": n} or {"every": n}.
static void readMoELayers(SpecContext &context, FieldReader &fields,
                          int64_t numLayers, SmallVectorImpl<int64_t> &layers) {
  static constexpr StringRef forms =
      "a list of block indices, {\"last\": n} or {\"every\": n}";
  std::string path = fields.pathOf("layers");
  const JsonValue *value = fields.get("layers");
  if (!value)
    return context.error(path, "missing; expected " + forms);

  if (value->kind == JsonScalar::Kind::Array) {
    if (value->items.empty())
      return context.error(path, "expected at least one block, found none");
    std::vector<bool> seen(numLayers);
    for (size_t i = 0, e = value->items.size(); i != e; ++i) {
      std::string place = jsonElementPath(path, i);
      int64_t layer =
          fields.asInteger(value->items[i], place, 0, numLayers - 1);
      if (context.failed)
        return;
      if (seen[layer])
        return context.error(place, "expected each block once, found " +
                                        llvm::Twine(layer) + " again");
      seen[layer] = true;
    }
    for (int64_t layer = 0; layer != numLayers; ++layer)
      if (seen[layer])
        layers.push_back(layer);
    return;
  }

  if (value->kind != JsonScalar::Kind::Object)
    return context.error(path,
                         "expected " + forms + ", found " + value->describe());
  FieldReader form(context, *value, path);
  bool isLast = form.get("last"), isEvery = form.get("every");
  form.rejectUnknown();
  if (isLast == isEvery)
    return context.error(path, "expected " + forms + ", found an object with " +
                                   (isLast ? "both" : "neither"));
  // More than all blocks is an error, and so is a stride that meets none.
  int64_t n = form.integer(isLast ? "last" : "every", 1, numLayers);
  for (int64_t layer = 0; layer != numLayers; ++layer)
    if (isLast ? layer >= numLayers - n : (layer + 1) % n == 0)
      layers.push_back(layer);
}

/// `moe.router.type`, and what the others than "top_k" do not have.
static void readRouterType(FieldReader &fields, MoESpec &moe) {
  static const std::pair<StringRef, MoESpec::RouterType> types[] = {
      {"top_k", MoESpec::RouterType::TopK},
      {"expert_choice", MoESpec::RouterType::ExpertChoice},
      {"soft", MoESpec::RouterType::Soft}};
  moe.routerType = fields.choice<MoESpec::RouterType>("type", types)
                       .value_or(MoESpec::RouterType::TopK);
  if (moe.routerType == MoESpec::RouterType::TopK)
    return;
  StringRef type = types[size_t(moe.routerType)].first;
  if (moe.routing != MoESpec::Routing::Patch)
    fields.error("type", "expected \"top_k\", the only one for routing "
                         "\"image\", found " +
                             quoteForMessage(type));
  auto reject = [&](StringRef key, bool found) {
    if (found)
      fields.error(key, "expected false with a router of type " +
                            quoteForMessage(type) + ", found true");
  };
  reject("normalize", moe.normalize);
  reject("batch_priority", moe.batchPriority);
  if (moe.routerType == MoESpec::RouterType::Soft)
    reject("bias", moe.routerBias);
}

static void readRouter(SpecContext &context, const JsonValue *object,
                       bool classToken, MoESpec &moe) {
  static const JsonValue empty;
  FieldReader fields(context, object ? *object : empty, "moe.router");
  bool patch = moe.routing == MoESpec::Routing::Patch;

  static const std::pair<StringRef, MoESpec::Placement> placements[] = {
      {"shared", MoESpec::Placement::Shared},
      {"per_layer", MoESpec::Placement::PerLayer}};
  moe.placement = fields.choice<MoESpec::Placement>("placement", placements)
                      .value_or(patch ? MoESpec::Placement::PerLayer
                                      : MoESpec::Placement::Shared);
  if (patch && moe.placement == MoESpec::Placement::Shared)
    fields.error("placement", "expected \"per_layer\", the only one for "
                              "routing \"patch\", found \"shared\"");

  static const std::pair<StringRef, MoESpec::RouterInput> inputs[] = {
      {"cls", MoESpec::RouterInput::Cls}, {"mean", MoESpec::RouterInput::Mean}};
  if (auto input = fields.choice<MoESpec::RouterInput>("input", inputs)) {
    if (patch)
      fields.error("input", "expected no such field with routing \"patch\", "
                            "where each token is routed");
    if (*input == MoESpec::RouterInput::Cls && !classToken)
      fields.error("input", "expected \"mean\" for a model without a class "
                            "token, found \"cls\"");
    moe.routerInput = *input;
  } else {
    moe.routerInput =
        classToken ? MoESpec::RouterInput::Cls : MoESpec::RouterInput::Mean;
  }

  moe.routerBias = fields.boolean("bias", false);
  moe.normalize = fields.boolean("normalize", false);
  moe.batchPriority = fields.boolean("batch_priority", false);
  if (moe.batchPriority && !patch)
    fields.error("batch_priority", "expected false with routing \"image\", "
                                   "which has no capacity, found true");
  readRouterType(fields, moe);
  fields.rejectUnknown();
}

/// The widths of experts that are not like the model's MLP.
static void readExpertSizes(SpecContext &context, FieldReader &fields,
                            MoESpec &moe) {
  if (fields.get("shared_expert_intermediate_size"))
    moe.sharedExpertIntermediateSize = fields.integer(
        "shared_expert_intermediate_size", 1, maxIntermediateSize);
  const JsonValue *sizes = fields.get("expert_intermediate_sizes");
  if (!sizes)
    return;
  std::string path = fields.pathOf("expert_intermediate_sizes");
  std::string expected =
      "expected a list of " + std::to_string(moe.numExperts) + " widths";
  if (sizes->kind != JsonScalar::Kind::Array)
    return context.error(path, expected + ", found " + sizes->describe());
  if (int64_t(sizes->items.size()) != moe.numExperts)
    return context.error(path, expected + " (num_experts), found " +
                                   llvm::Twine(sizes->items.size()));
  for (size_t e = 0; e != sizes->items.size(); ++e)
    moe.expertIntermediateSizes.push_back(fields.asInteger(
        sizes->items[e], jsonElementPath(path, e), 1, maxIntermediateSize));
  // Experts that differ have code of their own.
  int64_t experts = int64_t(moe.layers.size()) * moe.numExperts;
  if (!llvm::all_equal(moe.expertIntermediateSizes) &&
      experts > maxUnequalExperts)
    context.error(path, "expected one width, or at most " +
                            llvm::Twine(maxUnequalExperts) +
                            " experts in all blocks, found " +
                            llvm::Twine(moe.layers.size()) + " x " +
                            llvm::Twine(moe.numExperts));
}

/// How much each expert takes.
static void readCapacity(FieldReader &fields, const ModelSpec &spec,
                         MoESpec &moe) {
  bool patch = moe.routing == MoESpec::Routing::Patch;
  bool isSoft = moe.routerType == MoESpec::RouterType::Soft;
  if (moe.topK != 1 && moe.routerType != MoESpec::RouterType::TopK)
    fields.error("top_k", "expected 1 or no such field with a router that is "
                          "not of type \"top_k\", found " +
                              llvm::Twine(moe.topK));
  if (const JsonValue *slots = fields.get("slots_per_expert")) {
    if (!isSoft)
      fields.error("slots_per_expert", "expected no such field with a router "
                                       "that is not of type \"soft\"");
    moe.slotsPerExpert = fields.asInteger(
        *slots, fields.pathOf("slots_per_expert"), 1, maxTokens);
  }
  if (const JsonValue *factor = fields.get("capacity_factor")) {
    if (!patch)
      fields.error("capacity_factor",
                   "expected no such field with routing \"image\"");
    if (moe.slotsPerExpert)
      fields.error("capacity_factor",
                   "expected no such field with slots_per_expert");
    moe.capacityFactor =
        fields.asNumber(*factor, fields.pathOf("capacity_factor"),
                        "a finite number above 0", double(FLT_MIN));
  } else if (moe.routerType == MoESpec::RouterType::ExpertChoice) {
    fields.error("capacity_factor",
                 "missing; expected a finite number above 0 for a router of "
                 "type \"expert_choice\"");
  }
  moe.capacityMultipleOf =
      fields.integer("capacity_multiple_of", 1, maxTokens, 1);
  if (moe.capacityMultipleOf != 1 && (!patch || isSoft))
    fields.error("capacity_multiple_of",
                 llvm::Twine("expected 1 with ") +
                     (isSoft ? "a router of type \"soft\""
                             : "routing \"image\", which has no capacity") +
                     ", found " + llvm::Twine(moe.capacityMultipleOf));
  if (!isSoft)
    return;
  ModelSpec whole = spec;
  whole.moe = moe;
  int64_t slots = whole.slotsPerExpert();
  if (slots == 0)
    fields.error("capacity_factor",
                 "expected at least one slot for each of " +
                     llvm::Twine(moe.numExperts) + " experts, found " +
                     llvm::Twine(spec.numTokens()) +
                     " tokens times the factor, which rounds to none");
  if (slots * moe.numExperts > maxTokens)
    fields.error(moe.slotsPerExpert ? "slots_per_expert" : "capacity_factor",
                 "expected at most " + llvm::Twine(maxTokens) +
                     " slots of all experts, found " +
                     llvm::Twine(moe.numExperts) + " x " + llvm::Twine(slots));
}

MoESpec moe::readMoE(SpecContext &context, const JsonValue &object,
                     const ModelSpec &spec) {
  FieldReader fields(context, object, "moe");
  MoESpec moe;
  readMoELayers(context, fields, spec.numLayers, moe.layers);
  moe.numExperts = fields.integer("num_experts", 1, maxExperts);
  moe.topK = fields.integer("top_k", 1, maxExperts, 1);
  if (moe.topK > moe.numExperts)
    fields.error("top_k", "expected at most " + llvm::Twine(moe.numExperts) +
                              " (num_experts), found " + llvm::Twine(moe.topK));
  if (int64_t(moe.layers.size()) * moe.numExperts > maxTotalExperts)
    fields.error("num_experts", "expected at most " +
                                    llvm::Twine(maxTotalExperts) +
                                    " experts in all blocks, found " +
                                    llvm::Twine(moe.layers.size()) + " x " +
                                    llvm::Twine(moe.numExperts));

  static const std::pair<StringRef, MoESpec::Routing> routings[] = {
      {"image", MoESpec::Routing::Image}, {"patch", MoESpec::Routing::Patch}};
  moe.routing = fields.choice<MoESpec::Routing>("routing", routings)
                    .value_or(MoESpec::Routing::Image);
  readRouter(context, fields.objectField("router"), spec.classToken, moe);
  readCapacity(fields, spec, moe);
  readExpertSizes(context, fields, moe);
  fields.rejectUnknown();
  return moe;
}
