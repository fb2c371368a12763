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

#include <stddef.h>
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

/// One of the parts of some work, from 0 on.
typedef void (*MoeTask)(void *arguments, size_t part);

/// Calls `task` for each part below `parts`, on any threads, and returns when
/// all calls have.
typedef void (*MoeParallelFor)(void *context, size_t parts, MoeTask task,
                               void *arguments);

enum {
  MOE_STAGE_ALL = 0,     ///< the whole model
  MOE_STAGE_ROUTE = 1,   ///< until the first experts are chosen
  MOE_STAGE_EXPERTS = 2, ///< from there on, in the workspace of MOE_STAGE_ROUTE
};

/// What a run may ask of whoever started it. The first four are also those of
/// the C interface's NAME_options.
typedef struct MoeServices {
  void *context; ///< first argument of the functions below
  MoeParallelFor parallel_for;
  size_t threads; ///< into how many parts work is shared; at least 1
  /// The bytes of the expert's file (MoeModel::expert_files), aligned to 64; a
  /// null pointer makes the run end with MOE_NO_EXPERT. Only called for models
  /// whose experts are files.
  const void *(*expert)(void *context, size_t index);
  /// Or null. Called before each part of the model that runs (an index into
  /// MoeModel::parts) with the index of the expert that it is of, or -1, and at
  /// the end of the run with part -1.
  void (*mark)(void *context, int64_t part, int64_t expert);
  int64_t stage; ///< MOE_STAGE_...; all but ALL for models with stages only
} MoeServices;

enum {
  MOE_NULL_POINTER = 1,
  MOE_NO_VARIANT = 2,
  MOE_NO_EXPERT = 3,
};

/// As MoeRunFn, with the same results to the bit; or MOE_NO_EXPERT.
typedef int (*MoeRunWithFn)(const float *input, float *logits, void *workspace,
                            const MoeServices *services);

enum { MOE_F32 = 0, MOE_BF16 = 1, MOE_INT8 = 2, MOE_NUM_KINDS = 3 };

/// A loop of `rounds` rounds that does nothing but multiply-adds in registers,
/// as many at once as the variant's best.
typedef struct MoePeak {
  float (*run)(int64_t rounds); ///< null: no products of that kind
  int64_t multiply_adds_per_round;
} MoePeak;

/// The code for one CPU level.
typedef struct MoeVariant {
  const char *name;  ///< LLVM CPU name or level, such as "x86-64-v4"
  uint64_t features; ///< bits of moe/Runtime/CpuFeatures.h that it needs
  MoeRunFn run;      ///< null if the experts are files
  MoeRunWithFn run_with;
  MoePeak peaks[MOE_NUM_KINDS];
} MoeVariant;

/// Where weights lie that are read together.
typedef struct MoeWeights {
  const char *begin, *end;
  int64_t layer, expert; ///< index of the block and of the expert within it; -1
                         ///< for what is shared
} MoeWeights;

/// The file of an expert: MoeExpertHeader, then its weights.
typedef struct MoeExpertFile {
  const char *name; ///< without a folder
  uint64_t id;      ///< of its contents
  int64_t bytes;    ///< of the whole file
} MoeExpertFile;

/// The first 64 bytes of such a file, little-endian.
typedef struct MoeExpertHeader {
  char magic[8]; ///< MOE_EXPERT_MAGIC
  uint64_t id;
  int64_t bytes; ///< of the whole file
  char zero[40];
} MoeExpertHeader;

#define MOE_EXPERT_MAGIC "MOEXPERT"

/// A part of a layer, as a profile shows it.
typedef struct MoePart {
  const char *name;      ///< such as "blocks.3.attn.qkv"; experts that differ
                         ///< have one each, of the same name
  int64_t layer;         ///< index of the block, or -1
  int64_t kind;          ///< MOE_F32, ... of its products
  int64_t multiply_adds; ///< of its products, padding included
  int64_t bytes;         ///< that it reads and writes at least: weights,
                         ///< inputs, outputs
  int64_t multiply_adds_per_token, bytes_per_token; ///< in addition, for each
                                                    ///< token that the expert
                                                    ///< took
} MoePart;

enum { MOE_EXPERTS_MMAP = 0, MOE_EXPERTS_PRELOAD = 1, MOE_EXPERTS_FILE = 2 };

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
  const MoeWeights *experts; ///< in the order in which they lie in memory,
                             ///< which is that of layers and experts; null if
                             ///< they are files
  int64_t experts_mode;      ///< MOE_EXPERTS_..., unless --experts says another
  const MoeExpertFile *expert_files; ///< [num_experts], or null
  const char *experts_folder; ///< of those; relative to the executable's own
  int64_t stages; ///< 1 = MOE_STAGE_ROUTE and MOE_STAGE_EXPERTS can be run
  int64_t num_parts;
  const MoePart *parts; ///< in the order in which they first run
} MoeModel;

enum { MOE_MODEL_ABI_VERSION = 4 };

/// Emitted by the compiler into every executable.
extern const MoeModel moe_model;

#ifdef __cplusplus
}
#endif

#endif // MOE_RUNTIME_MODEL_H
