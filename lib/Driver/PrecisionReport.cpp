//===- PrecisionReport.cpp - What lower precision costs, by layer ---------===//

#include "moe/Driver/HostModel.h"
#include "moe/Driver/Progress.h"

#include "moe/Import/ModelSpec.h"

#include "llvm/Support/Format.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::moe;

namespace {
/// How far `rows` are from `expected`, all of whose numbers are finite.
struct Loss {
  /// Largest difference, relative to the largest magnitude (at least 1).
  double difference = 0;
  /// Of a row's logits, the least over all rows.
  double cosine = 1;
  /// Rows whose largest logit is another class's.
  int64_t changed = 0;

  Loss(const LogitRows &expected, const LogitRows &rows) {
    double largest = 1, error = 0;
    for (int64_t i = 0; i < expected.rows(); ++i) {
      ArrayRef<float> a = expected.row(i), b = rows.row(i);
      double aa = 0, ab = 0, bb = 0;
      if (llvm::any_of(b, [](float y) { return !std::isfinite(y); })) {
        error = std::numeric_limits<double>::infinity();
        cosine = 0;
        ++changed;
        continue;
      }
      for (auto [x, y] : llvm::zip(a, b)) {
        largest = std::max(largest, std::fabs(double(x)));
        error = std::max(error, std::fabs(double(x) - double(y)));
        aa += double(x) * x, ab += double(x) * y, bb += double(y) * y;
      }
      if (aa > 0)
        cosine = std::min(cosine, bb > 0 ? ab / std::sqrt(aa * bb) : 0.0);
      changed += std::max_element(a.begin(), a.end()) - a.begin() !=
                 std::max_element(b.begin(), b.end()) - b.begin();
    }
    difference = error / largest;
  }
};
} // namespace

LogicalResult mlir::moe::reportPrecision(const CompileOptions &options,
                                         ArrayRef<std::string> inputs) {
  FailureOr<ModelSpec> spec =
      parseModelSpec(options.spec, [](const InputError &error) {
        llvm::errs() << error.str() << '\n';
      });
  if (failed(spec))
    return failure();
  auto fail = [&](StringRef message) {
    return report(options.spec, "precision", message);
  };
  Precision precision =
      options.precision.value_or(spec->precision.value_or(Precision::F32));
  if (precision == Precision::F32)
    return fail("expected bf16 or int8 to report on, found f32");
  std::vector<std::string> layers{"patch_embed"};
  for (int64_t i = 0; i < spec->numLayers; ++i)
    for (StringRef part :
         {"attn.qkv", "attn.proj", spec->isMoELayer(i) ? "moe" : "mlp"})
      layers.push_back(("blocks." + Twine(i) + "." + part).str());
  if (spec->hasHead)
    layers.push_back("head");
  if (spec->distillationHead)
    layers.push_back("head_dist");

  CompileOptions plain = options;
  plain.precision = Precision::F32;
  plain.ignoreLayerPrecisions = true;
  // Besides each layer: all in f32, and all as specified.
  size_t count = layers.size() + 2, done = 0;
  auto run = [&](const CompileOptions &some, StringRef what) {
    Progress::Part part("model " + Twine(++done) + " of " + Twine(count) +
                        ", " + what);
    return runOnHost(some, inputs);
  };
  FailureOr<LogitRows> expected = run(plain, "f32");
  if (failed(expected))
    return failure();
  if (!llvm::all_of(expected->values, [](float x) { return std::isfinite(x); }))
    return fail("an input leads to logits that are not finite, in f32");
  auto print = [&](StringRef layer, const LogitRows &rows) {
    Loss loss(*expected, rows);
    llvm::outs() << llvm::left_justify(layer, 24)
                 << llvm::format("%10.2e %10.6f", loss.difference, loss.cosine);
    // Features are no classes, of which one is the first.
    if (spec->hasHead)
      llvm::outs() << llvm::format(" %6lld of %lld", (long long)loss.changed,
                                   (long long)expected->rows());
    llvm::outs() << '\n';
    llvm::outs().flush();
  };
  llvm::outs() << llvm::left_justify((precisionName(precision) + " in").str(),
                                     24)
               << " difference   cosine"
               << (spec->hasHead ? "   other top-1\n" : "\n");
  for (const std::string &layer : layers) {
    CompileOptions one = plain;
    one.layerPrecisions = {{layer, precision}};
    FailureOr<LogitRows> rows = run(one, layer);
    if (failed(rows))
      return failure();
    print(layer, *rows);
  }
  FailureOr<LogitRows> rows = run(options, "as specified");
  if (failed(rows))
    return failure();
  print("all, as specified", *rows);
  if (llvm::outs().has_error()) {
    llvm::outs().clear_error();
    return fail("the report cannot be written");
  }
  return success();
}
