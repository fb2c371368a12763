//===- File.h - Reading and writing files -----------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_FILE_H
#define MOE_LIB_RUNTIME_FILE_H

#include "Array.h"
#include "Message.h"

namespace moe {
namespace runtime {

/// Would reading from the file wait for someone to write?
bool mayWait(int Descriptor);

/// Is `Path` standard input, or a pipe or the like, which can be read only
/// once?
bool isPipe(const char *Path);

/// A file or standard input, read from its start to its end.
class InputFile {
public:
  InputFile() = default;
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;
  ~InputFile();

  /// Opens `Path`; "-" is standard input. Closes what was open before.
  bool open(const char *Path, Message &Error);
  void close();

  /// Bytes of a regular file, -1 for a pipe or the like.
  int64_t size() const { return Size; }

  /// Would a read now wait for whoever writes into this pipe?
  bool mayWait() const { return Size < 0 && moe::runtime::mayWait(Descriptor); }

  /// Reads up to `Count` bytes; fewer only at the file's end. `NumRead` says
  /// how many.
  bool read(void *Data, size_t Count, size_t &NumRead, Message &Error);

  /// Maps all of a regular file, for reading, until someone unmaps it. Null
  /// with an error.
  const char *map(Message &Error) const;

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
  /// For printing into the file; `check` takes note of errors.
  FILE *stream() { return Stream; }
  void check();
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
