//===- File.cpp - Reading and writing files -------------------------------===//

#include "File.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace moe::runtime;

static bool systemError(Message &Error, const char *What) {
  return Error.set("%s: %s", What, strerror(errno));
}

//===----------------------------------------------------------------------===//
// InputFile
//===----------------------------------------------------------------------===//

bool moe::runtime::mayWait(int Descriptor) {
  pollfd Poll = {Descriptor, POLLIN, 0};
  return poll(&Poll, 1, 0) == 0;
}

bool moe::runtime::isPipe(const char *Path) {
  struct stat Status;
  return strcmp(Path, "-") == 0 ||
         (stat(Path, &Status) == 0 && !S_ISREG(Status.st_mode));
}

InputFile::~InputFile() { close(); }

void InputFile::close() {
  if (Descriptor > STDIN_FILENO)
    ::close(Descriptor);
  Descriptor = -1;
  Size = -1;
}

bool InputFile::open(const char *Path, Message &Error) {
  close();
  Descriptor = strcmp(Path, "-") == 0 ? STDIN_FILENO
                                      : ::open(Path, O_RDONLY | O_CLOEXEC);
  if (Descriptor < 0)
    return systemError(Error, "cannot open");
  struct stat Status;
  if (fstat(Descriptor, &Status) != 0)
    return systemError(Error, "cannot read");
  // Standard input need not be at its start, so its size says nothing.
  if (S_ISREG(Status.st_mode) && Descriptor != STDIN_FILENO)
    Size = Status.st_size;
  return true;
}

bool InputFile::read(void *Data, size_t Count, size_t &NumRead,
                     Message &Error) {
  NumRead = 0;
  while (NumRead < Count) {
    ssize_t Got = ::read(Descriptor, static_cast<char *>(Data) + NumRead,
                         Count - NumRead);
    if (Got < 0 && errno == EINTR)
      continue;
    if (Got < 0)
      return systemError(Error, "cannot read");
    if (Got == 0)
      break;
    NumRead += Got;
  }
  return true;
}

const char *InputFile::map(Message &Error) const {
  void *Begin = mmap(nullptr, Size, PROT_READ, MAP_PRIVATE, Descriptor, 0);
  if (Begin != MAP_FAILED)
    return static_cast<const char *>(Begin);
  systemError(Error, "cannot map");
  return nullptr;
}

bool InputFile::readAll(Array<uint8_t> &Data, size_t MaxSize, Message &Error) {
  if (Size > static_cast<int64_t>(MaxSize))
    return Error.set("too large: expected at most %zu bytes, found %lld",
                     MaxSize, static_cast<long long>(Size));
  // One byte more than the file's size sees its end without another turn.
  size_t Capacity = Size >= 0 ? Size + 1 : 65536;
  size_t Length = 0;
  while (true) {
    if (!Data.resize(Capacity))
      return Error.outOfMemory();
    size_t Got;
    if (!read(Data.data() + Length, Capacity - Length, Got, Error))
      return false;
    Length += Got;
    if (Length < Capacity)
      break;
    if (Length > MaxSize)
      return Error.set("too large: expected at most %zu bytes", MaxSize);
    Capacity = std::min(Capacity * 2, MaxSize + 1);
  }
  Data.resize(Length);
  return true;
}

//===----------------------------------------------------------------------===//
// OutputFile
//===----------------------------------------------------------------------===//

OutputFile::~OutputFile() {
  if (Stream)
    fclose(Stream);
  if (Temporary.size())
    unlink(Temporary.data());
}

/// The permissions that a new file gets from the shell's umask.
static mode_t defaultMode() {
  mode_t Mask = umask(0);
  umask(Mask);
  return 0666 & ~Mask;
}

bool OutputFile::open(const char *Path, Message &Error) {
  mode_t Mode = defaultMode();
  struct stat Status;
  char *Resolved = nullptr;
  if (stat(Path, &Status) == 0) {
    if (!S_ISREG(Status.st_mode))
      return Error.set("cannot write: not a regular file");
    if (access(Path, W_OK) != 0)
      return systemError(Error, "cannot write");
    Mode = Status.st_mode & 07777;
    Resolved = realpath(Path, nullptr);
    if (!Resolved)
      return systemError(Error, "cannot write");
  }
  const char *Name = Resolved ? Resolved : Path;
  static const char Suffix[] = ".XXXXXX";
  size_t Length = strlen(Name);
  bool HasMemory =
      Target.allocate(Length + 1) && Temporary.allocate(Length + sizeof Suffix);
  if (HasMemory) {
    memcpy(Target.data(), Name, Length + 1);
    memcpy(Temporary.data(), Name, Length);
    memcpy(Temporary.data() + Length, Suffix, sizeof Suffix);
  }
  free(Resolved);
  if (!HasMemory) {
    Temporary = Array<char>();
    return Error.outOfMemory();
  }

  int Descriptor = mkstemp(Temporary.data());
  if (Descriptor < 0) {
    systemError(Error, "cannot create");
    Temporary = Array<char>();
    return false;
  }
  if (fchmod(Descriptor, Mode) == 0)
    Stream = fdopen(Descriptor, "wb");
  if (!Stream) {
    systemError(Error, "cannot create");
    close(Descriptor);
    return false;
  }
  return true;
}

void OutputFile::write(const void *Data, size_t Count) {
  if (fwrite(Data, 1, Count, Stream) != Count && FirstError == 0)
    FirstError = errno;
}

void OutputFile::seekToStart() {
  if (fseek(Stream, 0, SEEK_SET) != 0 && FirstError == 0)
    FirstError = errno;
}

void OutputFile::check() {
  if (ferror(Stream) && FirstError == 0)
    FirstError = errno;
}

bool OutputFile::commit(Message &Error) {
  if (fclose(Stream) != 0 && FirstError == 0)
    FirstError = errno;
  Stream = nullptr;
  if (FirstError == 0 && rename(Temporary.data(), Target.data()) != 0)
    FirstError = errno;
  if (FirstError != 0)
    return Error.set("cannot write: %s", strerror(FirstError));
  Temporary = Array<char>();
  return true;
}
