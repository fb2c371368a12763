//===- NpyFuzzer.cpp - Any bytes as a .npy file ---------------------------===//
//
// The input is the file. It is read as a regular file, whose size is known, and
// from a pipe.
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace moe::runtime;

static constexpr int64_t Channels = 2, Height = 3, Width = 1;
static constexpr size_t MaxPipeSize = 65536;

/// Reads the file behind `Descriptor` to its end.
static void readAll(int Descriptor, size_t Size) {
  char Path[40];
  snprintf(Path, sizeof Path, "/proc/self/fd/%d", Descriptor);
  Message Error;
  NpyReader Reader;
  bool Ok = Reader.open(Path, Channels, Height, Width, Error);
  if (Ok && Reader.batch() < 0)
    __builtin_trap();
  // A pipe may promise more images than come.
  float Input[Channels * Height * Width];
  size_t NumBytes = 0;
  for (int64_t I = 0; Ok && I < Reader.batch(); ++I) {
    Ok = Reader.readNext(Input, Error);
    NumBytes += Ok ? sizeof Input : 0;
  }
  if (NumBytes > Size)
    __builtin_trap();
  // A reason in one line of text.
  if (!Ok && (!*Error.text() || !memchr(Error.text(), 0, 400)))
    __builtin_trap();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  int File = memfd_create("fuzz", MFD_CLOEXEC);
  if (File < 0 || write(File, Data, Size) != ssize_t(Size))
    abort();
  readAll(File, Size);
  close(File);

  int Pipe[2];
  if (Size > MaxPipeSize)
    return 0;
  if (pipe(Pipe) != 0 || write(Pipe[1], Data, Size) != ssize_t(Size))
    abort();
  // Opened through /proc, the reading end is another one than Pipe[0].
  close(Pipe[1]);
  readAll(Pipe[0], Size);
  close(Pipe[0]);
  return 0;
}
