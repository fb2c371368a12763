//===- Team.cpp - Threads that share an inference -------------------------===//

#include "Team.h"

#include <cstring>
#include <sched.h>
#include <unistd.h>

using namespace moe::runtime;

/// Some tens of microseconds: longer than the parts of an inference that one
/// thread computes alone.
static constexpr int64_t LooksBeforeSleep = 4000;

/// That this process may use.
static int64_t countProcessors() {
  cpu_set_t Set;
  if (sched_getaffinity(0, sizeof Set, &Set) == 0)
    return CPU_COUNT(&Set);
  return sysconf(_SC_NPROCESSORS_ONLN);
}

static void pauseThread() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

Team::Team() {
  pthread_mutex_init(&Mutex, nullptr);
  pthread_cond_init(&Wake, nullptr);
}

Team::~Team() {
  if (NumStarted > 0)
    startRound(0, nullptr, nullptr);
  for (size_t I = 0; I < NumStarted; ++I)
    pthread_join(Workers[I].Thread, nullptr);
  pthread_cond_destroy(&Wake);
  pthread_mutex_destroy(&Mutex);
}

bool Team::start(int64_t NumThreads, Message &Error) {
  if (NumThreads < 2)
    return true;
  if (!Workers.allocate(NumThreads - 1))
    return Error.outOfMemory();
  // More threads than processors only get in each other's way by looking.
  Patience = NumThreads <= countProcessors() ? LooksBeforeSleep : 0;
  for (Worker &Each : Workers) {
    Each.Owner = this;
    Each.Index = NumStarted + 1;
    auto Main = [](void *Argument) -> void * {
      auto *Self = static_cast<Worker *>(Argument);
      Self->Owner->work(Self->Index);
      return nullptr;
    };
    int Code = pthread_create(&Each.Thread, nullptr, Main, &Each);
    if (Code != 0)
      return Error.set("--threads: cannot start thread %lld of %lld: %s",
                       static_cast<long long>(NumStarted + 2),
                       static_cast<long long>(NumThreads), strerror(Code));
    ++NumStarted;
  }
  Size = NumThreads;
  return true;
}

void Team::startRound(size_t NewParts, MoeTask NewTask, void *NewArguments) {
  Parts = NewParts;
  Task = NewTask;
  Arguments = NewArguments;
  __atomic_store_n(&Pending, static_cast<int64_t>(NumStarted),
                   __ATOMIC_RELAXED);
  // In one order with the worker's own two: either it sees the round before it
  // sleeps, or it is seen sleeping here.
  __atomic_fetch_add(&Round, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&Sleeping, __ATOMIC_SEQ_CST) != 0) {
    pthread_mutex_lock(&Mutex);
    pthread_cond_broadcast(&Wake);
    pthread_mutex_unlock(&Mutex);
  }
}

void Team::runParts(size_t Index) {
  for (size_t Part = Index; Part < Parts; Part += Size)
    Task(Arguments, Part);
}

void Team::forEach(size_t NewParts, MoeTask NewTask, void *NewArguments) {
  if (Size == 1 || NewParts < 2) {
    for (size_t Part = 0; Part < NewParts; ++Part)
      NewTask(NewArguments, Part);
    return;
  }
  startRound(NewParts, NewTask, NewArguments);
  runParts(0);
  for (int64_t Looks = 0; __atomic_load_n(&Pending, __ATOMIC_ACQUIRE) != 0;
       ++Looks) {
    // A worker that has no processor needs this one.
    if (Looks < Patience)
      pauseThread();
    else
      sched_yield();
  }
}

uint32_t Team::nextRound(uint32_t Seen) {
  for (int64_t Looks = 0; Looks < Patience; ++Looks) {
    uint32_t Now = __atomic_load_n(&Round, __ATOMIC_ACQUIRE);
    if (Now != Seen)
      return Now;
    pauseThread();
  }
  pthread_mutex_lock(&Mutex);
  __atomic_fetch_add(&Sleeping, 1, __ATOMIC_SEQ_CST);
  uint32_t Now;
  while ((Now = __atomic_load_n(&Round, __ATOMIC_SEQ_CST)) == Seen)
    pthread_cond_wait(&Wake, &Mutex);
  __atomic_fetch_sub(&Sleeping, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&Mutex);
  return Now;
}

void Team::work(size_t Index) {
  for (uint32_t Seen = 0;;) {
    Seen = nextRound(Seen);
    if (!Task)
      return;
    runParts(Index);
    __atomic_fetch_sub(&Pending, 1, __ATOMIC_RELEASE);
  }
}
