//===- WeightFiles.cpp - The weights of a model ---------------------------===//

#include "moe/Import/WeightFiles.h"

#include "ShardedWeights.h"

using namespace mlir;
using namespace mlir::moe;

WeightFiles::WeightFiles(WeightStore store) : filePath(store.path().str()) {
  stores.push_back(std::move(store));
  for (const TensorInfo &info : stores[0].tensors())
    places[info.name] = {0, &info};
  chooseNames();
}

void WeightFiles::chooseNames() {
  names =
      TensorNames::of([this](StringRef name) { return places.contains(name); });
}

FailureOr<WeightFiles> WeightFiles::open(StringRef path, InputErrorSink sink) {
  std::optional<std::string> index = findShardIndex(path);
  if (!index) {
    if (failed(checkNotPickled(path, sink)))
      return failure();
    FailureOr<WeightStore> store = WeightStore::open(path, sink);
    if (failed(store))
      return failure();
    return WeightFiles(std::move(*store));
  }
  WeightFiles files;
  files.filePath = *index;
  FailureOr<ShardIndex> shards = readShardIndex(*index, sink);
  if (failed(shards))
    return failure();
  for (const std::string &file : shards->files) {
    FailureOr<WeightStore> store = WeightStore::open(file, sink);
    if (failed(store))
      return failure();
    files.stores.push_back(std::move(*store));
  }
  for (const auto &[name, file] : shards->tensors) {
    const TensorInfo *tensor = files.stores[file].find(name);
    if (!tensor)
      return reportMissingTensor(*index, name, shards->files[file], sink);
    files.places[name] = {file, tensor};
  }
  files.chooseNames();
  return files;
}

std::vector<std::string> WeightFiles::files() const {
  std::vector<std::string> result{filePath};
  for (const WeightStore &store : stores)
    if (store.path() != filePath)
      result.push_back(store.path().str());
  return result;
}

SmallVector<TensorPart, 1> WeightFiles::find(StringRef name) const {
  SmallVector<TensorPart, 1> parts;
  for (std::string &part : names.inFiles(name)) {
    auto it = places.find(part);
    if (it == places.end())
      parts.push_back({std::move(part), filePath, nullptr});
    else
      parts.push_back(
          {std::move(part), stores[it->second.file].path(), it->second.tensor});
  }
  return parts;
}

std::vector<float> WeightFiles::read(StringRef name) const {
  SmallVector<TensorPart, 1> parts = find(name);
  int64_t size = 0;
  for (const TensorPart &part : parts)
    size += part.tensor->numElements();
  std::vector<float> values(size);
  MutableArrayRef<float> rest = values;
  for (const TensorPart &part : parts) {
    int64_t count = part.tensor->numElements();
    WeightStore::readAsF32(*part.tensor, 0, rest.take_front(count));
    rest = rest.drop_front(count);
  }
  return values;
}

std::vector<StringRef> WeightFiles::tensorNames() const {
  std::vector<StringRef> result;
  for (const auto &place : places)
    if (!names.isForTrainingOnly(place.first()))
      result.push_back(place.first());
  llvm::sort(result);
  return result;
}
