//===- Npy.h - NumPy's array files ------------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_NPY_H
#define MOE_LIB_RUNTIME_NPY_H

#include "File.h"

namespace moe {
namespace runtime {

/// Reads a file of float32 [C,H,W] or [B,C,H,W] one [C,H,W] at a time.
class NpyReader {
public:
  /// Opens `Path`, instead of what was open before, and checks its header
  /// against the shape that is expected.
  bool open(const char *Path, int64_t Channels, int64_t Height, int64_t Width,
            Message &Error);

  void close() { File.close(); }
  /// Would `readNext` wait for whoever writes into this pipe?
  bool mayWait() const { return File.mayWait(); }

  /// B; 1 for a file without that dimension.
  int64_t batch() const { return Batch; }

  /// Reads the next [C,H,W] into `Data`.
  bool readNext(float *Data, Message &Error);

private:
  InputFile File;
  int64_t Batch = 0;
  size_t ElementsPerImage = 0;
  int64_t NumRead = 0;
};

/// Writes a file of float32 [rows, columns] whose number of rows is known only
/// at its end.
class NpyWriter {
public:
  bool open(const char *Path, int64_t NumColumns, Message &Error);
  void writeRow(const float *Row);
  /// Completes the header and puts the file in its place.
  bool commit(Message &Error);

private:
  void writeHeader();

  OutputFile File;
  int64_t Columns = 0;
  int64_t Rows = 0;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_NPY_H
