//===- Stream.cpp - From many inputs to their answers ---------------------===//

#include "Stream.h"

#include <algorithm>

using namespace moe::runtime;

/// What inputs and workspaces should take together. More is of no use to the
/// speed, and where memory is short it is taken from the weights' pages.
static constexpr int64_t MemoryTarget = 16 << 20;

Stream::Stream(const Inference &Run, Source &Inputs, Answers &Results)
    : Run(Run), Inputs(Inputs), Results(Results) {
  pthread_mutex_init(&Mutex, nullptr);
  pthread_cond_init(&Freed, nullptr);
  pthread_cond_init(&Changed, nullptr);
}

Stream::~Stream() {
  pthread_cond_destroy(&Changed);
  pthread_cond_destroy(&Freed);
  pthread_mutex_destroy(&Mutex);
}

bool Stream::allocate(const Options &Settings, Message &Error) {
  const MoeModel &Model = Run.model();
  int64_t NumThreads = numThreads();
  int64_t NumSlots = 1;
  // Of a profile, the parts follow each other undisturbed.
  if (!Inputs.isSingle() && !Run.isProfiled()) {
    bool HasStages = Model.stages && Settings.Batch != 1;
    // No overflow: the compiler has checked that the model fits into memory.
    int64_t SampleBytes =
        sizeof(float) *
            (Model.channels * Model.height * Model.width + Model.classes) +
        sizeof(MoeRoute) * Model.num_routes;
    int64_t SlotBytes = SampleBytes + (HasStages ? Model.workspace_bytes : 0);
    int64_t Room =
        MemoryTarget - (HasStages ? 0 : NumThreads * Model.workspace_bytes);
    int64_t Affordable = std::max(Room / SlotBytes, INT64_C(4));
    // While a batch runs, the next one is decoded.
    if (HasStages)
      BatchSize =
          Settings.Batch
              ? Settings.Batch
              : std::max(std::min(Affordable / 2, DefaultBatch), INT64_C(1));
    NumSlots = std::min(Affordable, 8 * NumThreads + 8);
    if (isStaged())
      NumSlots = std::max<int64_t>(NumSlots, 2 * BatchSize);
    // A tensor file may have any number of them.
    if (!Inputs.hasTensors())
      NumSlots = std::min<int64_t>(NumSlots, Settings.Inputs.size());
    IsSplit = NumThreads > 1 && NumSlots >= NumThreads;
    if (Inputs.hasImages())
      WantedDecoders = std::min(NumThreads, NumSlots);
  }
  size_t NumWorkspaces = isStaged() ? NumSlots : IsSplit ? NumThreads : 1;
  if (!Slots.allocate(NumSlots) || !Workspaces.allocate(NumWorkspaces) ||
      !Batch.allocate(BatchSize) || !Decoders.allocate(WantedDecoders))
    return Error.outOfMemory();
  for (Workspace &Each : Workspaces)
    if (!Each.allocate(Model, Error))
      return false;
  size_t NameCapacity = Inputs.nameCapacity();
  for (Slot &Each : Slots)
    if (!Each.Data.allocate(Model, NameCapacity, Error))
      return false;
  if (isStaged())
    for (size_t I = 0; I < Slots.size(); ++I)
      Slots[I].Memory = &Workspaces[I];
  return true;
}

void Stream::wait(pthread_cond_t &Condition) {
  pthread_cond_wait(&Condition, &Mutex);
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// May a thread that has nothing to run take the next input, at once?
bool Stream::canReadNow() {
  return NumDecoders == 0 && !IsExhausted && !IsReading &&
         Tail - Head < Slots.size() && !Inputs.mayWait();
}

/// Takes the next input and fills a slot with it. False if there is none left.
bool Stream::decodeNext() {
  while (!IsExhausted && (IsReading || Tail - Head == Slots.size()))
    wait(Freed);
  if (IsExhausted)
    return false;
  IsReading = true;
  Slot &Into = slotOf(Tail);
  // Who waits for a pipe is not counted on by those who could do with what
  // they have.
  bool IsBusy = !Inputs.mayWait();
  NumBusy += IsBusy;
  if (!IsBusy)
    pthread_cond_broadcast(&Changed);
  pthread_mutex_unlock(&Mutex);
  Source::Kind Kind = Inputs.next(Into.Data, Into.Error);
  pthread_mutex_lock(&Mutex);
  IsReading = false;
  if (Kind == Source::Kind::End) {
    IsExhausted = true;
    NumBusy -= IsBusy;
    pthread_cond_broadcast(&Freed);
    pthread_cond_broadcast(&Changed);
    return false;
  }
  Into.Is = State::Decoding;
  ++Tail;
  pthread_cond_signal(&Freed);

  Into.HasFailed = Kind == Source::Kind::Failed;
  if (Kind == Source::Kind::Image) {
    pthread_mutex_unlock(&Mutex);
    bool IsRead = readImage(Run.model(), Into.Data, Into.Error);
    pthread_mutex_lock(&Mutex);
    Into.HasFailed = !IsRead;
  }
  NumBusy -= IsBusy;
  if (Into.HasFailed) {
    Into.Is = State::Done;
  } else {
    Into.Is = State::Decoded;
    ++NumDecoded;
  }
  pthread_cond_broadcast(&Changed);
  return true;
}

//===----------------------------------------------------------------------===//
// Running the model
//===----------------------------------------------------------------------===//

/// Does A come before B in a batch? By the experts of the first MoE block.
static bool isBefore(const MoeModel &Model, const Workspace &A,
                     const Workspace &B) {
  const MoeRoute *RoutesA = A.routes(Model), *RoutesB = B.routes(Model);
  for (int64_t I = 0; I < Model.num_routes; ++I) {
    if (RoutesA[I].layer != RoutesA[0].layer)
      break;
    if (RoutesA[I].expert != RoutesB[I].expert)
      return RoutesA[I].expert < RoutesB[I].expert;
  }
  return &A < &B;
}

/// Begins another batch when the last one is distributed and enough images are
/// routed, or no more can be for now.
void Stream::makeBatch() {
  if (BatchNext < BatchEnd || NumRouted == 0)
    return;
  if (NumRouted < BatchSize &&
      (NumDecoded + NumRouting + NumBusy > 0 || canReadNow()))
    return;
  BatchNext = BatchEnd = 0;
  for (uint64_t I = Head; I < Tail && BatchEnd < BatchSize; ++I)
    if (slotOf(I).Is == State::Routed)
      Batch[BatchEnd++] = &slotOf(I);
  NumRouted -= BatchEnd;
  for (size_t I = 0; I < BatchEnd; ++I)
    Batch[I]->Is = State::Running;
  std::sort(Batch.begin(), Batch.begin() + BatchEnd, [&](Slot *A, Slot *B) {
    return isBefore(Run.model(), *A->Memory, *B->Memory);
  });
}

/// False if nothing can begin.
bool Stream::takeTask(Task &Next) {
  if (BatchNext < BatchEnd) {
    Next = {Batch[BatchNext++], MOE_STAGE_EXPERTS};
    ++NumRunning;
    return true;
  }
  if (NumDecoded == 0)
    return false;
  uint64_t First = Head;
  while (slotOf(First).Is != State::Decoded)
    ++First;
  Slot &Found = slotOf(First);
  --NumDecoded;
  if (isStaged()) {
    Found.Is = State::Routing;
    ++NumRouting;
    Next = {&Found, MOE_STAGE_ROUTE};
  } else {
    Found.Is = State::Running;
    ++NumRunning;
    Next = {&Found, MOE_STAGE_ALL};
  }
  return true;
}

void Stream::execute(Task Next, size_t Thread, bool IsShared) {
  Slot &On = *Next.On;
  pthread_mutex_unlock(&Mutex);
  Inference::Mode How;
  How.Stage = Next.Stage;
  How.IsShared = IsShared;
  if (Run.isProfiled())
    How.NameInProfile = On.Data.Name.data();
  On.HasFailed = !Run.run(On.Data, On.Memory ? *On.Memory : Workspaces[Thread],
                          How, On.Error);
  pthread_mutex_lock(&Mutex);
  --(Next.Stage == MOE_STAGE_ROUTE ? NumRouting : NumRunning);
  if (Next.Stage == MOE_STAGE_ROUTE && !On.HasFailed) {
    On.Is = State::Routed;
    ++NumRouted;
  } else {
    On.Is = State::Done;
  }
  pthread_cond_broadcast(&Changed);
}

/// Hands on what is done and next in order. By the caller of `run` only.
void Stream::takeOutAnswers() {
  while (Head < Tail && slotOf(Head).Is == State::Done) {
    Slot &First = slotOf(Head);
    pthread_mutex_unlock(&Mutex);
    LastNumber = Head;
    HasLast = !First.HasFailed;
    if (First.HasFailed)
      Results.fail(First.Data.Name.data(), First.Error);
    else
      Results.add(First.Data);
    pthread_mutex_lock(&Mutex);
    First.Is = State::Free;
    ++Head;
    // A decoder that waits for room sleeps until there is some work.
    if (Tail - Head <= Slots.size() / 2)
      pthread_cond_signal(&Freed);
    // Without decoders, whoever has nothing to run takes the next input.
    if (NumDecoders == 0)
      pthread_cond_broadcast(&Changed);
  }
}

/// One of the team's threads: runs whole images as long as there are any or
/// will be soon.
void Stream::runSplit(size_t Thread) {
  while (true) {
    if (Thread == 0)
      takeOutAnswers();
    makeBatch();
    Task Next;
    if (takeTask(Next)) {
      execute(Next, Thread, /*IsShared=*/false);
      continue;
    }
    if (canReadNow()) {
      decodeNext();
      continue;
    }
    // What runs makes room for more when it is done.
    bool IsMoreToCome =
        NumBusy + NumRouting > 0 || (NumRunning > 0 && !IsExhausted);
    // The others' answers want to be taken out.
    if (!IsMoreToCome && (Thread > 0 || NumRunning == 0))
      return;
    wait(Changed);
  }
}

void Stream::run() {
  auto DecodeAll = [](void *Context) -> void * {
    auto *Self = static_cast<Stream *>(Context);
    pthread_mutex_lock(&Self->Mutex);
    while (Self->decodeNext())
      ;
    pthread_mutex_unlock(&Self->Mutex);
    return nullptr;
  };
  pthread_mutex_lock(&Mutex);
  // With fewer threads than wanted it only takes longer.
  while (NumDecoders < WantedDecoders &&
         pthread_create(&Decoders[NumDecoders], nullptr, DecodeAll, this) == 0)
    ++NumDecoders;

  while (true) {
    takeOutAnswers();
    while (IsSplit && NumDecoded < numThreads() && canReadNow())
      decodeNext();
    makeBatch();
    size_t NumAtHand = NumDecoded + (BatchEnd - BatchNext) + NumBusy;
    if (IsSplit && NumAtHand >= numThreads()) {
      pthread_mutex_unlock(&Mutex);
      auto RunSplit = [](void *Context, size_t Thread) {
        auto *Self = static_cast<Stream *>(Context);
        pthread_mutex_lock(&Self->Mutex);
        Self->runSplit(Thread);
        pthread_mutex_unlock(&Self->Mutex);
      };
      Run.threads().forEach(numThreads(), RunSplit, this);
      pthread_mutex_lock(&Mutex);
      continue;
    }
    Task Next;
    if (takeTask(Next))
      execute(Next, 0, /*IsShared=*/true);
    else if (NumDecoders == 0 && !IsExhausted)
      decodeNext();
    else if (IsExhausted && Head == Tail)
      break;
    else
      wait(Changed);
  }
  pthread_mutex_unlock(&Mutex);
  for (size_t I = 0; I < NumDecoders; ++I)
    pthread_join(Decoders[I], nullptr);
}
