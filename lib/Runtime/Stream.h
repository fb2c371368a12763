//===- Stream.h - From many inputs to their answers -------------*- C++ -*-===//
//
// Decoders (threads of their own) fill slots with inputs; the team's threads
// run the model on them, and the caller takes the answers out, in order. The
// number of slots is fixed, and so is the memory, however many inputs there
// are. Tensors need only be read, which is not worth waking another thread:
// without images there are no decoders.
//
// A model with stages is run up to its first router on each image as it comes.
// The rest is done for a batch of images, those with the same experts one after
// the other, so that an expert's weights are read once for all of them.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_RUNTIME_STREAM_H
#define MOE_LIB_RUNTIME_STREAM_H

#include "Answers.h"
#include "Inference.h"
#include "Source.h"

#include <pthread.h>

namespace moe {
namespace runtime {

class Stream {
public:
  Stream(const Inference &Run, Source &Inputs, Answers &Results);
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  ~Stream();

  bool allocate(const Options &Settings, Message &Error);

  /// Runs the model on all inputs.
  void run();

  // After `run`, for another run on the last input.
  bool hasLast() const { return HasLast; } ///< if that was answered
  Sample &last() { return slotOf(LastNumber).Data; }
  Workspace &workspace() { return Workspaces[0]; }

private:
  enum class State { Free, Decoding, Decoded, Routing, Routed, Running, Done };
  struct Slot {
    Sample Data;
    State Is = State::Free;
    bool HasFailed = false;
    Message Error;               ///< if it has
    Workspace *Memory = nullptr; ///< of its own, between two stages
  };
  /// A run that can begin.
  struct Task {
    Slot *On;
    int64_t Stage;
  };

  Slot &slotOf(uint64_t Number) { return Slots[Number % Slots.size()]; }
  bool isStaged() const { return BatchSize > 1; }
  size_t numThreads() const { return Run.threads().size(); }

  // All of these are called, and return, with Mutex held.
  void wait(pthread_cond_t &Condition);
  bool canReadNow();
  bool decodeNext();
  void makeBatch();
  bool takeTask(Task &Next);
  void execute(Task Next, size_t Thread, bool IsShared);
  void takeOutAnswers();
  void runSplit(size_t Thread);

  const Inference &Run;
  Source &Inputs;
  Answers &Results;

  Objects<Slot> Slots;
  Objects<Workspace> Workspaces; ///< of each slot if staged, else each thread
  size_t BatchSize = 1;          ///< more than 1: staged
  bool IsSplit = false;          ///< threads may run an image each
  size_t WantedDecoders = 0;
  Array<pthread_t> Decoders;
  size_t NumDecoders = 0; ///< 0: who has nothing to run decodes

  pthread_mutex_t Mutex;
  pthread_cond_t Freed;   ///< a decoder may go on
  pthread_cond_t Changed; ///< there may be something to run or to take out

  // Under the mutex. Inputs are numbered from 0 on.
  uint64_t Head = 0, Tail = 0; ///< those that have a slot: [Head, Tail)
  bool IsReading = false;      ///< someone is in Inputs.next
  bool IsExhausted = false;
  size_t NumBusy = 0; ///< decoders that do not wait for anyone
  size_t NumDecoded = 0, NumRouting = 0, NumRouted = 0, NumRunning = 0;
  Array<Slot *> Batch; ///< [BatchSize], in the order in which they run
  size_t BatchNext = 0, BatchEnd = 0; ///< those that have not begun

  uint64_t LastNumber = 0;
  bool HasLast = false;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_STREAM_H
