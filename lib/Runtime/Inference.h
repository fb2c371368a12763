//===- Inference.h - Running the model --------------------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_INFERENCE_H
#define MOE_LIB_RUNTIME_INFERENCE_H

#include "ExpertFiles.h"
#include "Profile.h"
#include "ReadAhead.h"
#include "Sample.h"
#include "Team.h"

namespace moe {
namespace runtime {

/// The best variant that this CPU can run, or null.
const MoeVariant *findVariant(const MoeModel &Model);

/// The variant called `Name`; null, with an Error that lists what there is, if
/// it is unknown or this CPU cannot run it.
const MoeVariant *findVariant(const MoeModel &Model, const char *Name,
                              Message &Error);

/// Runs one variant of the model. Holds nothing of a run: threads may run it
/// at once, each with a sample and a workspace of its own.
class Inference {
public:
  /// `Files` is null for a model whose experts are in the executable; `Pages`,
  /// if they need not be read when they are chosen; `Trace`, if no profile is
  /// wanted.
  Inference(const MoeModel &Model, const MoeVariant &Variant, Team &Threads,
            ExpertFiles *Files, ReadAhead *Pages, Profile *Trace)
      : Model(Model), Variant(Variant), Threads(Threads), Files(Files),
        Pages(Pages), Trace(Trace) {}

  const MoeModel &model() const { return Model; }
  const MoeVariant &variant() const { return Variant; }
  Team &threads() const { return Threads; }
  bool isProfiled() const { return Trace != nullptr; }

  /// How a run is done.
  struct Mode {
    int64_t Stage = MOE_STAGE_ALL;
    /// The team's threads share the run; at most one such run at a time, and
    /// not within a task of the team.
    bool IsShared = false;
    /// Of the image in the profile; null = it is not in there. Like IsShared,
    /// one at a time.
    const char *NameInProfile = nullptr;
  };

  /// Runs the model, or a stage of it, on `On.Input`. Sets the answer in `On`;
  /// MOE_STAGE_EXPERTS adds its time to that of MOE_STAGE_ROUTE.
  bool run(Sample &On, Workspace &In, const Mode &How, Message &Error) const;

private:
  int call(Sample &On, Workspace &In, const Mode &How, Message &Error) const;

  const MoeModel &Model;
  const MoeVariant &Variant;
  Team &Threads;
  ExpertFiles *Files;
  ReadAhead *Pages;
  Profile *Trace;
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_INFERENCE_H
