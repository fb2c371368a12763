//===- Profile.h - Where the time of an inference goes ----------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_PROFILE_H
#define MOE_LIB_RUNTIME_PROFILE_H

#include "File.h"
#include "Sample.h"

namespace moe {
namespace runtime {

/// Records when the parts of a model ran, and writes that as a trace in
/// Chrome's format (docs/profile.md). Images are recorded one at a time.
class Profile {
public:
  Profile(const MoeModel &Model, const MoeVariant &Variant, size_t NumThreads)
      : Model(Model), Variant(Variant), NumThreads(NumThreads) {}

  /// Creates the file that `write` completes, and measures the peaks: 20 ms for
  /// each kind of products. `Path` must outlive this object.
  bool open(const char *Path, Message &Error);

  void beginImage(const char *Name);
  /// The part that starts now, or -1; see MoeServices::mark.
  void mark(int64_t Part, int64_t Expert);
  /// `Answer` is null if the run failed: then there is no record of it.
  void endImage(const Sample *Answer);

  bool write(Message &Error);

private:
  struct Event {
    int64_t Start, End; ///< nanoseconds from `Origin`
    int32_t Part, Expert;
    int32_t Tokens; ///< that the expert took
    float Gate;
  };
  struct ImageRecord {
    int64_t Start, End;
    size_t NameOffset; ///< in Names
    size_t FirstEvent;
  };

  int64_t now() const;
  void endPart(int64_t Time);
  void writeImage(const ImageRecord &Image, size_t EndEvent);
  /// A part may run in several pieces, such as attention for some queries at a
  /// time: which share of its work, by the time that it took, `Of` did.
  double shareOfPart(size_t FirstEvent, size_t EndEvent, const Event &Of) const;
  /// An event's object up to its first argument.
  void beginEvent(const char *Name, const char *Category, int64_t Start,
                  int64_t End);
  /// The arguments that each event has, and its end. `Peak`: multiply-adds per
  /// nanosecond, 0 = not known.
  void endEvent(double MultiplyAdds, double Bytes, double Nanoseconds,
                double Peak);
  void writeOther();

  const MoeModel &Model;
  const MoeVariant &Variant;
  size_t NumThreads;
  OutputFile File;
  /// Multiply-adds per nanosecond of one thread; 0 = not known.
  double Peaks[MOE_NUM_KINDS] = {};
  int64_t Origin = 0; ///< of the clock

  // What is kept: the first NumEvents, NumImages and NumNameBytes of these.
  Array<Event> Events;
  Array<ImageRecord> Images;
  Array<char> Names;
  size_t NumEvents = 0, NumImages = 0, NumNameBytes = 0;
  int64_t NumLeftOut = 0;

  // The image that runs.
  ImageRecord Current = {};
  Event Running = {};      ///< Part -1 = none
  bool IsComplete = false; ///< all its events have found room
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_PROFILE_H
