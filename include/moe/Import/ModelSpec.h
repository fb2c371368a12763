//===- ModelSpec.h - The specification of a model ---------------*- C++ -*-===//
//
// The JSON specification after parsing: every field checked, every default
// filled in. Whoever holds a ModelSpec need not check it again.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_IMPORT_MODELSPEC_H
#define MOE_IMPORT_MODELSPEC_H

#include "mlir/Support/LLVM.h"
#include "moe/Dialect/Precision.h"
#include "moe/Import/InputError.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mlir::moe {

/// The mixture-of-experts part of a model (`moe` in the specification).
struct MoESpec {
  enum class Routing { Image, Patch };
  enum class Placement { Shared, PerLayer };
  enum class RouterInput { Cls, Mean };
  /// Tokens choose experts; experts choose tokens; or experts work on slots,
  /// which are weighted means of all tokens (Soft MoE).
  enum class RouterType { TopK, ExpertChoice, Soft };

  /// Indices of the blocks that have experts: ascending, unique, not empty.
  SmallVector<int64_t> layers;
  int64_t numExperts = 0;
  /// Experts that an image (or token) goes to: 1 <= topK <= numExperts. 1 for
  /// routers that are not RouterType::TopK.
  int64_t topK = 1;
  Routing routing = Routing::Image;
  Placement placement = Placement::Shared;
  /// TopK, unless the routing is Routing::Patch.
  RouterType routerType = RouterType::TopK;
  /// What the router looks at. For Routing::Image only.
  RouterInput routerInput = RouterInput::Cls;
  bool routerBias = false;
  /// The gates of the kept experts are rescaled to sum 1.
  bool normalize = false;
  /// Absent: no limit. For Routing::Patch only, as are the next two.
  std::optional<double> capacityFactor;
  int64_t capacityMultipleOf = 1;
  bool batchPriority = false;
  /// For RouterType::Soft only; absent: from the capacity factor.
  std::optional<int64_t> slotsPerExpert;
  /// Hidden width of an MLP beside the experts, which all tokens go through; 0
  /// if there is none.
  int64_t sharedExpertIntermediateSize = 0;
  /// Hidden width of each expert, in all blocks; empty if it is the model's.
  SmallVector<int64_t> expertIntermediateSizes;
};

/// Gelu is the exact one (erf), QuickGelu is x * sigmoid(1.702 x), Hardswish
/// x * relu6(x + 3) / 6.
enum class ActivationKind { Gelu, GeluTanh, QuickGelu, Relu, Silu, Hardswish };

/// The size of the image, or of what a layer of the stem makes of it.
struct MapSize {
  int64_t channels = 0, height = 0, width = 0;
  bool operator==(const MapSize &other) const {
    return channels == other.channels && height == other.height &&
           width == other.width;
  }
};

/// A layer of the convolutional stem: convolution, batch normalisation (Ioffe
/// and Szegedy 2015), activation and residual sum (He et al. 2016), in that
/// order.
struct StemLayer {
  MapSize input, output;
  int64_t kernelHeight = 3, kernelWidth = 3;
  int64_t strideHeight = 1, strideWidth = 1;
  /// Zeros on each side; less than the kernel.
  int64_t paddingHeight = 1, paddingWidth = 1;
  /// Each channel is convolved by itself.
  bool depthwise = false;
  bool bias = false;
  bool batchNorm = true;
  double batchNormEps = 1e-5;
  std::optional<ActivationKind> activation;
  /// Adds the input of so many layers, this one included, to what they make of
  /// it, which has the same size; 0: nothing.
  int64_t residual = 0;
};

/// How the generated executable turns an image into the model's input.
struct PreprocessSpec {
  /// Pixels of the shorter side after resizing, at least the larger side of the
  /// model's image; absent: straight to the model's image size.
  std::optional<int64_t> resize;
  /// Height and width of the whole image after resizing, whatever its shape
  /// was; at least the model's. Absent: as `resize` says.
  std::optional<std::pair<int64_t, int64_t>> squash;
  /// Bicubic instead of bilinear interpolation. Both are antialiased.
  bool bicubic = false;
  /// One value per channel, for pixel values scaled to 0..1; `std` is positive.
  std::vector<float> mean, std;
};

/// A Vision Transformer, dense or with experts. All sizes are positive and
/// small enough for any product that describes a tensor of the model, and the
/// number of all its parameters, to fit in an int64_t.
struct ModelSpec {
  using Activation = moe::ActivationKind;
  /// Mean and Max are over the patch tokens (see poolIncludesPrefix); AvgMax is
  /// half the sum of both.
  enum class Pool { Cls, Mean, Max, AvgMax };

  /// A C identifier that is not a keyword; prefix of the generated symbols.
  std::string name;
  /// The name before it was made an identifier.
  std::string displayName;

  /// Pixels.
  int64_t imageHeight = 0, imageWidth = 0;
  /// What the image goes through before it is cut into patches; may be empty.
  std::vector<StemLayer> stem;
  /// The map's sizes are multiples of it.
  int64_t patchHeight = 0, patchWidth = 0;
  int64_t numChannels = 3;
  /// D; a multiple of numHeads.
  int64_t hiddenSize = 0;
  /// L.
  int64_t numLayers = 0;
  int64_t numHeads = 0;
  /// Width of the MLP's hidden layer, and of each expert's if these have none
  /// of their own.
  int64_t intermediateSize = 0;
  bool qkvBias = true;
  Activation activation = Activation::Gelu;
  double layerNormEps = 1e-6;
  bool classToken = true;
  /// A second token after the class token (DeiT). Needs the class token.
  bool distillationToken = false;
  /// A head of that token's own; the logits of both heads are averaged.
  bool distillationHead = false;
  /// Between those tokens and the patches.
  int64_t numRegisterTokens = 0;
  /// The position embedding is of the patches alone (timm's no_embed_class).
  bool noEmbedClass = false;
  /// Each branch's output is multiplied by a gamma per channel (LayerScale).
  bool layerScale = false;
  /// Queries and keys are normalised for each head.
  bool qkNorm = false;
  /// A LayerNorm before the first block.
  bool preNorm = false;
  bool patchBias = true;
  /// The last LayerNorm: of all tokens before the pool, or of what it yields.
  bool fcNorm = false;
  Pool pool = Pool::Cls;
  /// Mean and Max are over all tokens.
  bool poolIncludesPrefix = false;
  /// Without a head the pooled features are the model's outputs.
  bool hasHead = true;
  /// The number of outputs: D where there is no head.
  int64_t numClasses = 1000;
  /// Absent: a dense model.
  std::optional<MoESpec> moe;

  /// Absolute, or relative to the current folder (the specification's folder
  /// is already in it).
  std::string weightsPath;
  /// What was read for it: the specification first, then files that it names or
  /// that belong to it. The weights are not among them.
  std::vector<std::string> files;
  /// Empty, or one UTF-8 string without NULs per class.
  std::vector<std::string> labels;
  PreprocessSpec preprocess;
  /// Of all matrix products with a weight; absent: what the command line says,
  /// or f32.
  std::optional<Precision> precision;
  /// Of those in layers whose name is, or begins in whole parts with, the first
  /// of the pair ("blocks.11", "blocks.3.attn.qkv"); the longest name counts.
  std::vector<std::pair<std::string, Precision>> layerPrecisions;

  /// What is cut into patches: what the stem makes of the image, or the image.
  MapSize map() const {
    return stem.empty() ? MapSize{numChannels, imageHeight, imageWidth}
                        : stem.back().output;
  }
  /// Patch tokens of an image.
  int64_t numPatches() const {
    return (map().height / patchHeight) * (map().width / patchWidth);
  }
  /// The model's own tokens, before the patches: class and distillation token,
  /// registers.
  int64_t numPrefixTokens() const {
    return int64_t(classToken) + int64_t(distillationToken) + numRegisterTokens;
  }
  /// Tokens of an image: the model's own and the patches.
  int64_t numTokens() const { return numPrefixTokens() + numPatches(); }
  /// D / heads.
  int64_t headSize() const { return hiddenSize / numHeads; }
  /// Whether block `block` has experts instead of one MLP.
  bool isMoELayer(int64_t block) const;
  /// Tokens that one expert takes of one image at most, 1..numTokens();
  /// numTokens() where there is no limit. The model must have experts. With
  /// RouterType::ExpertChoice, each takes as many.
  int64_t expertCapacity() const;
  /// Width of the hidden layer of expert `expert`.
  int64_t expertIntermediateSize(int64_t expert) const {
    return moe->expertIntermediateSizes.empty()
               ? intermediateSize
               : moe->expertIntermediateSizes[expert];
  }
  /// Slots of each expert, positive. The router must be RouterType::Soft.
  int64_t slotsPerExpert() const;
};

/// Reads the specification at `path`: a JSON file, or a folder that holds
/// `config.json`, which may also be one of Hugging Face's or timm's
/// (docs/import.md). The first error is reported to `sink`. The weights are not
/// opened; a file of labels and `preprocessor_config.json` are read.
FailureOr<ModelSpec> parseModelSpec(StringRef path, InputErrorSink sink);

/// As above for a specification already in memory. `path` names it in errors,
/// and gives the default name and the folder that relative paths start from.
FailureOr<ModelSpec> parseModelSpecText(StringRef text, StringRef path,
                                        InputErrorSink sink);

/// `text` as a C identifier that is no C keyword: every character other than
/// [A-Za-z0-9_] becomes `_`; a leading digit or a keyword gets `_` in front.
/// Empty only if `text` is.
std::string makeCIdentifier(StringRef text);

} // namespace mlir::moe

#endif // MOE_IMPORT_MODELSPEC_H
