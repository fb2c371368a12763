//===- Profile.cpp - Where the time of an inference goes ------------------===//

#include "Profile.h"

#include "Text.h"

#include <algorithm>
#include <cstring>
#include <time.h>

using namespace moe::runtime;

/// What is kept: 8 MiB of events, 5 MiB of images. Viewers, too, have a limit.
static constexpr size_t MaxEvents = 1 << 18;
static constexpr size_t MaxImages = 1 << 15;
static constexpr size_t MaxNameBytes = 4 << 20;

static const char *const KindNames[MOE_NUM_KINDS] = {"f32", "bf16", "int8"};

int64_t Profile::now() const {
  timespec Time;
  clock_gettime(CLOCK_MONOTONIC, &Time);
  return Time.tv_sec * INT64_C(1000000000) + Time.tv_nsec - Origin;
}

//===----------------------------------------------------------------------===//
// Recording
//===----------------------------------------------------------------------===//

/// Room for one more in an array that grows by doubling, to `Max` at most.
template <typename T>
static bool grow(Array<T> &Elements, size_t Needed, size_t Max) {
  if (Needed <= Elements.size())
    return true;
  size_t Capacity =
      std::min(std::max({Needed, 2 * Elements.size(), size_t(256)}), Max);
  return Needed <= Max && Elements.resize(Capacity);
}

/// Multiply-adds per nanosecond.
static double measurePeak(const MoePeak &Peak, int64_t (*Now)(void *),
                          void *Context) {
  // Each call takes twice as long as the one before. The best counts: the
  // first ones wake the CPU.
  constexpr int64_t LongEnough = 10000000;
  double Best = 0;
  int64_t Time = 0;
  constexpr int64_t MaxRounds = INT64_C(1) << 40;
  for (int64_t Rounds = 1024; Time < LongEnough && Rounds < MaxRounds;
       Rounds *= 2) {
    int64_t Start = Now(Context);
    Peak.run(Rounds);
    Time = Now(Context) - Start;
    if (Time > 0)
      Best = std::max(Best, static_cast<double>(Rounds) *
                                Peak.multiply_adds_per_round / Time);
  }
  return Best;
}

static bool hasProducts(const MoePart &Part) {
  return Part.multiply_adds > 0 || Part.multiply_adds_per_token > 0;
}

bool Profile::open(const char *Path, Message &Error) {
  if (!File.open(Path, Error))
    return false;
  bool IsUsed[MOE_NUM_KINDS] = {};
  for (int64_t I = 0; I < Model.num_parts; ++I)
    if (hasProducts(Model.parts[I]))
      IsUsed[Model.parts[I].kind] = true;
  auto Now = [](void *Self) { return static_cast<Profile *>(Self)->now(); };
  for (int I = 0; I < MOE_NUM_KINDS; ++I)
    if (IsUsed[I] && Variant.peaks[I].run)
      Peaks[I] = measurePeak(Variant.peaks[I], Now, this);
  Origin = now();
  return true;
}

void Profile::beginImage(const char *Name) {
  size_t Length = strlen(Name) + 1;
  // A benchmark's images share one name.
  bool IsSame =
      NumImages > 0 &&
      strcmp(Names.data() + Images[NumImages - 1].NameOffset, Name) == 0;
  size_t Offset = IsSame ? Images[NumImages - 1].NameOffset : NumNameBytes;
  IsComplete = NumLeftOut == 0 && grow(Images, NumImages + 1, MaxImages) &&
               (IsSame || grow(Names, NumNameBytes + Length, MaxNameBytes));
  if (IsComplete && !IsSame)
    memcpy(Names.data() + Offset, Name, Length);
  Running.Part = -1;
  int64_t Start = now();
  Current = {Start, Start, Offset, NumEvents};
}

void Profile::endPart(int64_t Time) {
  if (Running.Part < 0)
    return;
  Running.End = Time;
  IsComplete = IsComplete && grow(Events, NumEvents + 1, MaxEvents);
  if (IsComplete)
    Events[NumEvents++] = Running;
}

void Profile::mark(int64_t Part, int64_t Expert) {
  int64_t Time = now();
  endPart(Time);
  Running = {
      Time, Time, static_cast<int32_t>(Part), static_cast<int32_t>(Expert),
      0,    0};
}

/// What the router has said about an expert; null if nothing.
static const MoeRoute *findRoute(const Array<MoeRoute> &Routes, int64_t Layer,
                                 int64_t Expert) {
  for (const MoeRoute &Each : Routes)
    if (Each.layer == Layer && Each.expert == Expert && Each.tokens > 0)
      return &Each;
  return nullptr;
}

void Profile::endImage(const Sample *Answer) {
  Current.End = now();
  endPart(Current.End);
  if (!Answer || !IsComplete) {
    NumEvents = Current.FirstEvent;
    NumLeftOut += Answer != nullptr;
    return;
  }
  for (size_t I = Current.FirstEvent; I < NumEvents; ++I) {
    Event &Each = Events[I];
    if (Each.Expert < 0)
      continue;
    if (const MoeRoute *Route = findRoute(
            Answer->Routes, Model.parts[Each.Part].layer, Each.Expert)) {
      Each.Tokens = Route->tokens;
      Each.Gate = Route->gate;
    }
  }
  NumNameBytes =
      std::max(NumNameBytes, Current.NameOffset +
                                 strlen(Names.data() + Current.NameOffset) + 1);
  Images[NumImages++] = Current;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void Profile::beginEvent(const char *Name, const char *Category, int64_t Start,
                         int64_t End) {
  FILE *Out = File.stream();
  fputs("{\"name\": ", Out);
  writeJsonString(Out, Name);
  fprintf(Out,
          ", \"cat\": \"%s\", \"ph\": \"X\", \"pid\": 1, \"tid\": 1, "
          "\"ts\": %.3f, \"dur\": %.3f, \"args\": {",
          Category, Start * 1e-3, (End - Start) * 1e-3);
}

void Profile::endEvent(double MultiplyAdds, double Bytes, double Nanoseconds,
                       double Peak) {
  FILE *Out = File.stream();
  fprintf(Out, "\"multiply_adds\": %.0f, \"bytes\": %.0f", MultiplyAdds, Bytes);
  if (MultiplyAdds > 0 && Nanoseconds > 0) {
    double Speed = MultiplyAdds / Nanoseconds;
    fprintf(Out, ", \"gigaflops\": %.6g", 2 * Speed);
    // A clock that has become faster since must not make it more than all.
    if (Peak > 0)
      fprintf(Out, ", \"share_of_peak\": %.6g", std::min(Speed / Peak, 1.0));
  }
  fputs("}},\n", Out);
  File.check();
}

double Profile::shareOfPart(size_t FirstEvent, size_t EndEvent,
                            const Event &Of) const {
  int64_t Time = 0, Count = 0;
  for (size_t I = FirstEvent; I < EndEvent; ++I)
    if (Events[I].Part == Of.Part && Events[I].Expert == Of.Expert) {
      Time += Events[I].End - Events[I].Start;
      ++Count;
    }
  return Time > 0 ? static_cast<double>(Of.End - Of.Start) / Time : 1.0 / Count;
}

static double multiplyAdds(const MoePart &Part, int32_t Tokens) {
  return static_cast<double>(Part.multiply_adds) +
         static_cast<double>(Tokens) * Part.multiply_adds_per_token;
}

static double bytes(const MoePart &Part, int32_t Tokens) {
  return static_cast<double>(Part.bytes) +
         static_cast<double>(Tokens) * Part.bytes_per_token;
}

void Profile::writeImage(const ImageRecord &Image, size_t EndEvent) {
  FILE *Out = File.stream();
  double MultiplyAdds = 0, Bytes = 0;
  // The time that its products would take at the peak.
  double AtPeak = 0;
  bool IsKnown = true;
  for (size_t I = Image.FirstEvent; I < EndEvent; ++I) {
    const Event &Each = Events[I];
    const MoePart &Part = Model.parts[Each.Part];
    double Share = shareOfPart(Image.FirstEvent, EndEvent, Each);
    double Work = Share * multiplyAdds(Part, Each.Tokens);
    MultiplyAdds += Work;
    Bytes += Share * bytes(Part, Each.Tokens);
    double Peak = Peaks[Part.kind] * NumThreads;
    if (Work > 0 && Peak > 0)
      AtPeak += Work / Peak;
    else if (Work > 0)
      IsKnown = false;
  }
  beginEvent(Names.data() + Image.NameOffset, "image", Image.Start, Image.End);
  endEvent(MultiplyAdds, Bytes, Image.End - Image.Start,
           IsKnown && AtPeak > 0 ? MultiplyAdds / AtPeak : 0);

  for (size_t I = Image.FirstEvent; I < EndEvent; ++I) {
    const Event &Each = Events[I];
    const MoePart &Part = Model.parts[Each.Part];
    beginEvent(Part.name, "part", Each.Start, Each.End);
    if (Part.layer >= 0)
      fprintf(Out, "\"layer\": %lld, ", static_cast<long long>(Part.layer));
    if (Each.Expert >= 0) {
      fprintf(Out, "\"expert\": %d, \"gate\": ", Each.Expert);
      writeJsonFloat(Out, Each.Gate);
      fprintf(Out, ", \"tokens\": %d, ", Each.Tokens);
    }
    if (hasProducts(Part))
      fprintf(Out, "\"kind\": \"%s\", ", KindNames[Part.kind]);
    double Share = shareOfPart(Image.FirstEvent, EndEvent, Each);
    endEvent(Share * multiplyAdds(Part, Each.Tokens),
             Share * bytes(Part, Each.Tokens), Each.End - Each.Start,
             Peaks[Part.kind] * NumThreads);
  }
}

void Profile::writeOther() {
  FILE *Out = File.stream();
  auto writeString = [&](const char *Key, const char *Value) {
    fprintf(Out, "\"%s\": ", Key);
    writeJsonString(Out, Value);
    fputs(", ", Out);
  };
  fputs("\"otherData\": {", Out);
  writeString("model", Model.name);
  writeString("target", Model.target);
  writeString("precision", Model.precision);
  writeString("cpu_variant", Variant.name);
  fprintf(Out,
          "\"threads\": %zu, \"images\": %zu, \"images_left_out\": %lld, "
          "\"peak_gigaflops\": {",
          NumThreads, NumImages, static_cast<long long>(NumLeftOut));
  const char *Separator = "";
  for (int I = 0; I < MOE_NUM_KINDS; ++I) {
    if (Peaks[I] <= 0)
      continue;
    fprintf(Out, "%s\"%s\": %.6g", Separator, KindNames[I],
            2 * Peaks[I] * NumThreads);
    Separator = ", ";
  }
  fputs("}}", Out);
}

bool Profile::write(Message &Error) {
  FILE *Out = File.stream();
  fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n", Out);
  for (size_t I = 0; I < NumImages; ++I)
    writeImage(Images[I],
               I + 1 < NumImages ? Images[I + 1].FirstEvent : NumEvents);
  fputs("{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"args\": "
        "{\"name\": ",
        Out);
  writeJsonString(Out, Model.name);
  fputs("}},\n{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": "
        "1, \"args\": {\"name\": ",
        Out);
  fprintf(Out, "\"inference, %zu thread%s\"}}\n],\n", NumThreads,
          NumThreads > 1 ? "s" : "");
  writeOther();
  fputs("}\n", Out);
  File.check();
  return File.commit(Error);
}
