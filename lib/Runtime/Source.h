//===- Source.h - The inputs of the command line ----------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_SOURCE_H
#define MOE_LIB_RUNTIME_SOURCE_H

#include "Npy.h"
#include "Options.h"
#include "Sample.h"

namespace moe {
namespace runtime {

/// Hands out the inputs one by one, in order. By one thread at a time.
class Source {
public:
  Source(const MoeModel &Model, const Array<Input> &Inputs)
      : Model(Model), Inputs(Inputs) {}

  enum class Kind {
    End,    ///< there is none left
    Image,  ///< still to be decoded, by `readImage`
    Tensor, ///< `Sample::Input` is set
    Failed, ///< cannot be read, see the error
  };
  /// Sets the name of `Into`, which must have nameCapacity(), and what Kind
  /// says. A file of tensors gives a sample for each of them.
  Kind next(Sample &Into, Message &Error);

  /// Would `next`, or `readImage` for what it gives, wait for someone to write?
  bool mayWait();

  /// Is there at most one input? Before the first `next`.
  bool isSingle();

  bool hasImages() const { return has(/*Tensors=*/false); }
  bool hasTensors() const { return has(/*Tensors=*/true); }
  size_t nameCapacity() const;

  /// How many inputs there are, looking into files for it; 0 = unknown.
  int64_t count() const;

private:
  bool has(bool Tensors) const;
  bool openTensors(Message &Error);
  void advance();

  const MoeModel &Model;
  const Array<Input> &Inputs;
  size_t Current = 0;
  // Of Inputs[Current], if that is a file of tensors.
  enum { Closed, Open, Broken } State = Closed;
  NpyReader Reader;
  Message OpenError; ///< if Broken
  int64_t Row = 0;
};

/// Reads, decodes and preprocesses the image that `Into` is named after.
bool readImage(const MoeModel &Model, Sample &Into, Message &Error);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_SOURCE_H
