//===- Message.h - What went wrong ------------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_MESSAGE_H
#define MOE_LIB_RUNTIME_MESSAGE_H

#include <cstdarg>
#include <cstdio>

namespace moe {
namespace runtime {

/// The text of an error, without the file's name. Functions that can fail
/// return false after setting it.
class Message {
public:
  /// Sets the text, cut to its capacity; returns false so that callers can
  /// `return Error.set(...)`.
  __attribute__((format(printf, 2, 3))) bool set(const char *Format, ...) {
    va_list Arguments;
    va_start(Arguments, Format);
    vsnprintf(Buffer, sizeof Buffer, Format, Arguments);
    va_end(Arguments);
    return false;
  }
  bool outOfMemory() { return set("out of memory"); }
  const char *text() const { return Buffer; }

private:
  char Buffer[400] = "";
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_MESSAGE_H
