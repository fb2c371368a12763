//===- ShardedWeights.cpp - Weights in several files ----------------------===//

#include "ShardedWeights.h"

#include "SpecFields.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::moe;

namespace fs = llvm::sys::fs;
namespace paths = llvm::sys::path;

/// Each is a mapped file.
static constexpr size_t maxShards = 1000;

std::optional<std::string> moe::findShardIndex(StringRef path) {
  if (path.ends_with(".index.json"))
    return path.str();
  std::string index = (path + ".index.json").str();
  if (!fs::exists(path) && fs::exists(index))
    return index;
  return std::nullopt;
}

/// Whether `name` is a file beside the index and cannot be anything else.
static bool isPlainFileName(StringRef name) {
  constexpr size_t maxLength = 255;
  return !name.empty() && name.size() <= maxLength && name != "." &&
         name != ".." &&
         name.find_first_of(StringRef("/\\\0", 3)) == StringRef::npos;
}

FailureOr<ShardIndex> moe::readShardIndex(StringRef path, InputErrorSink sink) {
  std::unique_ptr<llvm::MemoryBuffer> buffer =
      openInputFile(path, maxSpecBytes, sink);
  if (!buffer)
    return failure();
  SpecContext context{path, sink};
  JsonValue root;
  if (!context.parseObject(buffer->getBuffer(), root))
    return failure();
  FieldReader fields(context, root, "");
  const JsonValue *map = fields.objectField("weight_map");
  if (!map)
    fields.error("weight_map", "missing; expected an object of tensors and "
                               "their files");
  if (context.failed)
    return failure();

  ShardIndex index;
  llvm::StringMap<size_t> positions;
  for (const auto &[tensor, file] : llvm::zip(map->keys, map->items)) {
    std::string place = jsonMemberPath("weight_map", tensor);
    if (file.kind != JsonScalar::Kind::String || !isPlainFileName(file.text))
      context.error(place, "expected the name of a file beside the index, "
                           "found " +
                               file.describe());
    auto [it, isNew] = positions.try_emplace(file.text, index.files.size());
    if (isNew)
      index.files.push_back(resolvePath(paths::parent_path(path), file.text));
    if (index.files.size() > maxShards)
      context.error(place, "expected at most " + llvm::Twine(maxShards) +
                               " files, found more");
    if (context.failed)
      return failure();
    index.tensors.push_back({tensor, it->second});
  }
  return index;
}

LogicalResult moe::reportMissingTensor(StringRef index, StringRef tensor,
                                       StringRef file, InputErrorSink sink) {
  reportError(sink, index, jsonMemberPath("weight_map", tensor),
              "expected a tensor of " + quoteForMessage(paths::filename(file)) +
                  ", which has none of that name");
  return failure();
}

LogicalResult moe::checkNotPickled(StringRef path, InputErrorSink sink) {
  auto fail = [&](StringRef file) {
    reportError(sink, file, "file",
                "expected safetensors, found PyTorch's own format; load the "
                "model in Python (transformers 4.35 or later) and save it with "
                "save_pretrained(FOLDER), or its tensors with "
                "safetensors.torch.save_file");
    return failure();
  };
  if (fs::exists(path)) {
    // A zip file; as the length of a safetensors header it would be absurd.
    if (!fs::is_regular_file(path))
      return success();
    auto magic = llvm::MemoryBuffer::getFileSlice(path, 4, 0);
    bool isZip = magic && (*magic)->getBuffer() == "PK\3\4";
    return isZip ? fail(path) : success();
  }
  for (StringRef name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    std::string beside = resolvePath(paths::parent_path(path), name);
    if (fs::exists(beside))
      return fail(beside);
  }
  return success();
}
