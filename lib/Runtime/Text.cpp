//===- Text.cpp - Writing strings and numbers -----------------------------===//

#include "Text.h"

using namespace moe::runtime;

namespace {
/// One step through a string of bytes that may or may not be UTF-8.
struct Character {
  int Length;   ///< bytes that it takes, at least 1
  bool IsValid; ///< else: the longest start of a character that is cut short
};
} // namespace

/// The character that starts at `Text`, which must not be at the final zero.
/// After table 3-7 of the Unicode standard.
static Character nextCharacter(const unsigned char *Text) {
  unsigned char Lead = Text[0];
  if (Lead < 0x80)
    return {1, true};
  if (Lead < 0xc2 || Lead > 0xf4)
    return {1, false};
  int Length = Lead < 0xe0 ? 2 : Lead < 0xf0 ? 3 : 4;
  unsigned char Low = Lead == 0xe0 ? 0xa0 : Lead == 0xf0 ? 0x90 : 0x80;
  unsigned char High = Lead == 0xed ? 0x9f : Lead == 0xf4 ? 0x8f : 0xbf;
  for (int I = 1; I < Length; ++I) {
    // The final zero is out of range too, so this never reads past it.
    if (Text[I] < Low || Text[I] > High)
      return {I, false};
    Low = 0x80;
    High = 0xbf;
  }
  return {Length, true};
}

/// C0, DEL and the two-byte C1 controls.
static bool isControl(const unsigned char *Text) {
  return Text[0] < 0x20 || Text[0] == 0x7f ||
         (Text[0] == 0xc2 && Text[1] < 0xa0);
}

void moe::runtime::writeJsonString(FILE *Out, const char *Text) {
  const auto *At = reinterpret_cast<const unsigned char *>(Text);
  fputc('"', Out);
  while (*At) {
    Character Next = nextCharacter(At);
    if (!Next.IsValid)
      fputs("\\ufffd", Out);
    else if (*At == '"' || *At == '\\')
      fprintf(Out, "\\%c", *At);
    else if (*At == '\n')
      fputs("\\n", Out);
    else if (*At == '\t')
      fputs("\\t", Out);
    else if (*At < 0x20 || *At == 0x7f)
      fprintf(Out, "\\u%04x", *At);
    else
      fwrite(At, 1, Next.Length, Out);
    At += Next.Length;
  }
  fputc('"', Out);
}

void moe::runtime::writeJsonFloat(FILE *Out, float Value) {
  if (__builtin_isfinite(Value))
    fprintf(Out, "%.9g", Value);
  else
    fputs("null", Out);
}

void moe::runtime::writePlain(FILE *Out, const char *Text) {
  const auto *At = reinterpret_cast<const unsigned char *>(Text);
  while (*At) {
    Character Next = nextCharacter(At);
    if (!Next.IsValid || isControl(At))
      fputc('?', Out);
    else
      fwrite(At, 1, Next.Length, Out);
    At += Next.Length;
  }
}

void moe::runtime::reportError(const char *File, const char *Text) {
  fputs("error: ", stderr);
  writePlain(stderr, File);
  fputs(": ", stderr);
  writePlain(stderr, Text);
  fputc('\n', stderr);
}
