//===- File.h - Reading and writing files -----------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_FILE_H
#define MOE_LIB_RUNTIME_FILE_H

#include "Array.h"
#include "Message.h"

namespace moe {
namespace runtime {

/// A file or standard input, read from its start to its end.
class InputFile {
public:
  InputFile() = default;
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;
  ~InputFile();

  /// Opens `Path`; "-" is standard input.
  bool open(const char *Path, Message &Error);

  /// Bytes of a regular file, -1 for a pipe or the like.
  int64_t size() const { return Size; }

  /// Reads up to `Count` bytes; fewer only at the file's end. `NumRead` says
  /// how many.
  bool read(void *Data, size_t Count, size_t &NumRead, Message &Error);

  /// Reads all that is left; an error if that is more than `MaxSize` bytes.
  bool readAll(Array<uint8_t> &Data, size_t MaxSize, Message &Error);

private:
  int Descriptor = -1;
  int64_t Size = -1;
};

/// A file that appears under its name only when it is whole: written beside it
/// under another name, and removed again if it is not committed.
class OutputFile {
public:
  OutputFile() = default;
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile();

  /// Creates the temporary file. An existing file keeps its permissions, a
  /// symbolic link its place. `Path` must outlive this object.
  bool open(const char *Path, Message &Error);
  /// Buffered; an error of the system may appear later, in `commit`.
  void write(const void *Data, size_t Count);
  void seekToStart();
  /// Puts the file in its place. False if any write failed.
  bool commit(Message &Error);

private:
  Array<char> Target;    ///< `Path` without symbolic links
  Array<char> Temporary; ///< empty = there is none
  FILE *Stream = nullptr;
  int FirstError = 0; ///< errno of the first write that failed
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_FILE_H
