//===- RoutersTest.cpp - Routers other than top-k, and what is beside -----===//

#include "TestSupport.h"
#include "moe/Import/ModelWeights.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

/// A model of 5 tokens whose block 1 has four experts. `fields` are further
/// fields of `moe`.
FailureOr<ModelSpec> parse(const std::string &fields, Errors &errors) {
  return parseModelSpecText(
      specText(
          {{"moe", R"({"layers": [1], "num_experts": 4, )" + fields + "}"}}),
      "tiny.json", errors);
}

ModelSpec parseGood(const std::string &fields) {
  Errors errors;
  FailureOr<ModelSpec> spec = parse(fields, errors);
  EXPECT_TRUE(succeeded(spec)) << fields << "\n" << errors.str();
  return succeeded(spec) ? *spec : ModelSpec();
}

/// Expects exactly one error, at `where`, whose message has `part`.
void expectError(const std::string &fields, StringRef where, StringRef part) {
  Errors errors;
  EXPECT_TRUE(failed(parse(fields, errors))) << fields;
  expectOneError(errors, where, part);
}

/// Names and shapes of the tensors whose names have `part`.
std::string tensors(const ModelSpec &spec, StringRef part) {
  std::string text;
  for (const ExpectedTensor &tensor : expectedTensors(spec)) {
    if (!StringRef(tensor.name).contains(part))
      continue;
    text += tensor.name;
    for (int64_t dim : tensor.shape)
      text += " " + std::to_string(dim);
    text += "\n";
  }
  return text;
}

const std::string kChoice =
    R"("routing": "patch", "router": {"type": "expert_choice"})";
const std::string kSoft = R"("routing": "patch", "router": {"type": "soft"})";

TEST(Routers, TopKIsTheDefault) {
  EXPECT_EQ(parseGood(R"("top_k": 2)").moe->routerType,
            MoESpec::RouterType::TopK);
  EXPECT_EQ(parseGood(R"("router": {"type": "top_k"})").moe->routerType,
            MoESpec::RouterType::TopK);
  expectError(R"("router": {"type": "switch"})", "moe.router.type",
              R"("top_k", "expert_choice", "soft")");
}

TEST(Routers, ExpertChoice) {
  ModelSpec spec = parseGood(kChoice + R"(, "capacity_factor": 1, "top_k": 1)");
  EXPECT_EQ(spec.moe->routerType, MoESpec::RouterType::ExpertChoice);
  EXPECT_EQ(spec.moe->placement, MoESpec::Placement::PerLayer);
  EXPECT_EQ(spec.expertCapacity(), 2); // ceil(1.25)
  EXPECT_EQ(tensors(spec, "router"), "blocks.1.moe.router.weight 4 8\n");
  EXPECT_EQ(parseGood(kChoice + R"(, "capacity_factor": 1,
                                    "capacity_multiple_of": 3)")
                .expertCapacity(),
            3);
  EXPECT_EQ(tensors(parseGood(R"("routing": "patch", "capacity_factor": 1,
                     "router": {"type": "expert_choice", "bias": true})"),
                    "router"),
            "blocks.1.moe.router.weight 4 8\nblocks.1.moe.router.bias 4\n");
}

TEST(Routers, ExpertChoiceErrors) {
  expectError(kChoice, "moe.capacity_factor", "missing");
  expectError(kChoice + R"(, "capacity_factor": 1, "top_k": 2)", "moe.top_k",
              "found 2");
  expectError(kChoice + R"(, "capacity_factor": 1, "slots_per_expert": 2)",
              "moe.slots_per_expert", "\"soft\"");
  expectError(R"("router": {"type": "expert_choice"}, "capacity_factor": 1)",
              "moe.router.type", "routing \"image\"");
  expectError(R"("routing": "patch", "capacity_factor": 1,
                 "router": {"type": "expert_choice", "normalize": true})",
              "moe.router.normalize", "expected false");
  expectError(R"("routing": "patch", "capacity_factor": 1,
                 "router": {"type": "expert_choice", "batch_priority": true})",
              "moe.router.batch_priority", "expected false");
}

TEST(Routers, Soft) {
  ModelSpec spec = parseGood(kSoft + R"(, "slots_per_expert": 3)");
  EXPECT_EQ(spec.moe->routerType, MoESpec::RouterType::Soft);
  EXPECT_EQ(tensors(spec, "router"),
            "blocks.1.moe.router.mu 8 4 3\nblocks.1.moe.router.scale 1\n");
  // A half goes to even.
  auto slots = [](const std::string &factor) {
    return parseGood(kSoft + ", \"capacity_factor\": " + factor)
        .slotsPerExpert();
  };
  EXPECT_EQ(parseGood(kSoft).slotsPerExpert(), 1); // 1.25
  EXPECT_EQ(slots("1.2"), 2);                      // 1.5
  EXPECT_EQ(slots("2"), 2);                        // 2.5
  EXPECT_EQ(slots("2.8"), 4);                      // 3.5
  EXPECT_EQ(slots("3"), 4);                        // 3.75
}

TEST(Routers, SoftErrors) {
  expectError(kSoft + R"(, "capacity_factor": 0.4)", "moe.capacity_factor",
              "at least one slot"); // 0.5
  expectError(kSoft + R"(, "capacity_factor": 1e30)", "moe.capacity_factor",
              "at most 65536");
  expectError(kSoft + R"(, "slots_per_expert": 16385)", "moe.slots_per_expert",
              "found 4 x 16385");
  EXPECT_EQ(
      parseGood(kSoft + R"(, "slots_per_expert": 16384)").slotsPerExpert(),
      16384);
  expectError(kSoft + R"(, "slots_per_expert": 0)", "moe.slots_per_expert",
              "found 0");
  expectError(kSoft + R"(, "slots_per_expert": 2, "capacity_factor": 1)",
              "moe.capacity_factor", "slots_per_expert");
  expectError(kSoft + R"(, "capacity_multiple_of": 2)",
              "moe.capacity_multiple_of", "\"soft\"");
  expectError(kSoft + R"(, "top_k": 2)", "moe.top_k", "found 2");
  expectError(R"("router": {"type": "soft"})", "moe.router.type",
              "routing \"image\"");
  expectError(R"("routing": "patch", "router": {"type": "soft", "bias": true})",
              "moe.router.bias", "expected false");
  expectError(R"("routing": "patch",
                 "router": {"type": "soft", "normalize": true})",
              "moe.router.normalize", "expected false");
  expectError(R"("routing": "patch",
                 "router": {"type": "soft", "batch_priority": true})",
              "moe.router.batch_priority", "expected false");
}

TEST(Experts, SharedExpert) {
  EXPECT_EQ(parseGood(R"("top_k": 2)").moe->sharedExpertIntermediateSize, 0);
  ModelSpec spec = parseGood(R"("shared_expert_intermediate_size": 5)");
  EXPECT_EQ(spec.moe->sharedExpertIntermediateSize, 5);
  EXPECT_EQ(tensors(spec, "shared"),
            "blocks.1.moe.shared_expert.fc1.weight 5 8\n"
            "blocks.1.moe.shared_expert.fc1.bias 5\n"
            "blocks.1.moe.shared_expert.fc2.weight 8 5\n"
            "blocks.1.moe.shared_expert.fc2.bias 8\n");
  for (const std::string &fields :
       {kChoice + R"(, "capacity_factor": 1)", kSoft})
    EXPECT_NE(tensors(parseGood(fields + R"(,
                      "shared_expert_intermediate_size": 5)"),
                      "shared"),
              "");
  expectError(R"("shared_expert_intermediate_size": 0)",
              "moe.shared_expert_intermediate_size", "found 0");
  expectError(R"("shared_expert_intermediate_size": 262145)",
              "moe.shared_expert_intermediate_size", "found 262145");
}

TEST(Experts, Widths) {
  ModelSpec spec = parseGood(R"("expert_intermediate_sizes": [3, 1, 9, 1])");
  EXPECT_EQ(spec.expertIntermediateSize(2), 9);
  EXPECT_EQ(tensors(spec, "fc1.weight"),
            "blocks.0.mlp.fc1.weight 16 8\n"
            "blocks.1.moe.experts.0.fc1.weight 3 8\n"
            "blocks.1.moe.experts.1.fc1.weight 1 8\n"
            "blocks.1.moe.experts.2.fc1.weight 9 8\n"
            "blocks.1.moe.experts.3.fc1.weight 1 8\n");
  EXPECT_EQ(parseGood(R"("top_k": 1)").expertIntermediateSize(3), 16);
  expectError(R"("expert_intermediate_sizes": [3, 1, 9])",
              "moe.expert_intermediate_sizes", "list of 4 widths");
  expectError(R"("expert_intermediate_sizes": 3)",
              "moe.expert_intermediate_sizes", "found 3");
  expectError(R"("expert_intermediate_sizes": [3, 1, 0, 1])",
              "moe.expert_intermediate_sizes[2]", "found 0");
  expectError(R"("expert_intermediate_sizes": [3, 1, 9, 1.5])",
              "moe.expert_intermediate_sizes[3]", "found 1.5");
}

TEST(Experts, ManyWidths) {
  // Each that differs is code of its own.
  auto parseMany = [](StringRef last, Errors &errors) {
    std::string sizes;
    for (int i = 0; i < 256; ++i)
      sizes += "5, ";
    return parseModelSpecText(
        specText({{"moe", R"({"layers": [1], "num_experts": 257, )"
                          R"("expert_intermediate_sizes": [)" +
                              sizes + last.str() + "]}"}}),
        "tiny.json", errors);
  };
  Errors errors;
  EXPECT_TRUE(succeeded(parseMany("5", errors))) << errors.str();
  EXPECT_TRUE(failed(parseMany("6", errors)));
  EXPECT_EQ(errors.str(),
            "error: tiny.json: moe.expert_intermediate_sizes: expected one "
            "width, or at most 256 experts in all blocks, found 1 x 257\n");
}

TEST(Experts, ActiveParameters) {
  // An expert of width F has 8 F + F + 8 F + 8 parameters.
  auto idle = [](const std::string &fields) {
    ModelSpec spec = parseGood(fields);
    return countParameters(spec) - countActiveParameters(spec);
  };
  EXPECT_EQ(idle(R"("top_k": 1)"), 3 * (17 * 16 + 8));
  EXPECT_EQ(idle(R"("top_k": 4)"), 0);
  EXPECT_EQ(idle(R"("top_k": 3, "shared_expert_intermediate_size": 5)"),
            17 * 16 + 8);
  // The largest ones count as chosen.
  EXPECT_EQ(idle(R"("top_k": 2, "expert_intermediate_sizes": [3, 1, 9, 2])"),
            17 * (1 + 2) + 2 * 8);
  // All run.
  EXPECT_EQ(idle(kChoice + R"(, "capacity_factor": 1)"), 0);
  EXPECT_EQ(idle(kSoft), 0);
}

TEST(Experts, NamesOfLayersWithAPrecision) {
  auto parse = [](const std::string &name, Errors &errors) {
    return succeeded(parseModelSpecText(
        specText(
            {{"moe", R"({"layers": [1], "num_experts": 2, "routing": "patch",
                              "router": {"type": "soft"},
                              "shared_expert_intermediate_size": 4})"},
             {"precision", "{\"" + name + "\": \"bf16\"}"}}),
        "tiny.json", errors));
  };
  Errors errors;
  EXPECT_TRUE(parse("blocks.1.moe.shared_expert", errors)) << errors.str();
  EXPECT_TRUE(parse("blocks.1.moe.shared_expert.fc1", errors)) << errors.str();
  EXPECT_TRUE(parse("blocks.1.moe.experts", errors)) << errors.str();
  EXPECT_FALSE(parse("blocks.1.moe.router", errors));
  EXPECT_FALSE(parse("blocks.1.moe.router.mu", errors));
  EXPECT_FALSE(parse("blocks.0.moe.shared_expert", errors));
}

} // namespace
