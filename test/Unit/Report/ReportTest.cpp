//===- ReportTest.cpp - The page and the data in it -----------------------===//

#include "moe/Report/Report.h"
#include "TestSupport.h"

#include "llvm/Support/JSON.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

/// The text of the data's element: what a browser would take for it.
std::string dataText(StringRef page) {
  StringRef begin = "<script id=\"data\" type=\"application/json\">";
  StringRef text = page.split(begin).second;
  return text.take_front(text.find("</script")).str();
}

llvm::json::Object dataOf(const ReportData &data) {
  llvm::Expected<llvm::json::Value> value =
      llvm::json::parse(dataText(makeReport(data)));
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    return {};
  }
  return *value->getAsObject();
}

/// The number of the object of `list` that is called `name`.
std::optional<int64_t> valueOf(const llvm::json::Array *list, StringRef name,
                               StringRef key) {
  for (const llvm::json::Value &value : *list)
    if (value.getAsObject()->getString("name") == name)
      return value.getAsObject()->getInteger(key);
  return std::nullopt;
}

size_t countOf(StringRef text, StringRef part) { return text.count(part); }

TEST(Report, HasNothingOfOthers) {
  ReportData data;
  data.spec = parseSpec({});
  std::string page = makeReport(data);
  EXPECT_TRUE(StringRef(page).starts_with("<!doctype html>"));
  EXPECT_TRUE(StringRef(page).rtrim().ends_with("</html>"));
  EXPECT_EQ(StringRef(page).find("{{"), StringRef::npos);
  // The name of SVG's elements is the only address.
  EXPECT_EQ(countOf(page, "://"), countOf(page, "http://www.w3.org/2000/svg"));
  for (StringRef tag : {"<link rel=\"stylesheet", "src=", "@import", "url("})
    EXPECT_EQ(countOf(page, tag), 0u) << tag.str();
  EXPECT_EQ(page, makeReport(data));
}

TEST(Report, NamesStayText) {
  ReportData clean;
  clean.spec = parseSpec({});
  clean.parts = {{"patch_embed"}};
  clean.steps = {"patch_embed"};
  clean.buffers = {{"patch_embed", 64, 0, 0, 0}};
  clean.variants = {{"x86-64", 1}};
  clean.sections = {{"shared", 1}};
  std::string plain = makeReport(clean);

  for (StringRef hostile :
       {"</script><script>alert(1)</script>", "<!--<script>", "</title>&amp;",
        "{{data}}{{script}}", "\"\\\n\t'", "\xff\xfe z", "\xe2\x80\xa8"}) {
    ReportData data = clean;
    data.spec.displayName = data.target = data.precision = hostile.str();
    data.parts[0].name = data.steps[0] = data.buffers[0].name = hostile.str();
    data.variants[0].name = data.sections[0].name = hostile.str();
    data.profile = ReportProfile();
    data.profile->cpu = hostile.str();
    std::string page = makeReport(data);
    // The same elements as without it.
    for (StringRef tag : {"<script", "</script", "<!--", "<title", "</title",
                          "<style", "</style"})
      EXPECT_EQ(countOf(page, tag), countOf(plain, tag))
          << tag.str() << " with " << hostile.str();
    EXPECT_TRUE(llvm::json::isUTF8(page));
    EXPECT_EQ(dataText(page).find('<'), std::string::npos);
    llvm::json::Object object = dataOf(data);
    EXPECT_EQ(object.getString("target"), llvm::json::fixUTF8(hostile));
    EXPECT_TRUE(valueOf(object.getArray("variants"),
                        llvm::json::fixUTF8(hostile), "codeBytes"));
  }
}

TEST(Report, ParametersOfEachPart) {
  ReportData data;
  data.spec = parseSpec({{"moe", R"({"layers": [1], "num_experts": 3})"}});
  llvm::json::Object object = dataOf(data);
  const llvm::json::Array *groups = object.getArray("parameterGroups");
  EXPECT_EQ(valueOf(groups, "cls_token", "count"), 8);
  EXPECT_EQ(valueOf(groups, "blocks.0.attn.qkv", "count"), 24 * 8 + 24);
  EXPECT_EQ(valueOf(groups, "blocks.0.mlp.fc1", "count"), 16 * 8 + 16);
  EXPECT_EQ(valueOf(groups, "router", "count"), 3 * 8);
  EXPECT_EQ(valueOf(groups, "blocks.1.moe.fc2", "count"), 3 * (8 * 16 + 8));
  int64_t sum = 0;
  for (const llvm::json::Value &group : *groups)
    sum += *group.getAsObject()->getInteger("count");
  EXPECT_EQ(object.getInteger("parameters"), sum);
  EXPECT_LT(*object.getInteger("activeParameters"), sum);
}

TEST(Report, Figures) {
  ReportData data;
  data.spec = parseSpec({});
  data.multiplyAdds = 123456789012345;
  data.parts = {{"blocks.1.attn.qkv", 1, Precision::Int8, 100, 200}};
  data.workspaceBytes = 4096;
  data.steps = {"a", "b"};
  data.buffers = {{"a", 64, 128, 0, 1}};
  data.variants = {{"x86-64-v4", 77}};
  data.sections = {{"blocks.1.expert.0", 99}};
  llvm::json::Object object = dataOf(data);
  EXPECT_EQ(object.getInteger("multiplyAdds"), 123456789012345);
  const llvm::json::Object &part =
      *(*object.getArray("parts"))[0].getAsObject();
  EXPECT_EQ(part.getInteger("layer"), 1);
  EXPECT_EQ(part.getString("kind"), "int8");
  EXPECT_EQ(part.getInteger("multiplyAdds"), 100);
  EXPECT_EQ(part.getInteger("bytes"), 200);
  EXPECT_EQ(valueOf(object.getArray("buffers"), "a", "offset"), 128);
  EXPECT_EQ(valueOf(object.getArray("buffers"), "a", "last"), 1);
  EXPECT_EQ(valueOf(object.getArray("sections"), "blocks.1.expert.0", "bytes"),
            99);
  EXPECT_EQ(object.get("profile"), nullptr);
}

/// Multiply-adds and bytes of one image of an expert's part that has (1000,
/// 100) and (10, 1) for each token, in the blocks of a model with `moe`; 5
/// tokens.
std::string workOf(const std::string &moe, const Fields &changes = {}) {
  ReportData data;
  Fields fields = changes;
  fields["moe"] = moe;
  data.spec = parseSpec(fields);
  std::string text;
  for (int64_t block : {0, 1}) {
    std::string name = "blocks." + std::to_string(block) + ".moe.fc1";
    data.parts = {{name, block, Precision::F32, 1000, 100, 10, 1}};
    llvm::json::Object object = dataOf(data);
    const llvm::json::Object &part =
        *(*object.getArray("parts"))[0].getAsObject();
    text += std::to_string(*part.getInteger("multiplyAdds")) + "," +
            std::to_string(*part.getInteger("bytes")) + " ";
  }
  return text;
}

TEST(Report, WorkOfTheMostExpensiveChoice) {
  std::string start = R"({"layers": [0, 1], "num_experts": 4, )";
  EXPECT_EQ(workOf(start + R"("top_k": 2})"), "2100,210 2020,202 ");
  // Of the last block, only the class token's choices count.
  EXPECT_EQ(workOf(start + R"("top_k": 2, "routing": "patch"})"),
            "4100,410 2020,202 ");
  EXPECT_EQ(workOf(start + R"("top_k": 2, "routing": "patch"})",
                   {{"pool", "\"mean\""}}),
            "4100,410 4080,408 ");
  // At most two tokens for each expert.
  EXPECT_EQ(workOf(start + R"("top_k": 2, "routing": "patch",
                             "capacity_factor": 0.75})"),
            "4080,408 2020,202 ");
  EXPECT_EQ(workOf(start + R"("routing": "patch", "capacity_factor": 2,
                             "router": {"type": "expert_choice"}})"),
            "4120,412 4040,404 ");
  EXPECT_EQ(workOf(start + R"("routing": "patch", "slots_per_expert": 3,
                             "router": {"type": "soft"}})"),
            "4120,412 4120,412 ");
}

} // namespace
