//===- Team.h - Threads that share an inference -----------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_TEAM_H
#define MOE_LIB_RUNTIME_TEAM_H

#include "Array.h"
#include "Message.h"
#include "moe/Runtime/Model.h"

#include <pthread.h>

namespace moe {
namespace runtime {

/// The calling thread and workers beside it. A worker that has nothing to do
/// looks for work for a while, since the next kernel mostly follows at once,
/// then it sleeps.
class Team {
public:
  Team();
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;
  ~Team();

  /// Starts the workers; without it, the caller works alone.
  bool start(int64_t NumThreads, Message &Error);
  size_t size() const { return Size; }

  /// Calls `Task` for each part below `Parts`, thread I for parts I, I + size()
  /// and so on; the caller is thread 0. Not from within a task.
  void forEach(size_t Parts, MoeTask Task, void *Arguments);

private:
  struct Worker {
    Team *Owner;
    size_t Index; ///< of the thread, from 1 on
    pthread_t Thread;
  };

  /// Tells the workers of a task; null ends them.
  void startRound(size_t NewParts, MoeTask NewTask, void *NewArguments);
  /// Thread `Index`'s share of the round.
  void runParts(size_t Index);
  void work(size_t Index);
  /// Waits for another round than `Seen`; that round.
  uint32_t nextRound(uint32_t Seen);

  size_t Size = 1;
  Array<Worker> Workers;
  size_t NumStarted = 0;
  int64_t Patience = 0; ///< looks before a worker sleeps
  // What the caller writes lies in one cache line, which goes to a worker once
  // a round; what the workers write, in another. Round is written last.
  alignas(64) MoeTask Task = nullptr;
  void *Arguments = nullptr;
  size_t Parts = 0;
  uint32_t Round = 0;
  uint32_t Sleeping = 0;
  alignas(64) int64_t Pending = 0;
  alignas(64) pthread_mutex_t Mutex;
  pthread_cond_t Wake;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_TEAM_H
