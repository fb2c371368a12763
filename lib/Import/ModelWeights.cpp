//===- ModelWeights.cpp - The tensors that a model needs ------------------===//

#include "moe/Import/ModelWeights.h"

#include "InputFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::moe;

/// Errors that are reported one by one.
static constexpr unsigned maxErrors = 10;

int64_t ExpectedTensor::numElements() const {
  int64_t size = 1;
  for (int64_t dim : shape)
    size *= dim;
  return size;
}

namespace {
/// Collects the tensors of a model by its layers.
class TensorList {
public:
  std::vector<ExpectedTensor> tensors;

  void add(const llvm::Twine &name, ArrayRef<int64_t> shape) {
    tensors.push_back({name.str(), SmallVector<int64_t, 4>(shape)});
  }
  void addNorm(const llvm::Twine &name, int64_t size) {
    add(name + ".weight", {size});
    add(name + ".bias", {size});
  }
  void addLinear(const llvm::Twine &name, int64_t out, int64_t in,
                 bool bias = true) {
    add(name + ".weight", {out, in});
    if (bias)
      add(name + ".bias", {out});
  }
  /// A convolution and its batch normalisation.
  void addStemLayer(const llvm::Twine &name, const StemLayer &layer) {
    int64_t out = layer.output.channels;
    add(name + ".conv.weight", {out, layer.depthwise ? 1 : layer.input.channels,
                                layer.kernelHeight, layer.kernelWidth});
    if (layer.bias)
      add(name + ".conv.bias", {out});
    if (!layer.batchNorm)
      return;
    addNorm(name + ".bn", out);
    add(name + ".bn.running_mean", {out});
    add(name + ".bn.running_var", {out});
  }
  /// The two layers of an MLP or of an expert.
  void addMlp(const llvm::Twine &name, int64_t size, int64_t hidden) {
    addLinear(name + ".fc1", hidden, size);
    addLinear(name + ".fc2", size, hidden);
  }
};
} // namespace

std::vector<ExpectedTensor> moe::expectedTensors(const ModelSpec &spec) {
  int64_t d = spec.hiddenSize;
  TensorList list;
  for (auto [i, layer] : llvm::enumerate(spec.stem))
    list.addStemLayer("stem." + llvm::Twine(i), layer);
  if (spec.classToken)
    list.add("cls_token", {1, 1, d});
  if (spec.distillationToken)
    list.add("dist_token", {1, 1, d});
  if (spec.numRegisterTokens)
    list.add("reg_token", {1, spec.numRegisterTokens, d});
  list.add("pos_embed",
           {1, spec.noEmbedClass ? spec.numPatches() : spec.numTokens(), d});
  list.add("patch_embed.proj.weight",
           {d, spec.map().channels, spec.patchHeight, spec.patchWidth});
  if (spec.patchBias)
    list.add("patch_embed.proj.bias", {d});
  if (spec.preNorm)
    list.addNorm("norm_pre", d);

  auto addRouter = [&](const llvm::Twine &name) {
    list.addLinear(name, spec.moe->numExperts, d, spec.moe->routerBias);
  };
  bool shared = spec.moe && spec.moe->placement == MoESpec::Placement::Shared;
  if (shared)
    addRouter("router");

  for (int64_t i = 0; i != spec.numLayers; ++i) {
    std::string block = ("blocks." + llvm::Twine(i)).str();
    list.addNorm(block + ".norm1", d);
    list.addLinear(block + ".attn.qkv", 3 * d, d, spec.qkvBias);
    if (spec.qkNorm) {
      list.addNorm(block + ".attn.q_norm", spec.headSize());
      list.addNorm(block + ".attn.k_norm", spec.headSize());
    }
    list.addLinear(block + ".attn.proj", d, d);
    if (spec.layerScale) {
      list.add(block + ".ls1.gamma", {d});
      list.add(block + ".ls2.gamma", {d});
    }
    list.addNorm(block + ".norm2", d);
    if (!spec.isMoELayer(i)) {
      list.addMlp(block + ".mlp", d, spec.intermediateSize);
      continue;
    }
    if (spec.moe->routerType == MoESpec::RouterType::Soft) {
      list.add(block + ".moe.router.mu",
               {d, spec.moe->numExperts, spec.slotsPerExpert()});
      list.add(block + ".moe.router.scale", {1});
    } else if (!shared) {
      addRouter(block + ".moe.router");
    }
    for (int64_t e = 0; e != spec.moe->numExperts; ++e)
      list.addMlp(block + ".moe.experts." + llvm::Twine(e), d,
                  spec.expertIntermediateSize(e));
    if (int64_t hidden = spec.moe->sharedExpertIntermediateSize)
      list.addMlp(block + ".moe.shared_expert", d, hidden);
  }

  list.addNorm(spec.fcNorm ? "fc_norm" : "norm", d);
  if (spec.hasHead)
    list.addLinear("head", spec.numClasses, d);
  if (spec.distillationHead)
    list.addLinear("head_dist", spec.numClasses, d);
  return std::move(list.tensors);
}

int64_t moe::countParameters(const ModelSpec &spec) {
  int64_t count = 0;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    count += tensor.numElements();
  return count;
}

int64_t moe::countActiveParameters(const ModelSpec &spec) {
  int64_t active = countParameters(spec);
  if (!spec.moe || spec.moe->routerType != MoESpec::RouterType::TopK)
    return active;
  // Of an expert, those of its two layers. The smallest are idle.
  SmallVector<int64_t> sizes;
  for (int64_t e = 0; e != spec.moe->numExperts; ++e) {
    TensorList list;
    list.addMlp("", spec.hiddenSize, spec.expertIntermediateSize(e));
    int64_t size = 0;
    for (const ExpectedTensor &tensor : list.tensors)
      size += tensor.numElements();
    sizes.push_back(size);
  }
  llvm::sort(sizes);
  for (int64_t e = 0; e != spec.moe->numExperts - spec.moe->topK; ++e)
    active -= sizes[e] * int64_t(spec.moe->layers.size());
  return active;
}

static std::string describeShape(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << '[';
  llvm::interleaveComma(shape.take_front(8), os);
  os << (shape.size() > 8 ? ", ...]" : "]");
  return text;
}

/// What is wrong with `tensor`, which is null if the file has it not; empty if
/// it is as expected.
static std::string describeProblem(const ExpectedTensor &expected,
                                   const TensorInfo *tensor) {
  std::string shape = describeShape(expected.shape);
  if (!tensor)
    return "missing; expected a tensor of shape " + shape;
  if (ArrayRef<int64_t>(tensor->shape) != ArrayRef<int64_t>(expected.shape))
    return "expected shape " + shape + ", found " +
           describeShape(tensor->shape);
  if (tensor->dtype == TensorInfo::DType::Other)
    return "expected dtype F32, F16 or BF16, found " +
           quoteForMessage(tensor->dtypeName);
  return {};
}

/// What `part` should be, one of `numParts` along dimension 0 of `expected`.
static ExpectedTensor expectedPart(const ExpectedTensor &expected,
                                   const TensorPart &part, int64_t numParts) {
  ExpectedTensor result{part.name, expected.shape};
  if (numParts > 1)
    result.shape.front() /= numParts;
  return result;
}

LogicalResult moe::checkWeights(const ModelSpec &spec, const WeightFiles &files,
                                InputErrorSink sink) {
  std::vector<ExpectedTensor> expected = expectedTensors(spec);
  llvm::StringSet<> used;
  SmallVector<StringRef> nonFinite;
  int64_t numErrors = 0;
  for (const ExpectedTensor &entry : expected) {
    SmallVector<TensorPart, 1> parts = files.find(entry.name);
    for (const TensorPart &part : parts) {
      StringRef name = used.insert(part.name).first->first();
      std::string problem =
          describeProblem(expectedPart(entry, part, parts.size()), part.tensor);
      if (!problem.empty()) {
        if (++numErrors <= maxErrors)
          reportError(sink, part.file, name, problem);
        continue;
      }
      // Reads all of the weights, which is in vain once there was an error.
      if (numErrors == 0 && WeightStore::hasNonFinite(*part.tensor))
        nonFinite.push_back(name);
    }
  }
  if (numErrors > maxErrors)
    reportError(sink, files.path(), "header",
                llvm::Twine(numErrors - maxErrors) +
                    " more tensors are missing or not as expected");
  if (numErrors)
    return failure();

  auto warn = [&](StringRef where, const llvm::Twine &message) {
    sink({InputError::Severity::Warning, files.path().str(), where.str(),
          message.str()});
  };
  // How many batches the statistics are of: PyTorch's files have it.
  for (size_t i = 0; i < spec.stem.size(); ++i)
    if (spec.stem[i].batchNorm)
      used.insert(("stem." + llvm::Twine(i) + ".bn.num_batches_tracked").str());
  SmallVector<StringRef> unused;
  for (StringRef name : files.tensorNames())
    if (!used.contains(name))
      unused.push_back(name);
  if (!unused.empty())
    warn("header", "the model does not use " + llvm::Twine(unused.size()) +
                       (unused.size() == 1 ? " tensor: " : " tensors: ") +
                       listForMessage(unused));
  if (!nonFinite.empty())
    warn("data", "NaN or infinite weights in " + llvm::Twine(nonFinite.size()) +
                     (nonFinite.size() == 1 ? " tensor: " : " tensors: ") +
                     listForMessage(nonFinite));
  return success();
}
