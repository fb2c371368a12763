//===- SafetensorsFuzzer.cpp - Any bytes as weights -----------------------===//
//
// The input is a safetensors file or, if it begins with `{`, the index of
// several, of which `a.safetensors` and `b.safetensors` exist. The weights of a
// small model are looked for in it, and all tensors are read.
//
//===----------------------------------------------------------------------===//

#include "ImportFuzzing.h"

#include "moe/Import/ModelWeights.h"
#include "moe/Import/WeightFiles.h"

#include <array>
#include <cmath>

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::fuzz;

// seeds.py has the same.
static const char *const specText = R"({
  "name": "small", "image_size": 4, "patch_size": 2, "num_channels": 1,
  "hidden_size": 2, "num_hidden_layers": 2, "num_attention_heads": 1,
  "intermediate_size": 3, "num_classes": 2,
  "moe": {"layers": {"last": 1}, "num_experts": 2}})";

static const ModelSpec &smallModel() {
  static const ModelSpec spec = [] {
    Errors errors;
    FailureOr<ModelSpec> parsed =
        parseModelSpecText(specText, "small.json", errors);
    require(succeeded(parsed));
    return *parsed;
  }();
  return spec;
}

/// The two files of weights that an index can name: every other tensor of the
/// small model is in each.
static std::array<std::string, 2> makeShards() {
  std::array<std::string, 2> shards;
  for (int part : {0, 1}) {
    std::string header = "{";
    int64_t end = 0;
    for (const auto &[i, tensor] :
         llvm::enumerate(expectedTensors(smallModel()))) {
      if (int(i % 2) != part)
        continue;
      int64_t begin = end;
      end += tensor.numElements() * 4;
      std::string shape;
      for (int64_t dim : tensor.shape)
        shape += (shape.empty() ? "" : ",") + std::to_string(dim);
      header += (header.size() > 1 ? ",\"" : "\"") + tensor.name +
                R"(":{"dtype":"F32","shape":[)" + shape +
                R"(],"data_offsets":[)" + std::to_string(begin) + "," +
                std::to_string(end) + "]}";
    }
    header += "}";
    std::string file(8, '\0');
    for (int i = 0; i != 8; ++i)
      file[i] = static_cast<char>(uint64_t(header.size()) >> (8 * i));
    shards[part] = file + header + std::string(end, '\0');
  }
  return shards;
}

/// Reads what the model needs, which must be there.
static void readModel(const WeightFiles &files) {
  for (const ExpectedTensor &tensor : expectedTensors(smallModel()))
    require(int64_t(files.read(tensor.name).size()) == tensor.numElements());
}

static void checkFiles(const WeightFiles &files) {
  Errors errors;
  bool isWhole = succeeded(checkWeights(smallModel(), files, errors));
  require(isWhole == (errors.numErrors == 0));
  if (isWhole)
    readModel(files);
  require(llvm::is_sorted(files.tensorNames()));
}

static void checkStore(const WeightStore &store) {
  for (const TensorInfo &tensor : store.tensors()) {
    require(store.find(tensor.name) == &tensor);
    int64_t count = tensor.numElements();
    bool hasNonFinite = WeightStore::hasNonFinite(tensor);
    if (tensor.dtype == TensorInfo::DType::Other)
      continue;
    std::vector<float> values(count);
    WeightStore::readAsF32(tensor, 0, values);
    require(hasNonFinite ==
            llvm::any_of(values, [](float v) { return !std::isfinite(v); }));
    if (count > 1)
      WeightStore::readAsF32(tensor, count - 1,
                             MutableArrayRef(values).take_front(1));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StringRef contents(reinterpret_cast<const char *>(data), size);
  Errors errors;
  if (contents.starts_with("{")) {
    static const std::array<std::string, 2> shards = makeShards();
    filesInMemory()["a.safetensors"] = shards[0];
    filesInMemory()["b.safetensors"] = shards[1];
    filesInMemory()["model.safetensors.index.json"] = contents;
    FailureOr<WeightFiles> files =
        WeightFiles::open("model.safetensors.index.json", errors);
    require(succeeded(files) == (errors.numErrors == 0));
    if (succeeded(files))
      checkFiles(*files);
    return 0;
  }
  // No NUL behind it, as where a file is mapped whose size is that of a page.
  FailureOr<WeightStore> store = WeightStore::fromBuffer(
      llvm::MemoryBuffer::getMemBuffer(contents, "w.safetensors",
                                       /*RequiresNullTerminator=*/false),
      "w.safetensors", errors);
  require(succeeded(store) == (errors.numErrors == 0));
  if (failed(store))
    return 0;
  checkStore(*store);
  checkFiles(std::move(*store));
  return 0;
}
