//===- InputError.cpp - What is wrong with a file of the user's -----------===//

#include "moe/Import/InputError.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::moe;

/// Splits the first character off `text`: a UTF-8 sequence, or a single byte
/// (and `valid` false) where there is none.
static StringRef takeCharacter(StringRef &text, bool &valid) {
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.data());
  size_t size = llvm::getNumBytesForUTF8(*begin);
  valid = size <= text.size() && llvm::isLegalUTF8Sequence(begin, begin + size);
  if (!valid)
    size = 1;
  StringRef character = text.take_front(size);
  text = text.drop_front(size);
  return character;
}

static uint32_t decode(StringRef character) {
  unsigned char lead = character.front();
  if (character.size() == 1)
    return lead;
  uint32_t code = lead & (0x7fu >> character.size());
  for (char c : character.drop_front())
    code = code << 6 | (c & 0x3f);
  return code;
}

/// Whether a character could break the line, or move what a terminal shows.
static bool isHarmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
         code == 0x2029 || code == 0x200e || code == 0x200f ||
         (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void printEscaped(llvm::raw_ostream &os, StringRef text,
                         size_t maxChars) {
  for (size_t printed = 0; !text.empty(); ++printed) {
    if (printed == maxChars) {
      os << "...";
      return;
    }
    bool valid;
    StringRef character = takeCharacter(text, valid);
    uint32_t code = decode(character);
    if (code == '\n')
      os << "\\n";
    else if (code == '\r')
      os << "\\r";
    else if (code == '\t')
      os << "\\t";
    else if (!valid || (isHarmful(code) && code < 0x80))
      os << "\\x" << llvm::hexdigit(code >> 4 & 15, /*LowerCase=*/true)
         << llvm::hexdigit(code & 15, /*LowerCase=*/true);
    else if (isHarmful(code))
      os << "\\u" << llvm::utohexstr(code, /*LowerCase=*/true, /*Width=*/4);
    else
      os << character;
  }
}

std::string InputError::str() const {
  std::string line;
  llvm::raw_string_ostream os(line);
  os << (severity == Severity::Error ? "error: " : "warning: ");
  printEscaped(os, file, 4096);
  os << ": ";
  printEscaped(os, where, 200);
  os << ": ";
  printEscaped(os, message, 4000);
  return line;
}

std::string moe::quoteForMessage(StringRef text, size_t maxChars) {
  StringRef rest = text;
  bool valid;
  for (size_t i = 0; i != maxChars && !rest.empty(); ++i)
    takeCharacter(rest, valid);
  StringRef kept = text.drop_back(rest.size());
  return ("\"" + kept + (rest.empty() ? "\"" : "...\"")).str();
}

std::string moe::listForMessage(ArrayRef<StringRef> items, size_t maxItems) {
  std::string list;
  llvm::raw_string_ostream os(list);
  size_t shown = std::min(items.size(), maxItems);
  for (size_t i = 0; i != shown; ++i) {
    // A name alone, but never so long that it hides the others.
    std::string item = quoteForMessage(items[i], 120);
    os << (i ? ", " : "") << StringRef(item).drop_front().drop_back();
  }
  if (shown != items.size())
    os << " and " << items.size() - shown << " more";
  return list;
}
