//===- TensorNames.cpp - What files call the tensors of a model -----------===//

#include "moe/Import/TensorNames.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using namespace mlir::moe;

namespace {
/// A module of a model and the modules in a file that it is made of.
struct Renaming {
  StringRef name;
  SmallVector<StringRef, 3> inFiles;
};
} // namespace

/// Tensors and modules outside of the blocks.
static const Renaming outerNames[] = {
    {"cls_token", {"embeddings.cls_token"}},
    {"dist_token", {"embeddings.distillation_token"}},
    {"pos_embed", {"embeddings.position_embeddings"}},
    {"patch_embed.proj", {"embeddings.patch_embeddings.projection"}},
    {"norm", {"layernorm"}}};

/// Modules of a block, as transformers 4 names them.
static const Renaming blockNames4[] = {
    {"norm1", {"layernorm_before"}},
    {"norm2", {"layernorm_after"}},
    {"attn.qkv",
     {"attention.attention.query", "attention.attention.key",
      "attention.attention.value"}},
    {"attn.proj", {"attention.output.dense"}},
    {"mlp.fc1", {"intermediate.dense"}},
    {"mlp.fc2", {"output.dense"}}};

/// And as version 5 does.
static const Renaming blockNames5[] = {
    {"norm1", {"layernorm_before"}},
    {"norm2", {"layernorm_after"}},
    {"attn.qkv", {"attention.q_proj", "attention.k_proj", "attention.v_proj"}},
    {"attn.proj", {"attention.o_proj"}},
    {"mlp.fc1", {"mlp.fc1"}},
    {"mlp.fc2", {"mlp.fc2"}}};

TensorNames TensorNames::of(llvm::function_ref<bool(StringRef)> has) {
  TensorNames names;
  for (StringRef prefix : {"", "vit.", "deit."}) {
    auto hasTensor = [&](const llvm::Twine &name) {
      return has((prefix + name).str());
    };
    if (!hasTensor("embeddings.patch_embeddings.projection.weight"))
      continue;
    names.scheme = hasTensor("layers.0.layernorm_before.weight")
                       ? Scheme::Transformers5
                       : Scheme::Transformers4;
    names.prefix = prefix.str();
    names.hasTwoHeads = has("cls_classifier.weight");
    break;
  }
  return names;
}

SmallVector<std::string, 1> TensorNames::inFiles(StringRef name) const {
  if (scheme == Scheme::Timm)
    return {name.str()};

  // `parameter` is "weight", "bias" or nothing.
  auto [module, parameter] = name.rsplit('.');
  std::string suffix;
  if (parameter == "weight" || parameter == "bias")
    suffix = ("." + parameter).str();
  else
    module = name;
  if (module == "head")
    return {(hasTwoHeads ? "cls_classifier" : "classifier") + suffix};
  if (module == "head_dist")
    return {"distillation_classifier" + suffix};

  std::string place = prefix;
  ArrayRef<Renaming> renamings = outerNames;
  if (module.consume_front("blocks.")) {
    auto [block, inner] = module.split('.');
    bool isOld = scheme == Scheme::Transformers4;
    place += (isOld ? "encoder.layer." : "layers.") + block.str() + ".";
    renamings = isOld ? ArrayRef(blockNames4) : ArrayRef(blockNames5);
    module = inner;
  }
  SmallVector<std::string, 1> result;
  for (const Renaming &renaming : renamings)
    if (renaming.name == module)
      for (StringRef part : renaming.inFiles)
        result.push_back(place + part.str() + suffix);
  if (result.empty()) // Experts and routers, which have no other name.
    result.push_back(name.str());
  return result;
}

bool TensorNames::isForTrainingOnly(StringRef name) const {
  return scheme != Scheme::Timm && name == prefix + "embeddings.mask_token";
}
