//===- Model.h - What a compiled model tells the runtime ---------*- C -*-===//
//
// The one structure through which the generated code and the small runtime of
// an executable meet. The compiler emits a constant `moe_model` of this type
// (lib/Target/ModelInfo.cpp); lib/Runtime reads it. Plain C99, fixed-width
// fields only, so that the layout can be written down as an LLVM struct type
// without guessing at padding: every field is 8 bytes wide.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_RUNTIME_MODEL_H
#define MOE_RUNTIME_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One chosen expert of one MoE block, as the generated code leaves it in the
/// workspace after a run. 16 bytes.
typedef struct MoeRoute {
  int32_t layer;  ///< index of the block
  int32_t expert; ///< index of the expert within that block
  float gate;     ///< factor of the expert's output (mean over its tokens for
                  ///< routing: patch)
  int32_t tokens; ///< tokens that the expert took; 0 = not used, skip the entry
} MoeRoute;

/// Runs one image. `input` is [channels, height, width] f32, normalised;
/// `logits` (or features) is [classes] f32; `workspace` is 64-byte aligned
/// memory of MoeModel::workspace_bytes. Returns 0.
typedef int (*MoeRunFn)(const float *input, float *logits, void *workspace);

/// A part of some work: `part` of `parts`, counted from 0.
typedef void (*MoeTask)(void *arguments, int64_t part, int64_t parts);

/// Threads that share the work of one inference. `share` runs all parts of a
/// task, as many as there are threads, and returns when they are done.
typedef struct MoeTeam {
  void (*share)(struct MoeTeam *team, MoeTask task, void *arguments);
} MoeTeam;

/// As MoeRunFn, with the same results to the bit.
typedef int (*MoeTeamRunFn)(const float *input, float *logits, void *workspace,
                            MoeTeam *team);

/// The code for one CPU level.
typedef struct MoeVariant {
  const char *name;  ///< LLVM CPU name or level, such as "x86-64-v4"
  uint64_t features; ///< bits of moe/Runtime/CpuFeatures.h that it needs
  MoeRunFn run;
  MoeTeamRunFn run_team;
} MoeVariant;

/// Where weights lie that are read together.
typedef struct MoeWeights {
  const char *begin, *end;
} MoeWeights;

typedef struct MoeModel {
  uint64_t abi_version;  ///< MOE_MODEL_ABI_VERSION
  const char *name;      ///< C identifier
  const char *target;    ///< target triple
  const char *precision; ///< "f32", "bf16" or "int8"; with ", mixed" if some
                         ///< layers have their own
  int64_t channels, height, width;
  int64_t classes;  ///< numbers of an answer
  int64_t features; ///< 1 = these are features, not logits: the model has no
                    ///< head
  int64_t workspace_bytes;
  int64_t
      routes_offset;  ///< byte offset of MoeRoute[num_routes] in the workspace
  int64_t num_routes; ///< 0 for a dense model
  int64_t per_patch;  ///< 1 = routing: patch (JSON then has "tokens")
  int64_t parameters; ///< of the whole model
  int64_t active_parameters; ///< that one image uses
  int64_t multiply_adds;     ///< per image, as compiled
  int64_t weight_bytes;      ///< bytes of all weight sections
  int64_t resize; ///< length of the shorter side; 0 = as the next two say
  int64_t resize_height,
      resize_width;     ///< of the whole image; 0 = straight to height x width
  int64_t bicubic;      ///< 1 = bicubic, 0 = bilinear; both antialiased
  const float *mean;    ///< [channels], for values scaled to 0..1
  const float *std_dev; ///< [channels]
  const char *const *labels; ///< [classes] UTF-8, or NULL
  int64_t num_variants;
  const MoeVariant
      *variants; ///< best first; the last one runs on every CPU of the target
                 ///< unless the user asked for special CPUs only
  const MoeWeights *shared;  ///< what every image needs
  int64_t num_experts;       ///< of all blocks; 0 for a dense model
  const MoeWeights *experts; ///< in the order in which they lie in memory
} MoeModel;

enum { MOE_MODEL_ABI_VERSION = 3 };

/// Emitted by the compiler into every executable.
extern const MoeModel moe_model;

#ifdef __cplusplus
}
#endif

#endif // MOE_RUNTIME_MODEL_H
