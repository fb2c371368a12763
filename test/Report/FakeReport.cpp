//===- FakeReport.cpp - A page of a model that nobody compiled ------------===//
//
//   moe-fake-report SPEC PAGE [TRACE]
//
// Writes the page of a specification's model, without its weights: parts and
// buffers are as plain code would have them, code sizes are made up. With a
// trace, also what that says. For tests of the page.
//
//===----------------------------------------------------------------------===//

#include "moe/Report/Report.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir::moe;

namespace {
class Model {
public:
  explicit Model(ModelSpec parsed) { data.spec = std::move(parsed); }
  ReportData make();

private:
  /// A part that multiplies [rows, in] by [in, out] `copies` times and writes a
  /// buffer that is read until `readers` parts later.
  void add(const std::string &name, int64_t layer, int64_t rows, int64_t in,
           int64_t out, int64_t readers = 1, int64_t copies = 1) {
    ReportPart part;
    part.name = name;
    part.layer = layer;
    part.multiplyAdds = rows * in * out * copies;
    part.bytes = 4 * copies * (rows * in + in * out + rows * out);
    data.parts.push_back(part);
    int64_t step = data.steps.size();
    data.buffers.push_back(
        {name, copies * rows * out * 4, 0, step, step + readers});
    data.steps.push_back(name);
  }
  void addBlock(int64_t index);
  void place();

  ReportData data;
};
} // namespace

void Model::addBlock(int64_t index) {
  const ModelSpec &spec = data.spec;
  std::string block = "blocks." + std::to_string(index);
  int64_t d = spec.hiddenSize, n = spec.numTokens(), head = spec.headSize();
  int64_t rows =
      index + 1 == spec.numLayers && spec.pool == ModelSpec::Pool::Cls ? 1 : n;
  add(block + ".norm1", index, n, 0, d);
  // The compiler has another name for the work of few queries.
  add(block + (rows == n ? ".attn.qkv" : ".attn.query"), index, n, d, 3 * d, 3);
  add(block + ".attn.scores", index, rows, head, n, 1, spec.numHeads);
  add(block + ".attn.softmax", index, rows, 0, n, 1, spec.numHeads);
  add(block + ".attn.values", index, rows, n, head, 1, spec.numHeads);
  add(block + ".attn.proj", index, rows, d, d, 4);
  add(block + ".norm2", index, rows, 0, d);
  if (!spec.isMoELayer(index)) {
    add(block + ".mlp.fc1", index, rows, d, spec.intermediateSize);
    add(block + ".mlp.fc2", index, rows, spec.intermediateSize, d, 2);
    return;
  }
  if (spec.moe->placement == MoESpec::Placement::PerLayer)
    add(block + ".moe.router", index, rows, d, spec.moe->numExperts);
  if (int64_t width = spec.moe->sharedExpertIntermediateSize) {
    add(block + ".moe.shared_expert.fc1", index, rows, d, width);
    add(block + ".moe.shared_expert.fc2", index, rows, width, d, 2);
  }
  bool isPerToken = spec.moe->routing == MoESpec::Routing::Patch;
  // The tokens of an expert together, or their sums.
  if (isPerToken)
    add(block + ".moe", index, rows, 0, d, 4);
  int64_t each = isPerToken ? 1 : rows;
  for (auto [name, in, out] :
       {std::tuple(".moe.fc1", d, spec.intermediateSize),
        std::tuple(".moe.fc2", spec.intermediateSize, d)}) {
    add(block + name, index, each, in, out, 2);
    if (ReportPart &part = data.parts.back(); isPerToken) {
      std::swap(part.multiplyAdds, part.multiplyAddsPerToken);
      part.bytes = 4 * in * out;
      part.bytesPerToken = 4 * (in + out);
    }
  }
  for (int64_t e = 0; e != spec.moe->numExperts; ++e)
    data.sections.push_back({block + ".expert." + std::to_string(e),
                             8 * d * spec.expertIntermediateSize(e)});
}

/// Gives each buffer its offset: the largest first, at the lowest free place.
void Model::place() {
  std::vector<ReportBuffer *> order;
  for (ReportBuffer &buffer : data.buffers) {
    buffer.last = std::min<int64_t>(buffer.last, data.steps.size() - 1);
    order.push_back(&buffer);
  }
  std::sort(order.begin(), order.end(), [](auto *a, auto *b) {
    return std::pair(-a->bytes, a->first) < std::pair(-b->bytes, b->first);
  });
  std::vector<ReportBuffer *> placed;
  for (ReportBuffer *buffer : order) {
    std::sort(placed.begin(), placed.end(),
              [](auto *a, auto *b) { return a->offset < b->offset; });
    for (ReportBuffer *other : placed)
      if (other->first <= buffer->last && buffer->first <= other->last &&
          other->offset < buffer->offset + buffer->bytes)
        buffer->offset = std::max(buffer->offset, other->offset + other->bytes);
    placed.push_back(buffer);
    data.workspaceBytes =
        std::max(data.workspaceBytes, buffer->offset + buffer->bytes);
  }
}

ReportData Model::make() {
  const ModelSpec &spec = data.spec;
  data.target = "x86_64-pc-linux-gnu";
  data.precision = "f32";
  data.sections.push_back({"shared", 0});
  for (size_t i = 0; i != spec.stem.size(); ++i) {
    const StemLayer &layer = spec.stem[i];
    add("stem." + std::to_string(i), -1,
        layer.output.height * layer.output.width,
        (layer.depthwise ? 1 : layer.input.channels) * layer.kernelHeight *
            layer.kernelWidth,
        layer.output.channels, std::max<int64_t>(layer.residual, 1));
  }
  add("patch_embed", -1, spec.numTokens(),
      spec.map().channels * spec.patchHeight * spec.patchWidth, spec.hiddenSize,
      7);
  for (int64_t i = 0; i != spec.numLayers; ++i) {
    if (spec.moe && spec.moe->placement == MoESpec::Placement::Shared &&
        i == spec.moe->layers.front())
      add("router", -1, 1, spec.hiddenSize, spec.moe->numExperts);
    addBlock(i);
  }
  add("norm", -1, 1, 0, spec.hiddenSize);
  if (spec.hasHead)
    add("head", -1, 1, spec.hiddenSize, spec.numClasses);
  place();
  for (const ReportPart &part : data.parts)
    data.multiplyAdds += part.multiplyAdds;
  for (const ReportPart &part : data.parts)
    if (!llvm::StringRef(part.name).contains(".moe.fc"))
      data.sections.front().bytes += part.bytes / 2;
  data.variants = {
      {"x86-64-v4", 61234}, {"x86-64-v3", 70110}, {"x86-64", 96788}};
  data.commonCodeBytes = 412000;
  data.fileBytes = 412000 + 61234 + 70110 + 96788 + 30000;
  for (const ReportSection &section : data.sections)
    data.fileBytes += section.bytes;
  return std::move(data);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) {
    llvm::errs() << "usage: moe-fake-report SPEC PAGE [TRACE]\n";
    return 2;
  }
  auto sink = [](const InputError &error) {
    llvm::errs() << error.str() << '\n';
  };
  auto spec = parseModelSpec(argv[1], sink);
  if (failed(spec))
    return 1;
  ReportData data = Model(std::move(*spec)).make();
  if (argc == 4) {
    auto trace = llvm::MemoryBuffer::getFile(argv[3]);
    if (!trace) {
      llvm::errs() << argv[3] << ": " << trace.getError().message() << '\n';
      return 1;
    }
    if (failed(addProfile(data, argv[3], (*trace)->getBuffer(), sink)))
      return 1;
  }
  std::error_code code;
  llvm::raw_fd_ostream os(argv[2], code);
  if (code) {
    llvm::errs() << argv[2] << ": " << code.message() << '\n';
    return 1;
  }
  os << makeReport(data);
  return 0;
}
