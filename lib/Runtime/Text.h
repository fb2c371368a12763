//===- Text.h - Writing strings and numbers ---------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_TEXT_H
#define MOE_LIB_RUNTIME_TEXT_H

#include <cstdint>
#include <cstdio>

namespace moe {
namespace runtime {

/// Writes `Text` as a JSON string with its quotes. Ill-formed UTF-8 is
/// replaced by U+FFFD, so that the output is always valid JSON.
void writeJsonString(FILE *Out, const char *Text);

/// Writes a float so that it reads back as the same float; null if it is not
/// finite, which JSON cannot say.
void writeJsonFloat(FILE *Out, float Value);

/// Writes `Text` for people: control characters, which could break the line or
/// drive a terminal, and ill-formed UTF-8 become "?".
void writePlain(FILE *Out, const char *Text);

/// Writes the line "error: FILE: TEXT" to standard error.
void reportError(const char *File, const char *Text);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_TEXT_H
