//===- Profile.cpp - Traces of the model's executable ---------------------===//
//
// The trace is read as a stream of events and summed at once: of a thousand
// images, it is longer than the tree of a JSON file may be.
//
//===----------------------------------------------------------------------===//

#include "InputFile.h"
#include "Json.h"
#include "moe/Report/Report.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

#include <algorithm>
#include <map>

using namespace mlir;
using namespace mlir::moe;

/// Larger numbers are an error, so that no sum of them becomes infinite.
static constexpr double maxNumber = 1e30;

namespace {
/// An event of `traceEvents`, as far as it matters here.
struct TraceEvent {
  std::string name, category, phase;
  std::optional<double> duration, gate, tokens, multiplyAdds, bytes,
      shareOfPeak;
  std::optional<int64_t> layer, expert;
};

class TraceReader final : public JsonEvents {
public:
  TraceReader(const ReportData &data, JsonErrorSink error)
      : data(data), error(error) {
    for (auto [index, part] : llvm::enumerate(data.parts))
      partIndex.try_emplace(part.name, index);
  }

  /// After the last event: what they say, or nothing after an error.
  std::optional<ReportProfile> finish();

  bool scalar(JsonScalar value) override;
  bool startObject() override { return open(JsonScalar::Kind::Object); }
  bool key(std::string key) override {
    stack.back().key = std::move(key);
    return true;
  }
  bool endObject() override {
    stack.pop_back();
    return !isEvent() || finishEvent();
  }
  bool startArray() override { return open(JsonScalar::Kind::Array); }
  bool endArray() override {
    stack.pop_back();
    return true;
  }

private:
  /// An open list or object, and where in it the reader is.
  struct Level {
    bool isArray;
    int64_t index = -1;
    std::string key;
  };

  bool fail(StringRef where, const llvm::Twine &message) {
    error(where, message.str());
    return false;
  }
  /// Where the reader is: "traceEvents[3].args.gate".
  std::string path(size_t levels) const {
    std::string path;
    for (const Level &level : ArrayRef<Level>(stack).take_front(levels))
      path = level.isArray ? jsonElementPath(path, level.index)
                           : jsonMemberPath(path, level.key);
    return path;
  }
  std::string path() const { return path(stack.size()); }

  /// Whether the value that begins or has ended is an element of
  /// `traceEvents`; `below` levels above it, one is.
  bool isEvent(size_t below = 0) const {
    return stack.size() == 2 + below && stack[0].key == "traceEvents" &&
           stack[1].isArray;
  }
  /// Steps to the next value, of that kind, and checks that lists and objects
  /// are where they are expected.
  bool next(JsonScalar::Kind kind);
  bool open(JsonScalar::Kind kind) {
    if (!next(kind))
      return false;
    stack.push_back({kind == JsonScalar::Kind::Array, -1, {}});
    if (isEvent(1))
      event = {};
    return true;
  }

  bool read(const JsonScalar &value, std::string &result);
  bool read(const JsonScalar &value, std::optional<double> &result);
  bool read(const JsonScalar &value, std::optional<int64_t> &result);
  bool readCount(const JsonScalar &value, int64_t least, int64_t &result);
  bool readField(const JsonScalar &value);
  bool readArgument(const JsonScalar &value);
  bool readHeader(const JsonScalar &value);

  bool finishEvent();
  bool addPart();

  const ReportData &data;
  JsonErrorSink error;
  llvm::StringMap<size_t> partIndex;
  SmallVector<Level> stack;
  TraceEvent event;
  bool hasEvents = false;
  std::string model, precision;
  ReportProfile profile;
  std::map<std::pair<size_t, int64_t>, ProfiledPart> sums;
};
} // namespace

bool TraceReader::next(JsonScalar::Kind kind) {
  auto expectKind = [&](JsonScalar::Kind expected) {
    if (kind == expected)
      return true;
    JsonScalar wanted, found;
    wanted.kind = expected;
    found.kind = kind;
    bool isScalar =
        kind != JsonScalar::Kind::Object && kind != JsonScalar::Kind::Array;
    std::string where = stack.empty() ? "top level" : path();
    return fail(where, "expected " + llvm::Twine(wanted.describe()) +
                           ", found " +
                           (isScalar ? "a single value" : found.describe()));
  };
  if (stack.empty())
    return expectKind(JsonScalar::Kind::Object);
  if (stack.back().isArray)
    ++stack.back().index;
  if (isEvent())
    return expectKind(JsonScalar::Kind::Object);
  if (stack.size() == 1 && stack[0].key == "traceEvents") {
    if (hasEvents)
      return fail("traceEvents", "is there twice");
    hasEvents = true;
    return expectKind(JsonScalar::Kind::Array);
  }
  if (stack.size() == 1 && stack[0].key == "otherData")
    return expectKind(JsonScalar::Kind::Object);
  return true;
}

bool TraceReader::read(const JsonScalar &value, std::string &result) {
  if (value.kind != JsonScalar::Kind::String)
    return fail(path(), "expected a string, found " + value.describe());
  result = value.text;
  return true;
}

bool TraceReader::read(const JsonScalar &value, std::optional<double> &result) {
  // What could not be computed, such as a share of a peak that is not known.
  if (value.kind == JsonScalar::Kind::Null)
    return true;
  if (!value.isNumber() || value.number < 0 || value.number > maxNumber)
    return fail(path(),
                "expected a number that is not negative nor larger than 1e30, "
                "found " +
                    value.describe());
  result = value.number;
  return true;
}

bool TraceReader::read(const JsonScalar &value,
                       std::optional<int64_t> &result) {
  if (value.kind != JsonScalar::Kind::Integer)
    return fail(path(), "expected an integer, found " + value.describe());
  result = value.integer;
  return true;
}

bool TraceReader::readCount(const JsonScalar &value, int64_t least,
                            int64_t &result) {
  std::optional<int64_t> count;
  if (!read(value, count))
    return false;
  if (*count < least)
    return fail(path(), "expected an integer of at least " +
                            llvm::Twine(least) + ", found " +
                            llvm::Twine(*count));
  result = *count;
  return true;
}

bool TraceReader::readField(const JsonScalar &value) {
  StringRef key = stack.back().key;
  if (key == "name")
    return read(value, event.name);
  if (key == "cat")
    return read(value, event.category);
  if (key == "ph")
    return read(value, event.phase);
  if (key == "dur")
    return read(value, event.duration);
  return true;
}

bool TraceReader::readArgument(const JsonScalar &value) {
  StringRef key = stack.back().key;
  // Events of other categories may have others of these names.
  if (!event.category.empty() && event.category != "part")
    return true;
  if (key == "layer")
    return read(value, event.layer);
  if (key == "expert")
    return read(value, event.expert);
  if (key == "gate")
    return read(value, event.gate);
  if (key == "tokens")
    return read(value, event.tokens);
  if (key == "multiply_adds")
    return read(value, event.multiplyAdds);
  if (key == "bytes")
    return read(value, event.bytes);
  if (key == "share_of_peak")
    return read(value, event.shareOfPeak);
  return true;
}

bool TraceReader::readHeader(const JsonScalar &value) {
  StringRef key = stack.back().key;
  if (stack.size() == 3 && stack[1].key == "peak_gigaflops") {
    std::optional<Precision> kind = parsePrecision(key);
    std::optional<double> peak;
    if (!kind)
      return true;
    if (!read(value, peak))
      return false;
    profile.peakGigaflops[static_cast<int>(*kind)] = peak.value_or(0);
    return true;
  }
  if (stack.size() != 2)
    return true;
  if (key == "model")
    return read(value, model);
  if (key == "precision")
    return read(value, precision);
  if (key == "cpu_variant")
    return read(value, profile.cpu);
  if (key == "threads")
    return readCount(value, /*least=*/1, profile.threads);
  if (key == "images_left_out")
    return readCount(value, /*least=*/0, profile.imagesLeftOut);
  return true;
}

bool TraceReader::scalar(JsonScalar value) {
  if (!next(value.kind))
    return false;
  if (stack.back().isArray)
    return true;
  if (isEvent(1))
    return readField(value);
  if (isEvent(2) && stack[2].key == "args")
    return readArgument(value);
  if (stack[0].key == "otherData")
    return readHeader(value);
  return true;
}

bool TraceReader::finishEvent() {
  bool isPart = event.category == "part";
  if (!isPart && event.category != "image")
    return true;
  if (event.phase != "X")
    return fail(path() + ".ph",
                "expected \"X\", found " + quoteForMessage(event.phase));
  if (!event.duration)
    return fail(path() + ".dur", "expected a number, found nothing");
  if (isPart)
    return addPart();
  ++profile.images;
  profile.microseconds += *event.duration;
  profile.imageMicroseconds.push_back(*event.duration);
  return true;
}

bool TraceReader::addPart() {
  auto found = partIndex.find(event.name);
  if (found == partIndex.end())
    return fail(path() + ".name",
                "the model has no part " + quoteForMessage(event.name));
  size_t index = found->second;
  if (int64_t layer = data.parts[index].layer;
      event.layer.value_or(layer) != layer)
    return fail(path() + ".args.layer", "expected " + llvm::Twine(layer) +
                                            ", found " +
                                            llvm::Twine(*event.layer));
  int64_t expert = event.expert.value_or(-1);
  int64_t numExperts = data.spec.moe ? data.spec.moe->numExperts : 0;
  if (expert < -1 || expert >= numExperts)
    return fail(path() + ".args.expert",
                numExperts ? "expected one of " + llvm::Twine(numExperts) +
                                 " experts, found " + llvm::Twine(expert)
                           : llvm::Twine("the model has no experts"));

  ProfiledPart &sum = sums[{index, expert}];
  sum.part = index;
  sum.expert = expert;
  ++sum.runs;
  sum.microseconds += *event.duration;
  sum.gate += event.gate.value_or(0);
  sum.tokens += event.tokens.value_or(0);
  sum.multiplyAdds += event.multiplyAdds.value_or(0);
  sum.bytes += event.bytes.value_or(0);
  sum.shareOfPeak += event.shareOfPeak.value_or(0) * *event.duration;
  return true;
}

std::optional<ReportProfile> TraceReader::finish() {
  auto expectSame = [&](StringRef where, StringRef expected, StringRef found) {
    return expected == found ||
           fail(where,
                "expected " + quoteForMessage(expected) + ", found " +
                    (found.empty() ? "nothing" : quoteForMessage(found)));
  };
  if (!expectSame("otherData.model", data.spec.name, model) ||
      !expectSame("otherData.precision", data.precision, precision))
    return std::nullopt;
  if (profile.images == 0 || sums.empty()) {
    fail("traceEvents", profile.images == 0
                            ? "expected an event of an image, found none"
                            : "expected an event of a part, found none");
    return std::nullopt;
  }
  for (const auto &[place, sum] : sums)
    profile.parts.push_back(sum);
  if (data.profile &&
      !expectSame("otherData.cpu_variant", data.profile->cpu, profile.cpu))
    return std::nullopt;
  if (data.profile && data.profile->threads != profile.threads) {
    fail("otherData.threads", "expected " + llvm::Twine(data.profile->threads) +
                                  " as in the trace before, found " +
                                  llvm::Twine(profile.threads));
    return std::nullopt;
  }
  return std::move(profile);
}

/// Adds what another trace says. The peaks are the last one's.
static void add(ReportProfile &sum, ReportProfile &&other) {
  std::map<std::pair<size_t, int64_t>, ProfiledPart> parts;
  for (const ReportProfile *each : {&sum, &other})
    for (const ProfiledPart &part : each->parts) {
      ProfiledPart &total = parts[{part.part, part.expert}];
      total.part = part.part;
      total.expert = part.expert;
      total.runs += part.runs;
      total.microseconds += part.microseconds;
      total.gate += part.gate;
      total.tokens += part.tokens;
      total.multiplyAdds += part.multiplyAdds;
      total.bytes += part.bytes;
      total.shareOfPeak += part.shareOfPeak;
    }
  other.images += sum.images;
  other.imagesLeftOut += sum.imagesLeftOut;
  other.microseconds += sum.microseconds;
  llvm::append_range(other.imageMicroseconds, sum.imageMicroseconds);
  other.parts.clear();
  for (const auto &[place, part] : parts)
    other.parts.push_back(part);
  sum = std::move(other);
}

LogicalResult mlir::moe::addProfile(ReportData &data, StringRef path,
                                    StringRef json, InputErrorSink sink) {
  auto error = [&](StringRef where, StringRef message) {
    reportError(sink, path, where, message);
  };
  TraceReader reader(data, error);
  if (!parseJsonEvents(json, reader, error))
    return failure();
  std::optional<ReportProfile> profile = reader.finish();
  if (!profile)
    return failure();
  if (data.profile)
    add(*data.profile, std::move(*profile));
  else
    data.profile = std::move(*profile);
  std::vector<double> &times = data.profile->imageMicroseconds;
  auto middle = times.begin() + times.size() / 2;
  std::nth_element(times.begin(), middle, times.end());
  data.profile->medianMicroseconds = *middle;
  return success();
}
