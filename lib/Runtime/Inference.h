//===- Inference.h - Running the model --------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_INFERENCE_H
#define MOE_LIB_RUNTIME_INFERENCE_H

#include "Array.h"
#include "Message.h"
#include "Team.h"
#include "moe/Runtime/Model.h"

namespace moe {
namespace runtime {

/// The best variant that this CPU can run, or null.
const MoeVariant *findVariant(const MoeModel &Model);

/// The variant called `Name`; null, with an Error that lists what there is, if
/// it is unknown or this CPU cannot run it.
const MoeVariant *findVariant(const MoeModel &Model, const char *Name,
                              Message &Error);

/// The memory of one inference at a time.
class Inference {
public:
  /// Shares each run among `Threads`.
  Inference(const MoeModel &Model, const MoeVariant &Variant, Team &Threads)
      : Model(Model), Variant(Variant), Threads(Threads) {}
  Inference(const Inference &) = delete;
  Inference &operator=(const Inference &) = delete;
  ~Inference() { free(Workspace); }

  bool allocate(Message &Error);

  /// [channels, height, width], to be filled before `run`.
  float *input() { return Input.data(); }
  size_t inputSize() const { return Input.size(); }

  /// Runs the model on `input()`.
  bool run(Message &Error);

  int64_t threads() const { return Threads.size(); }

  // What the last run gave.
  const Array<float> &logits() const { return Logits; }
  const MoeRoute *routes() const; ///< [num_routes]
  double milliseconds() const { return Milliseconds; }

private:
  const MoeModel &Model;
  const MoeVariant &Variant;
  Team &Threads;
  Array<float> Input, Logits;
  char *Workspace = nullptr;
  double Milliseconds = 0;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_INFERENCE_H
