//===- IRMutator.cpp - Changes of MLIR's text -----------------------------===//

#include "IRMutator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir::moe::fuzz;
using llvm::SmallVector;
using llvm::StringRef;

static constexpr StringRef passesPrefix = "// PASSES: ";

StringRef mlir::moe::fuzz::passesOf(StringRef text) {
  StringRef line = text.split('\n').first;
  return line.consume_front(passesPrefix) ? line : StringRef();
}

/// Each stage by itself, and ways through all of them.
static constexpr StringRef pipelines[] = {
    "canonicalize,cse",
    "moe-optimize",
    "moe-fold-constants",
    "moe-slice-tokens",
    "moe-merge-experts",
    "moe-merge-experts,convert-moe-to-linalg",
    "convert-moe-to-linalg",
    "moe-to-linalg",
    "moe-to-linalg{column-bits=64}",
    "moe-place-weights",
    "moe-set-precision{precision=bf16}",
    "moe-set-precision{precision=int8}",
    "moe-set-precision{precision=int8 observe=true}",
    "moe-set-precision{precision=int8 scales=0.5,0.25,1.0}",
    "moe-to-vector{cpu=x86-64-v3}",
    "moe-widen-products{cpu=armv8.6-a}",
    "moe-vectorize{cpu=x86-64}",
    "moe-vectorize{cpu=x86-64-v4}",
    "moe-vectorize{cpu=x86-64-v4+amx}",
    "moe-vectorize{cpu=armv8-a}",
    "moe-vectorize{cpu=armv8.6-a}",
    "moe-bufferize",
    "moe-lower-copies",
    "moe-plan-workspace",
    "moe-outline-kernels",
    "moe-lower-dots{cpu=x86-64-v4+vnni}",
    "moe-lower-dots{cpu=armv8-a+dotprod}",
    "moe-expand-math{cpu=x86-64}",
    "moe-expand-math{cpu=armv8-a}",
    "moe-to-llvm{cpu=x86-64-v3}",
    "convert-moe-to-llvm",
    "moe-optimize,moe-to-linalg,moe-to-vector{cpu=x86-64-v3},moe-bufferize,"
    "moe-to-llvm{cpu=x86-64-v3}",
    "moe-optimize,moe-set-precision{precision=bf16},canonicalize,cse,"
    "moe-to-linalg,moe-to-vector{cpu=x86-64-v4+amx},moe-bufferize,"
    "moe-to-llvm{cpu=x86-64-v4+amx}",
    "moe-optimize,moe-set-precision{precision=int8},canonicalize,cse,"
    "moe-to-linalg,moe-to-vector{cpu=x86-64-v4+vnni},moe-bufferize,"
    "moe-to-llvm{cpu=x86-64-v4+vnni}",
    "moe-optimize,moe-set-precision{precision=int8},canonicalize,cse,"
    "moe-to-linalg{column-bits=64},moe-to-vector{cpu=armv8.6-a},moe-bufferize,"
    "moe-to-llvm{cpu=armv8.6-a}"};

static constexpr StringRef elementTypes[] = {"f32", "bf16", "i8",    "i32",
                                             "f16", "f64",  "index", "i1"};

namespace {
/// A part of the text.
struct Range {
  size_t begin, end;
  StringRef of(StringRef text) const { return text.slice(begin, end); }
};
} // namespace

static std::string replace(StringRef text, Range range, StringRef by) {
  return (text.take_front(range.begin) + by + text.drop_front(range.end)).str();
}

/// The numbers of the text: sizes of types and constants, not parts of names.
static SmallVector<Range> numbersIn(StringRef text) {
  SmallVector<Range> numbers;
  for (size_t i = 0; i < text.size();) {
    if (!llvm::isDigit(text[i])) {
      ++i;
      continue;
    }
    size_t end = std::min(text.find_first_not_of("0123456789", i), text.size());
    char before = i ? text[i - 1] : ' ';
    bool isSize = before == 'x' && i > 1 &&
                  (llvm::isDigit(text[i - 2]) || text[i - 2] == '?');
    if (isSize || StringRef(" <([,=-+*\n").contains(before))
      numbers.push_back({i, end});
    i = end;
  }
  return numbers;
}

static bool isWordChar(char c) {
  return llvm::isAlnum(c) || StringRef("_.%@#^!$").contains(c);
}

static SmallVector<Range> wordsIn(StringRef text) {
  SmallVector<Range> words;
  for (size_t i = 0; i < text.size();) {
    if (!isWordChar(text[i])) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < text.size() && isWordChar(text[end]))
      ++end;
    words.push_back({i, end});
    i = end;
  }
  return words;
}

/// The lines with their breaks, without that of the passes.
static SmallVector<Range> linesIn(StringRef text) {
  SmallVector<Range> lines;
  for (size_t i = 0; i < text.size();) {
    size_t end = std::min(text.find('\n', i), text.size() - 1) + 1;
    if (!text.slice(i, end).starts_with(passesPrefix))
      lines.push_back({i, end});
    i = end;
  }
  return lines;
}

/// What kind of word may take the place of `word`.
static char kindOf(StringRef word) {
  if (StringRef("%@#^!").contains(word.front()))
    return word.front();
  if (llvm::is_contained(elementTypes, word))
    return 't';
  return llvm::isDigit(word.front()) ? '0' : 'a';
}

std::string IRMutator::changePasses(StringRef text) {
  StringRef rest =
      text.starts_with(passesPrefix) ? text.split('\n').second : text;
  StringRef passes = pipelines[pick(std::size(pipelines))];
  return (passesPrefix + passes + "\n" + rest).str();
}

std::string IRMutator::changeNumber(StringRef text) {
  SmallVector<Range> numbers = numbersIn(text);
  if (numbers.empty())
    return text.str();
  Range chosen = numbers[pick(numbers.size())];
  StringRef old = chosen.of(text);
  uint64_t value = 0;
  old.getAsInteger(10, value);
  const uint64_t others[] = {
      0,         1,          2,         3,         7,
      8,         15,         16,        17,        32,
      33,        64,         value + 1, value - 1, value * 2,
      value / 2, value + 16, 65536,     INT32_MAX, uint64_t(1) << 32,
      INT64_MAX, UINT64_MAX};
  std::string by = std::to_string(others[pick(std::size(others))]);
  if (oneIn(16))
    by = "-" + by;
  if (oneIn(3))
    return replace(text, chosen, by);
  // Everywhere, from the end so that places stay.
  std::string result = text.str();
  for (Range each : llvm::reverse(numbers))
    if (each.of(text) == old)
      result = replace(result, each, by);
  return result;
}

std::string IRMutator::changeWord(StringRef text) {
  SmallVector<Range> words = wordsIn(text);
  if (words.empty())
    return text.str();
  Range chosen = words[pick(words.size())];
  // Element types are parts of words such as `4x16xf32`.
  if (oneIn(4)) {
    StringRef from = elementTypes[pick(std::size(elementTypes))];
    StringRef to = elementTypes[pick(std::size(elementTypes))];
    SmallVector<size_t> places;
    for (size_t i = text.find(from); i != StringRef::npos;
         i = text.find(from, i + 1))
      places.push_back(i);
    if (places.empty())
      return text.str();
    if (oneIn(3))
      places = {places[pick(places.size())]};
    std::string result = text.str();
    for (size_t i : llvm::reverse(places))
      result = replace(result, {i, i + from.size()}, to);
    return result;
  }
  if (oneIn(8))
    return replace(text, chosen, "");
  llvm::erase_if(words, [&](Range each) {
    return kindOf(each.of(text)) != kindOf(chosen.of(text)) ||
           each.of(text) == chosen.of(text);
  });
  if (words.empty())
    return text.str();
  return replace(text, chosen, words[pick(words.size())].of(text));
}

std::string IRMutator::changeLine(StringRef text) {
  SmallVector<Range> lines = linesIn(text);
  if (lines.size() < 2)
    return text.str();
  Range chosen = lines[pick(lines.size())], other = lines[pick(lines.size())];
  switch (pick(3)) {
  case 0:
    return replace(text, chosen, "");
  case 1:
    return replace(text, {chosen.begin, chosen.begin}, other.of(text));
  default:
    return replace(text, chosen, other.of(text));
  }
}

std::string IRMutator::mutateOnce(const std::string &text) {
  switch (pick(16)) {
  case 0:
    return changePasses(text);
  case 1:
  case 2:
  case 3:
    return changeLine(text);
  case 4:
  case 5:
  case 6:
  case 7:
  case 8:
    return changeWord(text);
  default:
    return changeNumber(text);
  }
}

std::string IRMutator::mutate(std::string text) {
  do {
    text = mutateOnce(text);
  } while (oneIn(3));
  return text;
}

std::string IRMutator::crossOver(StringRef text, StringRef other) {
  SmallVector<Range> lines = linesIn(text), others = linesIn(other);
  if (lines.empty() || others.empty())
    return text.str();
  size_t first = pick(others.size());
  size_t last = std::min(first + pick(4), others.size() - 1);
  StringRef added = other.slice(others[first].begin, others[last].end);
  Range place = lines[pick(lines.size())];
  if (oneIn(2))
    place.end = place.begin;
  return replace(text, place, added);
}
