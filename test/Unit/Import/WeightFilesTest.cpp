//===- WeightFilesTest.cpp - Other names and several files ----------------===//

#include "TestFolder.h"

#include "moe/Import/ModelWeights.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::moe;
using namespace mlir::moe::test;

namespace {

using Names = SmallVector<std::string, 1>;

/// A safetensors file of f32 tensors, each with `shape` and filled with its
/// position, from `first` on.
struct File {
  std::string header = "{", data;

  void add(StringRef name, ArrayRef<int64_t> shape, float value) {
    int64_t size = 1;
    std::string dims;
    for (int64_t dim : shape) {
      size *= dim;
      dims += (dims.empty() ? "" : ", ") + std::to_string(dim);
    }
    size_t begin = data.size();
    for (int64_t i = 0; i != size; ++i)
      data.append(reinterpret_cast<const char *>(&value), 4);
    header += (header.size() > 1 ? ", \"" : "\"") + name.str() +
              R"(": {"dtype": "F32", "shape": [)" + dims +
              "], \"data_offsets\": [" + std::to_string(begin) + ", " +
              std::to_string(data.size()) + "]}";
  }
  std::string str() const { return safetensorsFile(header + "}", data); }
};

ModelSpec smallSpec() {
  Errors errors;
  FailureOr<ModelSpec> spec =
      parseModelSpecText(specText(), "tiny.json", errors);
  EXPECT_TRUE(succeeded(spec)) << errors.str();
  return *spec;
}

/// The model's tensors as transformers 4 names them.
struct HuggingFaceTensors {
  explicit HuggingFaceTensors(std::string prefix) : prefix(prefix) {
    int64_t d = 8;
    add("embeddings.cls_token", {1, 1, d});
    add("embeddings.position_embeddings", {1, 5, d});
    add("embeddings.patch_embeddings.projection.weight", {d, 3, 4, 4});
    add("embeddings.patch_embeddings.projection.bias", {d});
    for (int i = 0; i != 2; ++i) {
      std::string block = "encoder.layer." + std::to_string(i) + ".";
      linear(block + "layernorm_before", {d});
      linear(block + "layernorm_after", {d});
      for (const char *part : {"query", "key", "value"})
        linear(block + "attention.attention." + part, {d, d});
      linear(block + "attention.output.dense", {d, d});
      linear(block + "intermediate.dense", {16, d});
      linear(block + "output.dense", {d, 16});
    }
    linear("layernorm", {d});
    std::string base = prefix;
    this->prefix.clear();
    linear("classifier", {3, d});
    this->prefix = base;
  }

  void add(const std::string &name, SmallVector<int64_t> shape) {
    tensors.push_back({prefix + name, shape});
  }
  void linear(const std::string &name, SmallVector<int64_t> shape) {
    add(name + ".weight", shape);
    add(name + ".bias", {shape[0]});
  }
  SmallVector<int64_t> *shapeOf(StringRef name) {
    for (auto &[key, shape] : tensors)
      if (key == name)
        return &shape;
    return nullptr;
  }
  std::string str() const {
    File file;
    float value = 0;
    for (const auto &[name, shape] : tensors)
      file.add(name, shape, ++value);
    return file.str();
  }

  std::string prefix;
  std::vector<std::pair<std::string, SmallVector<int64_t>>> tensors;
};

TEST(TensorNames, Timm) {
  TensorNames names;
  EXPECT_EQ(names.inFiles("blocks.3.attn.qkv.weight"),
            Names{"blocks.3.attn.qkv.weight"});
  EXPECT_FALSE(names.isForTrainingOnly("embeddings.mask_token"));
  names = TensorNames::of([](StringRef name) { return name == "cls_token"; });
  EXPECT_EQ(names.inFiles("cls_token"), Names{"cls_token"});
}

TEST(TensorNames, Transformers4) {
  TensorNames names = TensorNames::of([](StringRef name) {
    return name == "vit.embeddings.patch_embeddings.projection.weight";
  });
  const std::pair<const char *, Names> cases[] = {
      {"cls_token", {"vit.embeddings.cls_token"}},
      {"dist_token", {"vit.embeddings.distillation_token"}},
      {"pos_embed", {"vit.embeddings.position_embeddings"}},
      {"patch_embed.proj.bias",
       {"vit.embeddings.patch_embeddings.projection.bias"}},
      {"blocks.11.norm1.weight",
       {"vit.encoder.layer.11.layernorm_before.weight"}},
      {"blocks.11.norm2.bias", {"vit.encoder.layer.11.layernorm_after.bias"}},
      {"blocks.0.attn.qkv.bias",
       {"vit.encoder.layer.0.attention.attention.query.bias",
        "vit.encoder.layer.0.attention.attention.key.bias",
        "vit.encoder.layer.0.attention.attention.value.bias"}},
      {"blocks.0.attn.proj.weight",
       {"vit.encoder.layer.0.attention.output.dense.weight"}},
      {"blocks.0.mlp.fc1.weight",
       {"vit.encoder.layer.0.intermediate.dense.weight"}},
      {"blocks.0.mlp.fc2.weight", {"vit.encoder.layer.0.output.dense.weight"}},
      {"norm.weight", {"vit.layernorm.weight"}},
      {"head.bias", {"classifier.bias"}},
      {"head_dist.bias", {"distillation_classifier.bias"}},
      {"blocks.0.moe.router.weight", {"blocks.0.moe.router.weight"}},
      {"router.bias", {"router.bias"}}};
  for (const auto &[name, expected] : cases)
    EXPECT_EQ(names.inFiles(name), expected) << name;
  EXPECT_TRUE(names.isForTrainingOnly("vit.embeddings.mask_token"));
  EXPECT_FALSE(names.isForTrainingOnly("vit.pooler.dense.weight"));
}

TEST(TensorNames, Transformers5) {
  llvm::StringSet<> file;
  for (const char *name :
       {"deit.embeddings.patch_embeddings.projection.weight",
        "deit.layers.0.layernorm_before.weight", "cls_classifier.weight"})
    file.insert(name);
  TensorNames names =
      TensorNames::of([&](StringRef name) { return file.contains(name); });
  EXPECT_EQ(names.inFiles("blocks.2.attn.qkv.weight"),
            (Names{"deit.layers.2.attention.q_proj.weight",
                   "deit.layers.2.attention.k_proj.weight",
                   "deit.layers.2.attention.v_proj.weight"}));
  EXPECT_EQ(names.inFiles("blocks.2.attn.proj.bias"),
            Names{"deit.layers.2.attention.o_proj.bias"});
  EXPECT_EQ(names.inFiles("blocks.2.mlp.fc2.bias"),
            Names{"deit.layers.2.mlp.fc2.bias"});
  EXPECT_EQ(names.inFiles("head.weight"), Names{"cls_classifier.weight"});
}

class WeightFilesTest : public TestFolder {
protected:
  WeightFiles open(StringRef path) {
    Errors errors;
    FailureOr<WeightFiles> files = WeightFiles::open(path, errors);
    EXPECT_TRUE(succeeded(files)) << errors.str();
    return std::move(*files);
  }

  void expectError(StringRef path, StringRef file, StringRef where,
                   StringRef part) {
    Errors errors;
    EXPECT_TRUE(failed(WeightFiles::open(path, errors)));
    ASSERT_EQ(errors.list.size(), 1u) << errors.str();
    EXPECT_EQ(errors.list[0].file, file.str());
    EXPECT_EQ(errors.list[0].where, where.str()) << errors.str();
    EXPECT_TRUE(StringRef(errors.list[0].message).contains(part))
        << errors.str();
  }

  std::string writeIndex(StringRef map) {
    return write(
        "model.safetensors.index.json",
        ("{\"metadata\": {\"total_size\": 1}, \"weight_map\": " + map + "}")
            .str());
  }
};

TEST_F(WeightFilesTest, PartsAreOneTensor) {
  for (const char *prefix : {"", "vit.", "deit."}) {
    HuggingFaceTensors tensors(prefix);
    WeightFiles files = open(write("model.safetensors", tensors.str()));
    Errors errors;
    EXPECT_TRUE(succeeded(checkWeights(smallSpec(), files, errors)));
    EXPECT_TRUE(errors.list.empty()) << errors.str();
    // Query, key and value of the first block, each filled with its number.
    std::vector<float> bias = files.read("blocks.0.attn.qkv.bias");
    ASSERT_EQ(bias.size(), 24u);
    EXPECT_EQ(bias[0] + 2, bias[8]);
    EXPECT_EQ(bias[7] + 2, bias[15]);
    EXPECT_EQ(bias[8] + 2, bias[23]);
    EXPECT_EQ(files.read("blocks.1.attn.qkv.weight").size(), 192u);
    WeightFiles moved = std::move(files);
    EXPECT_EQ(moved.read("blocks.0.attn.qkv.bias"), bias);
  }
}

/// Errors have the names of the file.
TEST_F(WeightFilesTest, NamesInErrors) {
  ModelSpec spec = smallSpec();
  HuggingFaceTensors tensors("vit.");
  std::string key = "vit.encoder.layer.1.attention.attention.key.weight";
  *tensors.shapeOf(key) = {16, 8};
  tensors.shapeOf("classifier.bias")->push_back(1);
  llvm::erase_if(tensors.tensors, [](const auto &tensor) {
    return tensor.first == "vit.layernorm.bias";
  });
  std::string path = write("model.safetensors", tensors.str());
  Errors errors;
  EXPECT_TRUE(failed(checkWeights(spec, open(path), errors)));
  ASSERT_EQ(errors.list.size(), 3u) << errors.str();
  EXPECT_EQ(errors.list[0].where, key);
  EXPECT_EQ(errors.list[0].message, "expected shape [8, 8], found [16, 8]");
  EXPECT_EQ(errors.list[1].where, "vit.layernorm.bias");
  EXPECT_EQ(errors.list[2].where, "classifier.bias");
}

TEST_F(WeightFilesTest, Unused) {
  HuggingFaceTensors tensors("vit.");
  tensors.add("embeddings.mask_token", {1, 1, 8});
  tensors.linear("pooler.dense", {8, 8});
  Errors errors;
  EXPECT_TRUE(succeeded(checkWeights(
      smallSpec(), open(write("model.safetensors", tensors.str())), errors)));
  ASSERT_EQ(errors.list.size(), 1u) << errors.str();
  EXPECT_EQ(errors.list[0].message,
            "the model does not use 2 tensors: vit.pooler.dense.bias, "
            "vit.pooler.dense.weight");
}

TEST_F(WeightFilesTest, Shards) {
  File a, b;
  a.add("x", {2}, 1);
  a.add("not in the index", {1}, 9);
  b.add("y", {3}, 2);
  b.add("x", {1}, 8);
  write("a.safetensors", a.str());
  write("b.safetensors", b.str());
  std::string index =
      writeIndex(R"({"y": "b.safetensors", "x": "a.safetensors"})");
  // By its own name, or in place of the file that there is not.
  for (const std::string &path : {index, pathOf("model.safetensors")}) {
    WeightFiles files = open(path);
    EXPECT_EQ(files.path(), index);
    EXPECT_EQ(files.files(),
              (std::vector<std::string>{index, pathOf("b.safetensors"),
                                        pathOf("a.safetensors")}));
    EXPECT_EQ(files.read("x"), (std::vector<float>{1, 1}));
    EXPECT_EQ(files.read("y"), (std::vector<float>{2, 2, 2}));
    EXPECT_EQ(files.find("y")[0].file, pathOf("b.safetensors"));
    EXPECT_EQ(files.find("z")[0].file, index);
    EXPECT_EQ(files.find("z")[0].tensor, nullptr);
    EXPECT_EQ(files.tensorNames(), (std::vector<StringRef>{"x", "y"}));
  }
  // A whole file comes before the index.
  write("model.safetensors", b.str());
  WeightFiles whole = open(pathOf("model.safetensors"));
  EXPECT_EQ(whole.read("x"), (std::vector<float>{8}));
  EXPECT_EQ(whole.files(),
            std::vector<std::string>{pathOf("model.safetensors")});
}

TEST_F(WeightFilesTest, BadIndex) {
  File a;
  a.add("x", {2}, 1);
  write("a.safetensors", a.str());
  llvm::sys::fs::create_directory(pathOf("sub"));
  write("sub/b.safetensors", a.str());
  auto expect = [&](StringRef map, StringRef where, StringRef part) {
    std::string index = writeIndex(map);
    expectError(index, index, where, part);
  };
  for (const char *file : {"\"../a.safetensors\"", "\"/etc/passwd\"",
                           "\"sub/b.safetensors\"", "\"..\"", "\".\"", "\"\"",
                           "\"a\\u0000b\"", "\"sub\\\\b\"", "5", "null"})
    expect(("{\"x\": " + StringRef(file) + "}").str(), "weight_map.x",
           "the name of a file beside the index");
  expect(R"({"z": "a.safetensors"})", "weight_map.z",
         "a tensor of \"a.safetensors\", which has none of that name");
  expect("[]", "weight_map", "expected an object");
  expect(R"({"x": "a.safetensors", "x": "a.safetensors"})", "weight_map.x",
         "twice");
  std::string index = write("model.safetensors.index.json", "{}");
  expectError(index, index, "weight_map", "missing");
  write("model.safetensors.index.json", "[]");
  expectError(index, index, "top level", "found a list");
  write("model.safetensors.index.json", std::string(100000, '['));
  expectError(index, index, "top level", "levels");
  std::string many = "{";
  for (int i = 0; i != 1001; ++i)
    many += (i ? ", \"t" : "\"t") + std::to_string(i) + "\": \"f" +
            std::to_string(i) + "\"";
  expect(many + "}", "weight_map.t1000", "at most 1000 files");
  // A file that is not there, or is none of weights.
  index = writeIndex(R"({"x": "c.safetensors"})");
  expectError(index, pathOf("c.safetensors"), "file", "cannot open");
  write("c.safetensors", "nothing");
  expectError(index, pathOf("c.safetensors"), "header", "safetensors");
}

TEST_F(WeightFilesTest, PyTorch) {
  std::string path = pathOf("model.safetensors");
  expectError(path, path, "file", "cannot open");
  std::string pickled = write("pytorch_model.bin", "PK\3\4 and so on");
  expectError(path, pickled, "file", "save_pretrained");
  expectError(pickled, pickled, "file", "save_pretrained");
  // The name alone says nothing.
  File a;
  a.add("x", {2}, 1);
  EXPECT_EQ(open(write("pytorch_model.bin", a.str())).read("x").size(), 2u);
}

} // namespace
