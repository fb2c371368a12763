//===- TimmArchitectures.cpp - The models of timm -------------------------===//

#include "TimmArchitectures.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <string>

using namespace mlir;
using namespace mlir::moe;

namespace {
/// What the second part of a name says.
struct NamedSize {
  StringRef name;
  int64_t embedDim, depth, numHeads;
  double mlpRatio = 4;
};

/// What follows the patch.
struct Family {
  StringRef name;
  void (*change)(TimmArguments &);
};

/// A model that its size and family alone do not describe.
struct Exception {
  StringRef size, family;
  void (*change)(TimmArguments &);
};
} // namespace

static const NamedSize sizes[] = {{"tiny", 192, 12, 3},
                                  {"xsmall", 256, 10, 4},
                                  {"wee", 256, 14, 4, 5},
                                  {"little", 320, 14, 5, 5.6},
                                  {"small", 384, 12, 6},
                                  {"medium", 512, 12, 8},
                                  {"mediumd", 512, 20, 8},
                                  {"betwixt", 640, 12, 10},
                                  {"base", 768, 12, 12},
                                  {"so150m", 896, 18, 14, 2.572},
                                  {"so150m2", 832, 21, 13, 34.0 / 13},
                                  {"large", 1024, 24, 16},
                                  {"so400m", 1152, 27, 16, 3.7362},
                                  {"huge", 1280, 32, 16},
                                  {"giant", 1408, 40, 16, 48.0 / 11},
                                  {"giantopt", 1536, 40, 16},
                                  {"gigantic", 1664, 48, 16, 64.0 / 13}};

/// The mean of the patches; the last LayerNorm still comes before it.
static void poolPatches(TimmArguments &a) {
  a.classToken = false;
  a.globalPool = "avg";
  a.fcNorm = false;
}

static void useRegisters(TimmArguments &a, int64_t count) {
  a.numRegisterTokens = count;
  a.noEmbedClass = true;
  a.layerScale = true;
}

static void poolPatchesWithRegisters(TimmArguments &a, int64_t count) {
  useRegisters(a, count);
  a.classToken = false;
  a.globalPool = "avg";
}

static void useClip(TimmArguments &a) {
  a.preNorm = true;
  a.layerNormEps = 1e-5;
}

static void useWidth896(TimmArguments &a) {
  a.embedDim = 896;
  a.numHeads = 14;
}

static const Family families[] = {
    {"", [](TimmArguments &) {}},
    {"miil", [](TimmArguments &a) { a.qkvBias = false; }},
    {"gap", poolPatches},
    {"clip", useClip},
    {"clip_quickgelu",
     [](TimmArguments &a) {
       useClip(a);
       a.activation = "quick_gelu";
     }},
    {"plus",
     [](TimmArguments &a) {
       useWidth896(a);
       a.layerScale = true;
     }},
    {"plus_clip",
     [](TimmArguments &a) {
       useWidth896(a);
       useClip(a);
     }},
    {"36x1",
     [](TimmArguments &a) {
       a.depth = 36;
       a.layerScale = true;
     }},
    {"dinov2", [](TimmArguments &a) { a.layerScale = true; }},
    {"reg4_dinov2", [](TimmArguments &a) { useRegisters(a, 4); }},
    {"reg1_tipsv2", [](TimmArguments &a) { useRegisters(a, 1); }},
    {"reg1_gap", [](TimmArguments &a) { poolPatchesWithRegisters(a, 1); }},
    {"reg4_gap", [](TimmArguments &a) { poolPatchesWithRegisters(a, 4); }},
    {"siglip_gap", [](TimmArguments &a) {
       poolPatches(a);
       // The second SigLIP's, and the one of patches of 32; the first one's
       // models of the same name have the exact GELU.
       bool isSecond = a.patchSize == 32 || a.embedDim == 1536 ||
                       (a.embedDim == 1152 && a.patchSize == 16) ||
                       (a.embedDim == 1024 && a.imageSize == 512);
       if (isSecond)
         a.activation = "gelu_tanh";
     }}};

static void useMediumGap(TimmArguments &a) {
  a.qkvBias = false;
  a.layerScale = true;
}

static const Exception exceptions[] = {
    {"medium", "gap", useMediumGap},
    {"betwixt", "gap", useMediumGap},
    {"base", "gap", [](TimmArguments &a) { a.numHeads = 16; }},
    {"base", "reg4_gap", [](TimmArguments &a) { a.layerScale = false; }},
    {"so150m", "reg4_gap",
     [](TimmArguments &a) {
       a.layerScale = a.noEmbedClass = false;
       a.fcNorm = false;
     }},
    {"so150m2", "reg1_gap",
     [](TimmArguments &a) { a.noEmbedClass = a.qkvBias = false; }},
    {"so400m", "reg1_tipsv2",
     [](TimmArguments &a) { a.mlpRatio = 4304.0 / 1152; }}};

/// Their MLP is a SwiGLU.
static bool hasGatedMlp(StringRef size, StringRef family) {
  return size == "giant" &&
         (family.ends_with("dinov2") || family.ends_with("tipsv2"));
}

static bool setSize(StringRef name, TimmArguments &a) {
  const auto *size = llvm::find_if(
      sizes, [&](const NamedSize &size) { return size.name == name; });
  if (size == std::end(sizes))
    return false;
  a.embedDim = size->embedDim;
  a.depth = size->depth;
  a.numHeads = size->numHeads;
  a.mlpRatio = size->mlpRatio;
  return true;
}

/// Models whose names have other parts.
static std::optional<TimmArguments> findIrregular(StringRef name) {
  TimmArguments a;
  StringRef rest = name;
  if (rest.consume_front("flexivit_")) {
    a.noEmbedClass = true;
    if (rest != "small" && rest != "base" && rest != "large")
      return std::nullopt;
    setSize(rest, a);
    return a;
  }
  if (rest.consume_front("eva_large_patch14_")) {
    setSize("large", a);
    a.patchSize = 14;
    a.globalPool = "avg";
    if (rest.getAsInteger(10, a.imageSize))
      return std::nullopt;
    return a;
  }
  // timm's own tests.
  if (name == "test_vit" || name == "test_vit2") {
    a.imageSize = 160;
    a.embedDim = 64;
    a.numHeads = 2;
    a.mlpRatio = 3;
    a.depth = 6;
    if (name == "test_vit")
      return a;
    a.depth = 8;
    a.classToken = false;
    a.numRegisterTokens = 1;
    a.globalPool = "avg";
    a.layerScale = true;
    return a;
  }
  return std::nullopt;
}

std::optional<TimmArguments> moe::findTimmArchitecture(StringRef name) {
  if (std::optional<TimmArguments> irregular = findIrregular(name))
    return irregular;

  // KIND_SIZE[_distilled]_patchN[_FAMILY][_IMAGE[_FAMILY]]
  SmallVector<StringRef> parts;
  name.split(parts, '_');
  TimmArguments a;
  StringRef kind = parts[0];
  if ((kind != "vit" && kind != "deit" && kind != "deit3") ||
      parts.size() < 3 || !setSize(parts[1], a))
    return std::nullopt;
  StringRef size = parts[1];
  ArrayRef<StringRef> rest = ArrayRef(parts).drop_front(2);
  if (kind == "deit" && rest.front() == "distilled") {
    a.distilled = true;
    rest = rest.drop_front();
  }
  StringRef patch = rest.empty() ? "" : rest.front();
  if (!patch.consume_front("patch") || patch.getAsInteger(10, a.patchSize))
    return std::nullopt;
  std::string family;
  bool hasImage = false;
  for (StringRef part : rest.drop_front()) {
    // Former names of weights; the model is the same.
    if (part == "in21k" || part == "in21ft1k")
      continue;
    if (!part.empty() && llvm::all_of(part, llvm::isDigit)) {
      if (hasImage || part.getAsInteger(10, a.imageSize))
        return std::nullopt;
      hasImage = true;
      continue;
    }
    family += (family.empty() ? "" : "_") + part.str();
  }
  const auto *found = llvm::find_if(
      families, [&](const Family &known) { return known.name == family; });
  if (found == std::end(families) || hasGatedMlp(size, family) ||
      (kind != "vit" && !family.empty()))
    return std::nullopt;
  found->change(a);
  for (const Exception &exception : exceptions)
    if (exception.size == size && exception.family == family)
      exception.change(a);
  if (kind == "deit3")
    a.noEmbedClass = a.layerScale = true;
  return a;
}
