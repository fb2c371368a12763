//===- ProfileTest.cpp - Reading traces -----------------------------------===//

#include "TestSupport.h"
#include "moe/Report/Report.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

ReportData makeData() {
  ReportData data;
  data.spec = parseSpec({{"moe", R"({"layers": [1], "num_experts": 3})"}});
  data.precision = "f32";
  data.parts = {{"patch_embed"}, {"blocks.1.moe.fc1", 1}};
  return data;
}

const char *const other =
    R"({"model": "tiny", "precision": "f32", "cpu_variant": "x86-64-v3",
        "threads": 2, "images_left_out": 7, "peak_gigaflops": {"f32": 200.5}})";

std::string image(StringRef duration = "10") {
  return (R"({"name": "a.png", "cat": "image", "ph": "X", "ts": 0, "dur": )" +
          duration + ", \"args\": {\"layer\": \"of an image\"}}")
      .str();
}

/// An event of a part with `fields` and `arguments` in addition.
std::string part(StringRef name, StringRef duration,
                 StringRef arguments = "{}") {
  return ("{\"name\": \"" + name +
          R"(", "cat": "part", "ph": "X", "ts": 1, "dur": )" + duration +
          ", \"args\": " + arguments + "}")
      .str();
}

std::string trace(StringRef events, StringRef otherData = other) {
  return ("{\"traceEvents\": [" + events + "], \"otherData\": " + otherData +
          "}")
      .str();
}

/// Reads a bad trace: one error, which is returned, and nothing changed.
InputError readBad(StringRef json) {
  ReportData data = makeData();
  Errors errors;
  EXPECT_TRUE(failed(addProfile(data, "trace.json", json, errors)))
      << json.str();
  EXPECT_FALSE(data.profile);
  EXPECT_EQ(errors.list.size(), 1u) << errors.str();
  if (errors.list.empty())
    return {};
  EXPECT_EQ(errors.list[0].file, "trace.json");
  return errors.list[0];
}

void expectBad(StringRef json, StringRef where, StringRef message) {
  InputError error = readBad(json);
  EXPECT_EQ(error.where, where.str()) << json.str();
  EXPECT_EQ(error.message, message.str()) << json.str();
}

TEST(Profile, SumsOverImages) {
  std::string events =
      image() + "," + part("patch_embed", "2.5", R"({"multiply_adds": 100,
          "bytes": 10, "share_of_peak": 0.5, "layer": -1})");
  events += "," + part("blocks.1.moe.fc1", "3",
                       R"({"layer": 1, "expert": 2, "gate": 0.75, "tokens": 5,
                           "gigaflops": {"a": [1]}, "multiply_adds": 7})");
  events += ",{\"name\": \"process_name\", \"ph\": \"M\", \"args\": {}}," +
            image("20") + "," +
            part("patch_embed", "1.5", R"({"share_of_peak": 0.9})") + "," +
            part("blocks.1.moe.fc1", "4",
                 R"({"expert": 2, "gate": 0.25, "share_of_peak": null})") +
            "," + part("blocks.1.moe.fc1", "5", R"({"expert": 0})");
  ReportData data = makeData();
  Errors errors;
  ASSERT_TRUE(succeeded(addProfile(data, "t", trace(events), errors)))
      << errors.str();
  const ReportProfile &profile = *data.profile;
  EXPECT_EQ(profile.cpu, "x86-64-v3");
  EXPECT_EQ(profile.threads, 2);
  EXPECT_EQ(profile.images, 2);
  EXPECT_EQ(profile.imagesLeftOut, 7);
  EXPECT_EQ(profile.microseconds, 30);
  EXPECT_EQ(profile.medianMicroseconds, 20);
  EXPECT_EQ(profile.peakGigaflops[0], 200.5);
  EXPECT_EQ(profile.peakGigaflops[2], 0);
  ASSERT_EQ(profile.parts.size(), 3u);
  const ProfiledPart &embed = profile.parts[0], &zero = profile.parts[1],
                     &two = profile.parts[2];
  EXPECT_EQ(embed.part, 0u);
  EXPECT_EQ(embed.expert, -1);
  EXPECT_EQ(embed.runs, 2);
  EXPECT_EQ(embed.microseconds, 4);
  EXPECT_EQ(embed.multiplyAdds, 100);
  EXPECT_EQ(embed.bytes, 10);
  EXPECT_DOUBLE_EQ(embed.shareOfPeak, 0.5 * 2.5 + 0.9 * 1.5);
  EXPECT_EQ(zero.expert, 0);
  EXPECT_EQ(zero.microseconds, 5);
  EXPECT_EQ(two.expert, 2);
  EXPECT_EQ(two.runs, 2);
  EXPECT_EQ(two.gate, 1);
  EXPECT_EQ(two.tokens, 5);

  // What comes first in the file does not matter.
  ReportData same = makeData();
  std::string turned = ("{\"otherData\": " + StringRef(other) +
                        ", \"traceEvents\": [" + events + "]}")
                           .str();
  ASSERT_TRUE(succeeded(addProfile(same, "t", turned, errors)));
  EXPECT_EQ(same.profile->microseconds, 30);

  // Another trace comes on top.
  std::string more = trace(image("50") + "," +
                           part("blocks.1.moe.fc1", "6", R"({"expert": 1})") +
                           "," + part("patch_embed", "1"));
  ASSERT_TRUE(succeeded(addProfile(same, "t", more, errors))) << errors.str();
  EXPECT_EQ(same.profile->images, 3);
  EXPECT_EQ(same.profile->imagesLeftOut, 14);
  EXPECT_EQ(same.profile->microseconds, 80);
  EXPECT_EQ(same.profile->medianMicroseconds, 20);
  ASSERT_EQ(same.profile->parts.size(), 4u);
  EXPECT_EQ(same.profile->parts[0].runs, 3);
  EXPECT_EQ(same.profile->parts[0].microseconds, 5);
  EXPECT_EQ(same.profile->parts[2].expert, 1);
  EXPECT_EQ(same.profile->parts[2].runs, 1);

  // One that was run in another way does not.
  size_t at = more.find("x86-64-v3");
  ASSERT_NE(at, std::string::npos);
  EXPECT_TRUE(
      failed(addProfile(same, "t", more.replace(at, 9, "x86-64-v4"), errors)));
  EXPECT_EQ(same.profile->images, 3);
}

TEST(Profile, OfAnotherModel) {
  std::string events = image() + "," + part("patch_embed", "1");
  expectBad(trace(events, R"({"model": "vit", "precision": "f32"})"),
            "otherData.model", "expected \"tiny\", found \"vit\"");
  expectBad(trace(events, R"({"model": "tiny", "precision": "int8"})"),
            "otherData.precision", "expected \"f32\", found \"int8\"");
  expectBad(trace(events, "{}"), "otherData.model",
            "expected \"tiny\", found nothing");
  expectBad(trace(image() + "," + part("head", "1")), "traceEvents[1].name",
            "the model has no part \"head\"");
  expectBad(trace(part("blocks.1.moe.fc1", "1", R"({"layer": 2})")),
            "traceEvents[0].args.layer", "expected 1, found 2");
  for (StringRef expert : {"3", "-2", "9223372036854775807"})
    expectBad(trace(part("blocks.1.moe.fc1", "1",
                         ("{\"expert\": " + expert + "}").str())),
              "traceEvents[0].args.expert",
              ("expected one of 3 experts, found " + expert).str());
  ReportData dense = makeData();
  dense.spec.moe.reset();
  Errors errors;
  EXPECT_TRUE(failed(
      addProfile(dense, "t",
                 trace(part("patch_embed", "1", R"({"expert": 0})")), errors)));
  expectOneError(errors, "traceEvents[0].args.expert",
                 "the model has no experts");
}

TEST(Profile, NoTrace) {
  EXPECT_EQ(readBad("").where, "line 1, column 1");
  EXPECT_EQ(readBad("\x7f"
                    "ELF")
                .where,
            "line 1, column 1");
  expectBad("[]", "top level", "expected an object, found a list");
  expectBad("3", "top level", "expected an object, found a single value");
  expectBad("{}", "otherData.model", "expected \"tiny\", found nothing");
  expectBad(R"({"traceEvents": {}})", "traceEvents",
            "expected a list, found an object");
  expectBad(R"({"traceEvents": 1})", "traceEvents",
            "expected a list, found a single value");
  expectBad(R"({"traceEvents": [[]]})", "traceEvents[0]",
            "expected an object, found a list");
  expectBad(R"({"traceEvents": [], "traceEvents": []})", "traceEvents",
            "is there twice");
  expectBad(R"({"otherData": []})", "otherData",
            "expected an object, found a list");
  expectBad(trace(""), "traceEvents",
            "expected an event of an image, found none");
  expectBad(trace(image()), "traceEvents",
            "expected an event of a part, found none");
}

TEST(Profile, BadFields) {
  expectBad(trace(part("patch_embed", "-1")), "traceEvents[0].dur",
            "expected a number that is not negative nor larger than 1e30, "
            "found -1");
  expectBad(trace(part("patch_embed", "1e31")), "traceEvents[0].dur",
            "expected a number that is not negative nor larger than 1e30, "
            "found 1e31");
  expectBad(trace(part("patch_embed", "\"1\"")), "traceEvents[0].dur",
            "expected a number that is not negative nor larger than 1e30, "
            "found \"1\"");
  expectBad(trace(part("patch_embed", "null")), "traceEvents[0].dur",
            "expected a number, found nothing");
  expectBad(trace(R"({"cat": "part", "name": "patch_embed", "ph": "B"})"),
            "traceEvents[0].ph", "expected \"X\", found \"B\"");
  expectBad(trace(R"({"cat": 5})"), "traceEvents[0].cat",
            "expected a string, found 5");
  expectBad(trace(part("patch_embed", "1", R"({"gate": "high"})")),
            "traceEvents[0].args.gate",
            "expected a number that is not negative nor larger than 1e30, "
            "found \"high\"");
  expectBad(trace(part("patch_embed", "1", R"({"layer": 1.5})")),
            "traceEvents[0].args.layer", "expected an integer, found 1.5");
  expectBad(trace("", R"({"threads": 0})"), "otherData.threads",
            "expected an integer of at least 1, found 0");
  expectBad(trace("", R"({"peak_gigaflops": {"f32": []}, "threads": []})"),
            "otherData.model", "expected \"tiny\", found nothing");
}

/// However a trace is cut or changed: no crash, and one error if it is bad.
TEST(Profile, Mutations) {
  std::string good =
      trace(image() + "," +
            part("blocks.1.moe.fc1", "3",
                 R"({"layer": 1, "expert": 2, "gate": 0.75, "tokens": 5})"));
  std::mt19937 random(1);
  for (size_t i = 0; i != 3000; ++i) {
    std::string text =
        i < good.size() ? good.substr(0, i) : changeBytes(good, random);
    ReportData data = makeData();
    Errors errors;
    bool ok = succeeded(addProfile(data, "t", text, errors));
    EXPECT_EQ(errors.list.size(), ok ? 0u : 1u) << text;
    EXPECT_EQ(data.profile.has_value(), ok);
  }
}

} // namespace
