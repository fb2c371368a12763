//===- ReportJson.cpp - The figures as the page reads them ----------------===//

#include "ReportJson.h"

#include "moe/Import/ModelWeights.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::moe;

namespace {
class Writer {
public:
  Writer(const ReportData &data, llvm::raw_ostream &os)
      : data(data), spec(data.spec), json(os) {}

  void write();

private:
  void text(StringRef key, StringRef value) {
    json.attribute(key, llvm::json::fixUTF8(value));
  }
  void writeSpec();
  void writeStem();
  void writeMoE();
  void writeParameters();
  void writeParts();
  /// Tokens of the last block that the answer depends on.
  int64_t answerTokens() const;
  /// How often a part runs for one image at most, and for how many tokens of
  /// all experts together.
  struct Most {
    double runs, tokens;
  };
  Most mostOf(const ReportPart &part) const;
  void writeWorkspace();
  void writeFile();
  void writeProfile(const ReportProfile &profile);

  const ReportData &data;
  const ModelSpec &spec;
  llvm::json::OStream json;
};
} // namespace

static StringRef activationName(ActivationKind kind) {
  switch (kind) {
  case ActivationKind::Gelu:
    return "GELU";
  case ActivationKind::GeluTanh:
    return "GELU (tanh)";
  case ActivationKind::QuickGelu:
    return "quick GELU";
  case ActivationKind::Relu:
    return "ReLU";
  case ActivationKind::Silu:
    return "SiLU";
  case ActivationKind::Hardswish:
    return "hardswish";
  }
  llvm_unreachable("all kinds are handled");
}

static StringRef poolName(ModelSpec::Pool pool) {
  switch (pool) {
  case ModelSpec::Pool::Cls:
    return "cls";
  case ModelSpec::Pool::Mean:
    return "mean";
  case ModelSpec::Pool::Max:
    return "max";
  case ModelSpec::Pool::AvgMax:
    return "avgmax";
  }
  llvm_unreachable("all kinds are handled");
}

static StringRef routerTypeName(MoESpec::RouterType type) {
  switch (type) {
  case MoESpec::RouterType::TopK:
    return "top_k";
  case MoESpec::RouterType::ExpertChoice:
    return "expert_choice";
  case MoESpec::RouterType::Soft:
    return "soft";
  }
  llvm_unreachable("all kinds are handled");
}

void Writer::writeStem() {
  json.attributeArray("stem", [&] {
    for (const StemLayer &layer : spec.stem)
      json.object([&] {
        json.attribute("channels", layer.output.channels);
        json.attribute("height", layer.output.height);
        json.attribute("width", layer.output.width);
        json.attributeArray("kernel", [&] {
          json.value(layer.kernelHeight);
          json.value(layer.kernelWidth);
        });
        json.attributeArray("stride", [&] {
          json.value(layer.strideHeight);
          json.value(layer.strideWidth);
        });
        json.attribute("depthwise", layer.depthwise);
        json.attribute("batchNorm", layer.batchNorm);
        json.attribute("residual", layer.residual);
        if (layer.activation)
          json.attribute("activation", activationName(*layer.activation));
      });
  });
}

void Writer::writeMoE() {
  const MoESpec &moe = *spec.moe;
  json.attributeObject("moe", [&] {
    json.attributeArray("layers", [&] {
      for (int64_t layer : moe.layers)
        json.value(layer);
    });
    json.attribute("experts", moe.numExperts);
    json.attribute("topK", moe.topK);
    json.attribute("perPatch", moe.routing == MoESpec::Routing::Patch);
    json.attribute("shared", moe.placement == MoESpec::Placement::Shared);
    json.attribute("type", routerTypeName(moe.routerType));
    json.attribute(
        "input", moe.routerInput == MoESpec::RouterInput::Cls ? "cls" : "mean");
    json.attribute("normalize", moe.normalize);
    json.attribute("batchPriority", moe.batchPriority);
    if (moe.capacityFactor)
      json.attribute("capacity", spec.expertCapacity());
    if (moe.routerType == MoESpec::RouterType::Soft)
      json.attribute("slots", spec.slotsPerExpert());
    json.attribute("sharedExpertWidth", moe.sharedExpertIntermediateSize);
    json.attributeArray("expertWidths", [&] {
      for (int64_t width : moe.expertIntermediateSizes)
        json.value(width);
    });
  });
}

void Writer::writeSpec() {
  json.attributeObject("spec", [&] {
    json.attributeArray("image", [&] {
      json.value(spec.numChannels);
      json.value(spec.imageHeight);
      json.value(spec.imageWidth);
    });
    writeStem();
    json.attributeArray("patch", [&] {
      json.value(spec.patchHeight);
      json.value(spec.patchWidth);
    });
    json.attributeArray("grid", [&] {
      json.value(spec.map().height / spec.patchHeight);
      json.value(spec.map().width / spec.patchWidth);
    });
    json.attribute("patches", spec.numPatches());
    json.attribute("tokens", spec.numTokens());
    json.attribute("answerTokens", answerTokens());
    json.attribute("classToken", spec.classToken);
    json.attribute("distillationToken", spec.distillationToken);
    json.attribute("distillationHead", spec.distillationHead);
    json.attribute("registers", spec.numRegisterTokens);
    json.attribute("width", spec.hiddenSize);
    json.attribute("layers", spec.numLayers);
    json.attribute("heads", spec.numHeads);
    json.attribute("mlpWidth", spec.intermediateSize);
    json.attribute("activation", activationName(spec.activation));
    json.attribute("layerScale", spec.layerScale);
    json.attribute("qkNorm", spec.qkNorm);
    json.attribute("preNorm", spec.preNorm);
    json.attribute("fcNorm", spec.fcNorm);
    json.attribute("pool", poolName(spec.pool));
    json.attribute("poolIncludesPrefix", spec.poolIncludesPrefix);
    json.attribute("hasHead", spec.hasHead);
    json.attribute("classes", spec.numClasses);
    if (spec.moe)
      writeMoE();
  });
}

/// What the tensor is a part of: "blocks.3.attn.qkv" of its weight and bias.
/// Experts have one entry together, "blocks.3.moe.fc1", as they have one part.
static std::string parameterGroup(StringRef tensor) {
  SmallVector<StringRef> pieces;
  tensor.split(pieces, '.');
  if (pieces.size() > 1)
    pieces.pop_back();
  if (auto *experts = llvm::find(pieces, "experts"); experts != pieces.end())
    pieces.erase(experts, experts + 2);
  return llvm::join(pieces, ".");
}

void Writer::writeParameters() {
  llvm::MapVector<std::string, int64_t, llvm::StringMap<unsigned>> groups;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    groups[parameterGroup(tensor.name)] += tensor.numElements();
  json.attribute("parameters", countParameters(spec));
  json.attribute("activeParameters", countActiveParameters(spec));
  json.attributeArray("parameterGroups", [&] {
    for (const auto &group : groups)
      json.object([&] {
        text("name", group.first);
        json.attribute("count", group.second);
      });
  });
}

int64_t Writer::answerTokens() const {
  if (spec.pool == ModelSpec::Pool::Cls)
    return spec.distillationHead ? 2 : 1;
  return spec.poolIncludesPrefix ? spec.numTokens() : spec.numPatches();
}

Writer::Most Writer::mostOf(const ReportPart &part) const {
  bool isExperts = part.multiplyAddsPerToken || part.bytesPerToken ||
                   StringRef(part.name).starts_with(
                       ("blocks." + llvm::Twine(part.layer) + ".moe.fc").str());
  if (!spec.moe || !isExperts)
    return {1, 0};
  const MoESpec &moe = *spec.moe;
  double experts = moe.numExperts;
  // The last block computes what the answer needs.
  int64_t rows =
      part.layer + 1 == spec.numLayers ? answerTokens() : spec.numTokens();
  switch (moe.routerType) {
  case MoESpec::RouterType::Soft:
    return {experts, experts * spec.slotsPerExpert()};
  case MoESpec::RouterType::ExpertChoice:
    return {experts, experts * std::min(spec.expertCapacity(), rows)};
  case MoESpec::RouterType::TopK:
    break;
  }
  if (moe.routing == MoESpec::Routing::Image)
    return {double(moe.topK), double(moe.topK) * rows};
  double choices = double(moe.topK) * rows;
  return {std::min(experts, choices),
          std::min(choices, experts * std::min(spec.expertCapacity(), rows))};
}

void Writer::writeParts() {
  json.attributeArray("parts", [&] {
    for (const ReportPart &part : data.parts)
      json.object([&] {
        text("name", part.name);
        json.attribute("layer", part.layer);
        json.attribute("kind", precisionName(part.kind));
        Most most = mostOf(part);
        json.attribute("multiplyAdds",
                       most.runs * part.multiplyAdds +
                           most.tokens * part.multiplyAddsPerToken);
        json.attribute("bytes", most.runs * part.bytes +
                                    most.tokens * part.bytesPerToken);
      });
  });
}

void Writer::writeWorkspace() {
  json.attribute("workspaceBytes", data.workspaceBytes);
  json.attributeArray("steps", [&] {
    for (const std::string &step : data.steps)
      json.value(llvm::json::fixUTF8(step));
  });
  json.attributeArray("buffers", [&] {
    for (const ReportBuffer &buffer : data.buffers)
      json.object([&] {
        text("name", buffer.name);
        json.attribute("bytes", buffer.bytes);
        json.attribute("offset", buffer.offset);
        json.attribute("first", buffer.first);
        json.attribute("last", buffer.last);
      });
  });
}

void Writer::writeFile() {
  json.attribute("fileBytes", data.fileBytes);
  json.attribute("commonCodeBytes", data.commonCodeBytes);
  json.attributeArray("variants", [&] {
    for (const ReportVariant &variant : data.variants)
      json.object([&] {
        text("name", variant.name);
        json.attribute("codeBytes", variant.codeBytes);
      });
  });
  json.attributeArray("sections", [&] {
    for (const ReportSection &section : data.sections)
      json.object([&] {
        text("name", section.name);
        json.attribute("bytes", section.bytes);
      });
  });
}

void Writer::writeProfile(const ReportProfile &profile) {
  json.attributeObject("profile", [&] {
    text("cpu", profile.cpu);
    json.attribute("threads", profile.threads);
    json.attribute("images", profile.images);
    json.attribute("imagesLeftOut", profile.imagesLeftOut);
    json.attribute("microseconds", profile.microseconds);
    json.attribute("medianMicroseconds", profile.medianMicroseconds);
    json.attributeObject("peakGigaflops", [&] {
      for (Precision kind : {Precision::F32, Precision::BF16, Precision::Int8})
        if (double peak = profile.peakGigaflops[static_cast<int>(kind)])
          json.attribute(precisionName(kind), peak);
    });
    json.attributeArray("parts", [&] {
      for (const ProfiledPart &part : profile.parts)
        json.object([&] {
          json.attribute("part", part.part);
          if (part.expert >= 0)
            json.attribute("expert", part.expert);
          json.attribute("runs", part.runs);
          json.attribute("microseconds", part.microseconds);
          json.attribute("gate", part.gate);
          json.attribute("tokens", part.tokens);
          json.attribute("multiplyAdds", part.multiplyAdds);
          json.attribute("bytes", part.bytes);
          json.attribute("shareOfPeak", part.shareOfPeak);
        });
    });
  });
}

void Writer::write() {
  json.object([&] {
    text("name", spec.name);
    text("displayName", spec.displayName);
    text("target", data.target);
    text("precision", data.precision);
    writeSpec();
    writeParameters();
    json.attribute("multiplyAdds", data.multiplyAdds);
    writeParts();
    writeWorkspace();
    writeFile();
    if (data.profile)
      writeProfile(*data.profile);
  });
}

void mlir::moe::writeReportJson(const ReportData &data, llvm::raw_ostream &os) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  Writer(data, stream).write();
  // In JSON, it is in strings only. "</script" would end the element, and after
  // "<!--" and "<script" nothing would.
  for (char c : text) {
    if (c == '<')
      os << "\\u003c";
    else
      os << c;
  }
}
