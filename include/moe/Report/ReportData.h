//===- ReportData.h - What a report tells of a model ------------*- C++ -*-===//
//
// The figures of a compiled model, and of its profile, from which the page of
// Report.h is made. Plain data: the compiler fills them in.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_REPORT_REPORTDATA_H
#define MOE_REPORT_REPORTDATA_H

#include "moe/Dialect/Precision.h"
#include "moe/Import/ModelSpec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mlir::moe {

/// A part of a layer, as MoePart of moe/Runtime/Model.h.
struct ReportPart {
  /// Such as "patch_embed", "blocks.3.attn.qkv" or "blocks.11.moe.fc1": the
  /// names of the model's tensors where there are some, without the index of an
  /// expert.
  std::string name;
  /// Index of the block, or -1.
  int64_t layer = -1;
  /// Of its products.
  Precision kind = Precision::F32;
  /// Of its products, and what it reads and writes at least; of one expert
  /// where it is an expert's.
  int64_t multiplyAdds = 0, bytes = 0;
  /// In addition, for each token that the expert takes.
  int64_t multiplyAddsPerToken = 0, bytesPerToken = 0;
};

/// A buffer in the workspace.
struct ReportBuffer {
  /// The part that writes it first.
  std::string name;
  int64_t bytes = 0, offset = 0;
  /// The first and the last of ReportData::steps in which it is alive;
  /// 0 <= first <= last.
  int64_t first = 0, last = 0;
};

/// The code for one CPU level.
struct ReportVariant {
  std::string name;
  int64_t codeBytes = 0;
};

/// Weights that lie together in the file.
struct ReportSection {
  /// "shared", "blocks.11.expert.3".
  std::string name;
  int64_t bytes = 0;
};

/// Sums over all runs of one part in a profile, of one expert where there are
/// some.
struct ProfiledPart {
  /// Index into ReportData::parts.
  size_t part = 0;
  /// Index of the expert, or -1.
  int64_t expert = -1;
  int64_t runs = 0;
  /// `gate` is the sum of the runs' gates, `shareOfPeak` that of their shares
  /// times their microseconds.
  double microseconds = 0, gate = 0, tokens = 0, multiplyAdds = 0, bytes = 0,
         shareOfPeak = 0;
};

/// What traces that the model's executable has written say (`--profile`),
/// summed over their images.
struct ReportProfile {
  /// The variant that ran.
  std::string cpu;
  int64_t threads = 1;
  int64_t images = 0;
  /// Of which the trace has no events because it was long enough.
  int64_t imagesLeftOut = 0;
  /// From the first part to the last, of all images.
  double microseconds = 0;
  /// Of each image, in no order.
  std::vector<double> imageMicroseconds;
  /// Of half of the images it is less, of half of them more.
  double medianMicroseconds = 0;
  /// Of all threads in each precision, as measured; a multiply-add is two
  /// operations. 0: not known.
  double peakGigaflops[3] = {0, 0, 0};
  /// In the order of ReportData::parts, then of the experts.
  std::vector<ProfiledPart> parts;
};

/// What a report is made of. Whatever is empty or 0 is left out of the page.
struct ReportData {
  ModelSpec spec;
  /// Triple.
  std::string target;
  /// As in MoeModel: "f32", "bf16" or "int8"; with ", mixed" if some layers
  /// have their own.
  std::string precision;
  /// Of an image, as compiled.
  int64_t multiplyAdds = 0;
  /// In the order in which they first run; names are unique.
  std::vector<ReportPart> parts;

  int64_t workspaceBytes = 0;
  /// Names of the steps of the workspace's plan, in order.
  std::vector<std::string> steps;
  std::vector<ReportBuffer> buffers;

  /// Best first.
  std::vector<ReportVariant> variants;
  /// Code that is no variant's: the interface. An executable's runtime and C
  /// library are not in it.
  int64_t commonCodeBytes = 0;
  std::vector<ReportSection> sections;
  /// Of the whole output.
  int64_t fileBytes = 0;

  std::optional<ReportProfile> profile;
};

} // namespace mlir::moe

#endif // MOE_REPORT_REPORTDATA_H
