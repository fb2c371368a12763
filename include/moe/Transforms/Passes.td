//===- Passes.td - moe to moe passes -----------------------*- tablegen -*-===//

#ifndef MOE_TRANSFORMS_PASSES_TD
#define MOE_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"moe-fold-constants", "::mlir::ModuleOp"> {
  let summary = "fold constants of the model into its weights";
  let description = [{
    - attention's scale goes into the query rows of the fused weight and bias, or
      into the norm of the queries;
    - a LayerNorm's scale and shift go into the weights and biases of all the
      matrix products that read it (through slices and means too, and into
      every expert's first layer);
    - the factors of a `moe.layer_scale` go into the last weight and bias of its
      branch (of every expert's);
    - a batch normalisation goes into the weight and bias of the convolution before
      it;
    - class token and the like, position embedding and the patch embedding's bias
      become one table of offsets, a row per token.

    New parameters are derived ones: their recipe says how to compute them.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

def SliceTokens : Pass<"moe-slice-tokens", "::mlir::ModuleOp"> {
  let summary = "compute only the tokens that the answer depends on";
  let description = [{
    A backward slice over tokens: moves `moe.slice_tokens` towards the image,
    through residual sums, LayerNorms, MLPs, experts and attention's queries.
    With the class token pooled, the last block's attention has a single query
    and its MLP or expert a single token. The mean over patches restricts them
    to the patch tokens. Slices of different tokens move as the smallest slice
    that holds them all: with two heads, those of the two first tokens.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

def MergeExperts : Pass<"moe-merge-experts", "::mlir::ModuleOp"> {
  let summary = "one body for experts that differ in their weights only";
  let description = [{
    Merges the regions of a `moe.experts` into one that takes the expert's index,
    if they are alike but for the parameters that they read. Code size then does
    not depend on the number of experts. Regions that differ stay as they are
    and become a switch.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

def SetPrecision : Pass<"moe-set-precision", "::mlir::ModuleOp"> {
  let summary = "lower the precision of matrix products with a weight";
  let description = [{
    Takes layers apart into `moe.linear` and what is between, and gives each
    product its precision:

    - bf16: weights and inputs are rounded (`moe.round`, `arith.truncf`);
    - int8: weights are quantised by output channel (`moe.quantize_rows`), inputs
      by token (`moe.quantize`), the sums go back to f32 by `moe.dequantize`.

    Everything else stays f32: LayerNorm, softmax, activations, the residual
    stream, routers. With int8, the head's input stays f32 too, and only its
    weight is quantised.

    Inputs have a scale for each token, or with `scales` constant ones, which come
    from calibration: `observe` makes a model whose logits are the scales that an
    image leads to. Inside of experts they are always for each token: few images
    for calibration come by a given expert.

    `layers` overrides the precision of those whose weights' names begin with a
    name, in whole parts: `blocks.11=bf16,blocks.3.attn=f32`. The longest name
    counts.
  }];
  let options = [
    Option<"precision", "precision", "std::string", "\"f32\"",
      "f32, bf16 or int8">,
    ListOption<"layers", "layers", "std::string",
      "NAME=PRECISION for the layers called NAME">,
    Option<"offset", "offset", "int64_t", "0",
      "zero point of quantised inputs: 128 where the CPU takes unsigned ones">,
    ListOption<"scales", "scales", "double",
      "constant scales of the inputs of the int8 products outside of experts, in "
      "their order">,
    Option<"observe", "observe", "bool", "false",
      "return the scales of those inputs in place of the logits">];
  let dependentDialects = ["::mlir::moe::MoEDialect",
    "::mlir::arith::ArithDialect"];
}

def PlaceWeights : Pass<"moe-place-weights", "::mlir::ModuleOp"> {
  let summary = "give each parameter that the code reads a place";
  let description = [{
    Assigns sections and offsets: what one expert alone reads goes to a section
    of its own per block and expert, all else to the section `shared`, in the
    order in which the code reads it. Values are aligned to 64 bytes. Parameters
    that nothing reads are removed unless a recipe needs them.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect"];
}

#endif // MOE_TRANSFORMS_PASSES_TD
