//===- MoEOps.td - Operations of the moe dialect -----------*- tablegen -*-===//

#ifndef MOE_DIALECT_MOEOPS_TD
#define MOE_DIALECT_MOEOPS_TD

include "moe/Dialect/MoEDialect.td"
include "moe/Dialect/MoEOpInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

class MoE_Op<string mnemonic, list<Trait> traits = []>
    : Op<MoE_Dialect, mnemonic, traits>;

/// A layer: pure, on tensors, with work that can be counted.
class MoE_LayerOp<string mnemonic, list<Trait> traits = []>
    : MoE_Op<mnemonic, !listconcat([Pure,
        DeclareOpInterfaceMethods<LayerOpInterface>], traits)> {
  let hasVerifier = 1;
}

/// A weight expression: only inside a moe.param's recipe.
class MoE_WeightOp<string mnemonic, list<Trait> traits = []>
    : MoE_Op<mnemonic, !listconcat([Pure,
        DeclareOpInterfaceMethods<WeightExprOpInterface>,
        ParentOneOf<["ParamOp"]>], traits)> {
  let hasVerifier = 1;
}

/// Static, with at least one element and no more than a model could have.
class StaticTensorOf<list<Type> types, string text> : Type<
    And<[StaticShapeTensorOf<types>.predicate,
         CPred<"::mlir::moe::hasModelSize(::llvm::cast<::mlir::ShapedType>($_self))">]>,
    "statically shaped tensor of " # text, "::mlir::RankedTensorType">;
def F32StaticTensor : StaticTensorOf<[F32], "32-bit float values">;
/// All dimensions but the first count as one.
def F32MatrixLike : Type<And<[F32StaticTensor.predicate,
    Neg<HasAnyRankOfPred<[0, 1]>>]>, "tensor of f32 with a static shape and at "
    "least two dimensions", "::mlir::RankedTensorType">;
def F32Vector1D : Type<And<[F32StaticTensor.predicate, HasAnyRankOfPred<[1]>]>,
    "1-D tensor of f32 with a static shape", "::mlir::RankedTensorType">;
def F32Matrix : Type<And<[F32StaticTensor.predicate, HasAnyRankOfPred<[2]>]>,
    "2-D tensor of f32 with a static shape", "::mlir::RankedTensorType">;
def F32Image : Type<And<[F32StaticTensor.predicate, HasAnyRankOfPred<[3]>]>,
    "[channels, height, width] tensor of f32 with a static shape",
    "::mlir::RankedTensorType">;
def F32Kernel : Type<And<[F32StaticTensor.predicate, HasAnyRankOfPred<[4]>]>,
    "4-D tensor of f32 with a static shape", "::mlir::RankedTensorType">;
/// What weights are made of: f32, or a lower precision.
def AnyStaticTensor : StaticTensorOf<[F32, BF16, I8, I32], "f32, bf16, i8 or i32">;
class MatrixOf<Type tensor, string text> : Type<
    And<[tensor.predicate, HasAnyRankOfPred<[2]>]>,
    "2-D tensor of " # text # " with a static shape", "::mlir::RankedTensorType">;
def FactorMatrix : MatrixOf<StaticTensorOf<[F32, BF16, I8], "f32, bf16 or i8">,
    "f32, bf16 or i8">;
def SumMatrix : MatrixOf<StaticTensorOf<[F32, I32], "f32 or i32">, "f32 or i32">;
def I8Matrix : MatrixOf<StaticTensorOf<[I8], "i8">, "i8">;
def BF16Matrix : MatrixOf<StaticTensorOf<[BF16], "bf16">, "bf16">;
def IndexVector : StaticShapeTensorOf<[Index]>;
def IndexMatrix : Type<And<[StaticShapeTensorOf<[Index]>.predicate,
    HasAnyRankOfPred<[2]>]>, "2-D tensor of index with a static shape",
    "::mlir::RankedTensorType">;

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

def ParamOp : MoE_Op<"param", [Symbol, IsolatedFromAbove, SingleBlock,
    HasParent<"::mlir::ModuleOp">]> {
  let summary = "a named parameter of the model";
  let description = [{
    Declares a parameter: a name and a type. Without a recipe, its value is the
    tensor of the same name in the weight file (widened to f32 if it is stored
    as f16 or bf16). With a recipe, its value is what the region yields.

    `section` and `offset` say where the value lies in the binary: the weight
    section's name (`shared` if there is none) and the byte offset in it. The
    importer gives each expert a section of its own; `moe-place-weights` sets
    the offsets of those parameters that the code reads.

    Constraints: (1) the type is a static-shaped tensor of f32 or, with a recipe,
    of bf16, i8 or i32; (2) a recipe holds
    weight expressions and `moe.get` only and yields one value of the
    parameter's type; (3) the offset is from 0 to 2^60.

    Example:

    ```mlir
    moe.param @head.weight : tensor<10x64xf32>
    moe.param @head.weight.scaled : tensor<10x64xf32> = {
      %w = moe.get @head.weight : tensor<10x64xf32>
      %g = moe.get @norm.weight : tensor<64xf32>
      %0 = moe.scale_columns %w, %g : tensor<10x64xf32>
      moe.yield %0 : tensor<10x64xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyStaticTensor>:$type,
      OptionalAttr<StrAttr>:$section, OptionalAttr<I64Attr>:$offset);
  let regions = (region MaxSizedRegion<1>:$recipe);
  let assemblyFormat = [{
    $sym_name `:` $type (`in` $section^)? (`at` $offset^)? attr-dict
    (`=` $recipe^)?
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name,
      "::mlir::RankedTensorType":$type, CArg<"::mlir::StringAttr", "{}">:$section)>];
  let extraClassDeclaration = [{
    /// The section of those parameters that name none.
    static ::llvm::StringRef getSharedSection() { return "shared"; }
    ::llvm::StringRef getSectionName() {
      return getSection().value_or(getSharedSection());
    }
    bool isDerived() { return !getRecipe().empty(); }
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def ParamTableOp : MoE_Op<"param_table", [Symbol, HasParent<"::mlir::ModuleOp">,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one parameter per expert, to be indexed";
  let description = [{
    A list of parameters of the same type: the e-th belongs to expert e.
    `moe.get @table[%e]` reads one of them, and no byte of the others.

    Constraints: (1) at least one entry; (2) every entry names a `moe.param`;
    (3) all entries and the table have one type.

    Example:

    ```mlir
    moe.param_table @fc1 [@experts.0.fc1, @experts.1.fc1] : tensor<256x64xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefArrayAttr:$params,
      TypeAttrOf<AnyStaticTensor>:$type);
  let assemblyFormat = "$sym_name $params `:` $type attr-dict";
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
  let hasVerifier = 1;
}

def GetOp : MoE_Op<"get", [Pure,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a parameter";
  let description = [{
    The value of a `moe.param`, or of entry `expert` of a `moe.param_table`.

    Constraints: (1) the symbol is a `moe.param` if there is no index, a
    `moe.param_table` if there is one; (2) the result has its type.

    Example:

    ```mlir
    %w = moe.get @head.weight : tensor<10x64xf32>
    %1 = moe.get @fc1[%e] : tensor<256x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$param, Optional<Index>:$expert);
  let results = (outs AnyStaticTensor:$result);
  let assemblyFormat =
      "$param (`[` $expert^ `]`)? attr-dict `:` type($result)";
}

def WeightsOp : MoE_Op<"weights", [Pure,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the memory that holds a parameter";
  let description = [{
    What `moe.get` becomes in lowered code: the address of a parameter, or of
    entry `expert` of a table, as read-only memory. The parameters have offsets
    after `moe-place-weights`; those of a table lie at the same offset of their
    sections.

    Constraints: (1) as `moe.get`; (2) the result is a memref of the parameter's
    shape and element type with the default layout.

    Example:

    ```mlir
    %w = moe.weights @head.weight.packed : memref<4x64x16xf32>
    %1 = moe.weights @fc1.packed[%e] : memref<16x64x16xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$param, Optional<Index>:$expert);
  let results = (outs StaticShapeMemRefOf<[F32, BF16, I8, I32]>:$result);
  let assemblyFormat =
      "$param (`[` $expert^ `]`)? attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

def PatchEmbedOp : MoE_LayerOp<"patch_embed"> {
  let summary = "tokens from an image's patches";
  let description = [{
    Cuts the image [C, H, W] into patches of Ph x Pw, row by row, and projects
    each with the weight [D, C, Ph, Pw].

    With an `offset` of shape [D], token p is the projection of patch p plus the
    offset; without any, the projection alone. With one of shape [N, D], `prefix`
    tokens come before the patches: they are the first rows of the offset
    themselves, and token prefix + p is the projection of patch p plus row
    prefix + p. That is what `moe-fold-constants` makes of class token and
    position embedding.

    Constraints: (1) the patch divides the image; (2) channels and widths agree;
    (3) N = prefix + number of patches, and prefix = 0 without a 2-D offset.

    Example:

    ```mlir
    %x = moe.patch_embed %image, %w, %b
        : tensor<3x224x224xf32>, tensor<192x3x32x32xf32>, tensor<192xf32>
        -> tensor<49x192xf32>
    ```
  }];
  let arguments = (ins F32Image:$image, F32Kernel:$weight,
      Optional<F32StaticTensor>:$offset,
      DefaultValuedAttr<I64Attr, "0">:$prefix);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $image `,` $weight (`,` $offset^)? (`prefix` $prefix^)? attr-dict `:`
    type($image) `,` type($weight) (`,` type($offset)^)? `->` type($result)
  }];
}

def ClassTokenOp : MoE_Op<"class_token", [Pure]> {
  let summary = "puts a class token, or several tokens, before the others";
  let description = [{
    The rows of `token` [1, M, D], then `tokens`: a class or distillation token
    (DeiT, arXiv 2012.12877), or registers (arXiv 2309.16588).

    Constraints: (1) the token has shape [1, M, D]; (2) the result has M rows
    more than the tokens, and their width.

    Example:

    ```mlir
    %y = moe.class_token %x, %cls
        : tensor<49x192xf32>, tensor<1x1x192xf32> -> tensor<50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Image:$token);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens `,` $token attr-dict `:` type($tokens) `,` type($token) `->`
    type($result)
  }];
  let hasVerifier = 1;
}

def PositionOp : MoE_Op<"position", [Pure, AllTypesMatch<["tokens", "result"]>]> {
  let summary = "adds the position embedding";
  let description = [{
    Adds row t of the embedding [1, N, D] to token t.

    Constraints: (1) the embedding has shape [1, N, D] for tokens [N, D].

    Example:

    ```mlir
    %y = moe.position %x, %pos : tensor<50x192xf32>, tensor<1x50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Image:$embedding);
  let results = (outs F32Matrix:$result);
  let assemblyFormat =
      "$tokens `,` $embedding attr-dict `:` type($tokens) `,` type($embedding)";
  let hasVerifier = 1;
}

def SliceTokensOp : MoE_Op<"slice_tokens", [Pure]> {
  let summary = "some consecutive tokens";
  let description = [{
    Rows [first, first + M) of the tokens, where M is the result's rows. A slice
    of all rows folds away, a slice of a slice becomes one.

    Constraints: (1) the rows exist; (2) the widths agree.

    Example:

    ```mlir
    %cls = moe.slice_tokens %x from 0 : tensor<50x192xf32> -> tensor<1x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, I64Attr:$first);
  let results = (outs F32Matrix:$result);
  let assemblyFormat =
      "$tokens `from` $first attr-dict `:` type($tokens) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def PoolOp : MoE_Op<"pool", [Pure]> {
  let summary = "mean or largest of consecutive tokens";
  let description = [{
    The mean of rows [first, first + count), or with `max` the largest entry of
    each channel (a NaN, if there is one). Of a single row it becomes a
    `moe.slice_tokens`, which is how the class token is pooled.

    Constraints: (1) the rows exist and count > 0; (2) the result is [1, D].

    Example:

    ```mlir
    %p = moe.pool %x from 1 count 49 : tensor<50x192xf32> -> tensor<1x192xf32>
    %q = moe.pool %x from 1 count 49 max
        : tensor<50x192xf32> -> tensor<1x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, I64Attr:$first, I64Attr:$count,
      UnitAttr:$max);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens `from` $first `count` $count (`max` $max^)? attr-dict `:`
    type($tokens) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def AverageOp : MoE_Op<"average", [Pure, AllTypesMatch<["lhs", "rhs", "result"]>]> {
  let summary = "mean of two values";
  let description = [{
    (lhs + rhs) / 2, entry by entry: of the logits of two heads (DeiT, arXiv
    2012.12877), or of a mean and a largest token.

    Example:

    ```mlir
    %l = moe.average %a, %b : tensor<1x1000xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$lhs, F32Matrix:$rhs);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

def LayerNormOp : MoE_Op<"layer_norm", [Pure, AttrSizedOperandSegments,
    AllTypesMatch<["tokens", "result"]>]> {
  let summary = "layer normalisation of each token";
  let description = [{
    (x - mean) / sqrt(variance + eps) over the token's D values (the variance is
    the biased one), then times `scale` plus `shift` if there are any.
    `moe-fold-constants` moves scale and shift into the matrix products that
    read the result.

    Constraints: (1) scale and shift come together and have shape [D];
    (2) eps is finite and not negative.

    Example:

    ```mlir
    %h = moe.layer_norm %x affine(%g, %b) eps 1.0e-6
        : tensor<50x192xf32>, tensor<192xf32>, tensor<192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, Optional<F32Vector1D>:$scale,
      Optional<F32Vector1D>:$shift, F64Attr:$eps);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens (`affine` `(` $scale^ `,` $shift `)`)? `eps` $eps attr-dict `:`
    type($tokens) (`,` type($scale)^ `,` type($shift))?
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$tokens, "double":$eps)>,
    OpBuilder<(ins "::mlir::Value":$tokens, "::mlir::Value":$scale,
        "::mlir::Value":$shift, "double":$eps)>];
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
}

def LayerScaleOp : MoE_Op<"layer_scale", [Pure,
    AllTypesMatch<["tokens", "result"]>]> {
  let summary = "a factor for each channel of a branch";
  let description = [{
    Each token times `gamma`, channel by channel: what a branch adds to the
    residual stream (LayerScale, arXiv 2103.17239, section 2).
    `moe-fold-constants` moves gamma into the branch's last weight and bias.

    Constraints: (1) gamma has shape [D].

    Example:

    ```mlir
    %y = moe.layer_scale %a, %g : tensor<50x192xf32>, tensor<192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Vector1D:$gamma);
  let results = (outs F32Matrix:$result);
  let assemblyFormat =
      "$tokens `,` $gamma attr-dict `:` type($tokens) `,` type($gamma)";
  let hasVerifier = 1;
}

def AttentionOp : MoE_LayerOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "multi-head self-attention";
  let description = [{
    q, k, v = x·Wᵀ + b for the fused weight [3D, D] (q's rows first, then k's,
    then v's; within each, head by head), softmax(scale · q kᵀ) v per head, then
    the output projection [D, D] with its bias.

    Only the rows [first_query, first_query + M) of x ask, where M is the
    result's rows; all N rows answer. Where M is so small that it is at most half
    the work, no key or value is ever made: scores are (q Wk) xᵀ, and the values'
    weight is applied to the weighted sum of the tokens.

    With `norms`, each head's queries and keys are normalised before that as by
    `moe.layer_norm` (arXiv 2302.05442): `norms` are the scale and the shift of
    the queries, then those of the keys, for all heads the same. Keys and values
    are then made however few ask.

    Constraints: (1) weights and biases have the shapes above; (2) heads divide
    D; (3) the queries are rows of x; (4) there are four norms of [D / heads], or
    none; (5) with norms, and only with them, an `eps` that is finite and not
    negative.

    Example:

    ```mlir
    %a = moe.attention %h qkv(%w, %b) proj(%pw, %pb) heads 3 scale 0.125
        : tensor<50x192xf32>, tensor<576x192xf32>, tensor<576xf32>,
          tensor<192x192xf32>, tensor<192xf32> -> tensor<50x192xf32>
    %n = moe.attention %h qkv(%w, %b) proj(%pw, %pb)
        norms(%qs, %qb, %ks, %kb) eps 1.0e-6 heads 3 scale 0.125
        : tensor<50x192xf32>, tensor<576x192xf32>, tensor<576xf32>,
          tensor<192x192xf32>, tensor<192xf32>, tensor<64xf32>,
          tensor<64xf32>, tensor<64xf32>, tensor<64xf32> -> tensor<50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Matrix:$qkvWeight,
      Optional<F32Vector1D>:$qkvBias, F32Matrix:$projWeight,
      F32Vector1D:$projBias, Variadic<F32Vector1D>:$norms, I64Attr:$heads,
      F64Attr:$scale, OptionalAttr<F64Attr>:$eps,
      DefaultValuedAttr<I64Attr, "0">:$first_query);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens `qkv` `(` $qkvWeight (`,` $qkvBias^)? `)`
    `proj` `(` $projWeight `,` $projBias `)`
    (`norms` `(` $norms^ `)`)? (`eps` $eps^)?
    `heads` $heads `scale` $scale (`queries` `from` $first_query^)? attr-dict
    `:` custom<AttentionTypes>(type($tokens), type($qkvWeight),
                               type($qkvBias), type($projWeight),
                               type($projBias), type($norms)) `->`
    type($result)
  }];
  let extraClassDeclaration = [{
    /// Whether so few tokens ask that it is at most half the work to apply the
    /// weights of keys and values on their side: to the queries, and to the
    /// weighted sums of the tokens. Never if keys are normalised.
    bool asksFew();
  }];
}

def MlpOp : MoE_LayerOp<"mlp", [AllTypesMatch<["tokens", "result"]>]> {
  let summary = "two linear layers with an activation between them";
  let description = [{
    act(x·W1ᵀ + b1)·W2ᵀ + b2 for each token, W1 of shape [F, D], W2 of [D, F].
    `gelu` is the exact one (erf), `gelu_tanh` its approximation by tanh,
    `quick_gelu` is x·sigmoid(1.702x).

    Constraints: (1) weights and biases have the shapes above.

    Example:

    ```mlir
    %y = moe.mlp %h fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<50x192xf32>, tensor<768x192xf32>, tensor<768xf32>,
          tensor<192x768xf32>, tensor<192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Matrix:$fc1Weight,
      F32Vector1D:$fc1Bias, F32Matrix:$fc2Weight, F32Vector1D:$fc2Bias,
      MoE_ActivationAttr:$activation);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens `fc1` `(` $fc1Weight `,` $fc1Bias `)` `fc2` `(` $fc2Weight `,`
    $fc2Bias `)` $activation attr-dict `:` type($tokens) `,` type($fc1Weight)
    `,` type($fc1Bias) `,` type($fc2Weight) `,` type($fc2Bias)
  }];
}

def RouterOp : MoE_LayerOp<"router"> {
  let summary = "chooses the experts of an image";
  let description = [{
    Logits = x·Wᵀ (+ b) for x of shape [1, D] and W of [E, D]; the experts are
    the k largest logits, ties going to the lower index; their gates are the
    softmax over all E logits, rescaled to sum 1 over the chosen ones if
    `normalize` is set (Mobile V-MoEs, arXiv 2309.04354, section 3).

    Constraints: (1) weight and bias have the shapes above; (2) both results
    have k entries with 1 <= k <= E.

    Example:

    ```mlir
    %experts, %gates = moe.router %p weight(%w)
        : tensor<1x192xf32>, tensor<10x192xf32>
        -> tensor<1xindex>, tensor<1xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$input, F32Matrix:$weight,
      Optional<F32Vector1D>:$bias, UnitAttr:$normalize);
  let results = (outs IndexVector:$experts, F32Vector1D:$gates);
  let assemblyFormat = [{
    $input `weight` `(` $weight (`,` $bias^)? `)` (`normalize` $normalize^)?
    attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)? `->`
    type($experts) `,` type($gates)
  }];
}

def ExpertsOp : MoE_LayerOp<"experts", [AllTypesMatch<["tokens", "result"]>,
    RecursiveMemoryEffects, SingleBlock,
    DeclareOpInterfaceMethods<RoutedOpInterface>]> {
  let summary = "the chosen experts' outputs, weighted by their gates";
  let description = [{
    The sum over j of gates[j] times what region experts[j] yields for the
    tokens. There is a region per expert; its argument are the tokens. A region
    that is not chosen does not run.

    With `indexed`, there is one region for all experts: its second argument is
    the expert's index, with which it reads `moe.param_table`s. That is what
    `moe-merge-experts` makes of regions that are alike.

    Constraints: (1) experts and gates have the same number of entries, at most
    the number of experts; (2) every region takes the tokens (and with `indexed`
    an index) and yields a tensor of their type; (3) `indexed` holds the number
    of experts and there is exactly one region.

    Example:

    ```mlir
    %y = moe.experts %h routed(%experts, %gates)
        : tensor<50x192xf32>, tensor<1xindex>, tensor<1xf32> {
    ^bb0(%t: tensor<50x192xf32>):
      ...
      moe.yield %0 : tensor<50x192xf32>
    }, {
    ^bb0(%t: tensor<50x192xf32>):
      ...
      moe.yield %1 : tensor<50x192xf32>
    }
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, IndexVector:$experts,
      F32Vector1D:$gates, OptionalAttr<I64Attr>:$indexed);
  let results = (outs F32Matrix:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $tokens `routed` `(` $experts `,` $gates `)` (`indexed` $indexed^)?
    attr-dict `:` type($tokens) `,` type($experts) `,` type($gates) $bodies
  }];
  let extraClassDeclaration = [{
    /// Number of experts to choose from.
    int64_t getNumExperts() {
      return getIndexed() ? *getIndexed() : int64_t(getBodies().size());
    }
    /// k: number of experts that run.
    int64_t getNumChosen() { return getGates().getType().getDimSize(0); }
  }];
  let hasRegionVerifier = 1;
}

def TokenRouterOp : MoE_LayerOp<"token_router"> {
  let summary = "chooses the experts of each token, and each expert's tokens";
  let description = [{
    Logits = x·Wᵀ (+ b) for tokens x of shape [N, D] and W of [E, D]. Each token
    chooses the `top_k` experts of the largest logits, ties going to the lower
    index; its gates are the softmax over all E logits, rescaled to sum 1 over
    the chosen ones if `normalize` is set (V-MoE, arXiv 2106.05974).

    An expert takes at most C tokens: all first choices are served in the order
    of the tokens, then all second choices, and so on; who comes too late gets
    nothing from that expert. With `priority`, tokens are served in the order of
    their largest softmax probability instead, the largest first (batch
    priority; compared as the sum of exp(l_e - l_max) over the other experts,
    which does not saturate, ties in token order).

    Results: for each expert the tokens that it took and their gates ([E, C],
    of which only the first entries are set), how many they are, and the mean of
    their gates (0 if there are none; both [E]).

    Constraints: (1) weight and bias have the shapes above; (2) 1 <= top_k <= E;
    (3) the results have E rows and the same C, 1 <= C <= N.

    Example:

    ```mlir
    %who, %gates, %counts, %mean = moe.token_router %h weight(%w) top_k 2
        : tensor<50x192xf32>, tensor<8x192xf32>
        -> tensor<8x50xindex>, tensor<8x50xf32>, tensor<8xindex>, tensor<8xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Matrix:$weight,
      Optional<F32Vector1D>:$bias, I64Attr:$topK, UnitAttr:$normalize,
      UnitAttr:$priority);
  let results = (outs IndexMatrix:$taken, F32Matrix:$gates,
      IndexVector:$counts, F32Vector1D:$meanGates);
  let assemblyFormat = [{
    $tokens `weight` `(` $weight (`,` $bias^)? `)` `top_k` $topK
    (`normalize` $normalize^)? (`priority` $priority^)? attr-dict `:`
    type($tokens) `,` type($weight) (`,` type($bias)^)? `->` type($taken) `,`
    type($gates) `,` type($counts) `,` type($meanGates)
  }];
  let extraClassDeclaration = [{
    int64_t getNumExperts() { return getWeight().getType().getDimSize(0); }
    /// C: tokens that an expert takes at most.
    int64_t getCapacity() { return getGates().getType().getDimSize(1); }
  }];
}

def SliceTakenOp : MoE_Op<"slice_taken", [Pure]> {
  let summary = "the tokens that experts took, of some consecutive ones only";
  let description = [{
    Of the tokens taken[e] with their gates, those in [first, first + count), in
    the same order and numbered from `first`. That is what `moe-slice-tokens`
    makes where only some tokens' outputs are needed: the others still count for
    the capacity.

    Constraints: (1) taken and gates are [E, C], counts is [E]; (2) first is not
    negative and count is positive; (3) the results are [E, C'], [E, C'] and [E]
    with C' = min(C, count).

    Example:

    ```mlir
    %who1, %gates1, %counts1 = moe.slice_taken %who, %gates, %counts
        from 0 count 1
        : tensor<8x50xindex>, tensor<8x50xf32>, tensor<8xindex>
        -> tensor<8x1xindex>, tensor<8x1xf32>, tensor<8xindex>
    ```
  }];
  let arguments = (ins IndexMatrix:$taken, F32Matrix:$gates,
      IndexVector:$counts, I64Attr:$first, I64Attr:$count);
  let results = (outs IndexMatrix:$keptTaken, F32Matrix:$keptGates,
      IndexVector:$keptCounts);
  let assemblyFormat = [{
    $taken `,` $gates `,` $counts `from` $first `count` $count attr-dict `:`
    type($taken) `,` type($gates) `,` type($counts) `->` type($keptTaken) `,`
    type($keptGates) `,` type($keptCounts)
  }];
  let hasVerifier = 1;
}

def TokenExpertsOp : MoE_LayerOp<"token_experts", [
    AllTypesMatch<["tokens", "result"]>, RecursiveMemoryEffects, SingleBlock,
    DeclareOpInterfaceMethods<RoutedOpInterface>]> {
  let summary = "each expert's output for the tokens that it took";
  let description = [{
    Row t of the result is the sum, over the experts e that took token t, of its
    gate times the row that region e yields for it; zero if none took it. There
    is a region per expert. Its argument are its tokens as a group [C, D]: the
    first counts[e] rows are the tokens taken[e], the others are not to be
    relied on, and what is yielded for them is not used. So a region must work
    on each token by itself. A region whose count is 0 does not run.

    With `indexed`, there is one region for all experts, as in `moe.experts`.

    Constraints: (1) taken and gates are [E, C], counts is [E]; (2) every region
    takes a tensor<CxDxf32> (and with `indexed` an index) and yields one of that
    type; (3) there are E regions, or with `indexed`, which holds E, one.

    Example:

    ```mlir
    %y = moe.token_experts %h took(%who, %gates, %counts)
        : tensor<50x192xf32>, tensor<2x30xindex>, tensor<2x30xf32>,
          tensor<2xindex> {
    ^bb0(%t: tensor<30x192xf32>):
      ...
      moe.yield %0 : tensor<30x192xf32>
    }, {
    ^bb0(%t: tensor<30x192xf32>):
      ...
      moe.yield %1 : tensor<30x192xf32>
    }
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, IndexMatrix:$taken, F32Matrix:$gates,
      IndexVector:$counts, OptionalAttr<I64Attr>:$indexed);
  let results = (outs F32Matrix:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $tokens `took` `(` $taken `,` $gates `,` $counts `)` (`indexed` $indexed^)?
    attr-dict `:` type($tokens) `,` type($taken) `,` type($gates) `,`
    type($counts) $bodies
  }];
  let extraClassDeclaration = [{
    int64_t getNumExperts() { return getGates().getType().getDimSize(0); }
    /// C: tokens that an expert takes at most.
    int64_t getCapacity() { return getGates().getType().getDimSize(1); }
    /// [C, D]: an expert's tokens.
    ::mlir::RankedTensorType getGroupType() {
      return getTokens().getType().clone(
          {getCapacity(), getTokens().getType().getDimSize(1)});
    }
  }];
  let hasRegionVerifier = 1;
}

def HeadOp : MoE_LayerOp<"head"> {
  let summary = "the classifier";
  let description = [{
    Logits = x·Wᵀ + b for x of shape [M, D] and W of [classes, D].

    Constraints: (1) weight, bias and result have the shapes above.

    Example:

    ```mlir
    %l = moe.head %p weight(%w, %b)
        : tensor<1x192xf32>, tensor<1000x192xf32>, tensor<1000xf32>
        -> tensor<1x1000xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$input, F32Matrix:$weight, F32Vector1D:$bias);
  let results = (outs F32Matrix:$logits);
  let assemblyFormat = [{
    $input `weight` `(` $weight `,` $bias `)` attr-dict `:` type($input) `,`
    type($weight) `,` type($bias) `->` type($logits)
  }];
}

include "moe/Dialect/RoutingOps.td"

//===----------------------------------------------------------------------===//
// Lower precision
//===----------------------------------------------------------------------===//

def PatchesOp : MoE_Op<"patches", [Pure]> {
  let summary = "an image's patches as rows";
  let description = [{
    Row p of the result is patch p of the image [C, H, W], its pixels in the order
    [C, Ph, Pw]: the input of the patch embedding as a matrix product. Pixels are
    rounded to the result's element type.

    Constraints: (1) the patch divides the image; (2) the result is
    [patches, C·Ph·Pw].

    Example:

    ```mlir
    %p = moe.patches %image size 32, 32
        : tensor<3x224x224xf32> -> tensor<49x3072xbf16>
    ```
  }];
  let arguments = (ins F32Image:$image, I64Attr:$height, I64Attr:$width);
  let results = (outs MatrixOf<StaticTensorOf<[F32, BF16], "f32 or bf16">,
      "f32 or bf16">:$result);
  let assemblyFormat = [{
    $image `size` $height `,` $width attr-dict `:` type($image) `->`
    type($result)
  }];
  let hasVerifier = 1;
}

def PlaceTokensOp : MoE_Op<"place_tokens", [Pure,
    AllTypesMatch<["table", "result"]>]> {
  let summary = "tokens from projected patches and a table of offsets";
  let description = [{
    The first `prefix` rows are those of the table [N, D]; row prefix + p is row p
    of the patches plus row prefix + p of the table.

    Constraints: (1) N = prefix + number of patches; (2) the widths agree.

    Example:

    ```mlir
    %x = moe.place_tokens %p, %table prefix 1
        : tensor<49x192xf32>, tensor<50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$patches, F32Matrix:$table, I64Attr:$prefix);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $patches `,` $table `prefix` $prefix attr-dict `:` type($patches) `,`
    type($table)
  }];
  let hasVerifier = 1;
}

def LinearOp : MoE_LayerOp<"linear"> {
  let summary = "a matrix product with a weight, in any precision";
  let description = [{
    (x - offset)·Wᵀ (+ b) for x of shape [M, K] and W of [N, K], both of f32, bf16
    or i8, or x of f32 and W of i8. Products are summed in f32, those of two i8 in
    i32.

    `offset` is the zero point of quantised inputs, which are signed if it is 0
    and unsigned otherwise: 128 where the CPU multiplies unsigned by signed
    numbers.

    `out_group` and `in_group` say how many channels of the output and the input
    belong together, such as those of a head: each group is padded by itself in
    the layout of panels.

    Constraints: (1) input and weight have one element type, unless it is f32 and
    i8, and K columns; the result is [M, N], of i32 for inputs of i8 and of f32
    otherwise; (2) a bias is [N], and of inputs that are no i8 only; (3) an offset
    is 128 and of i8 only; (4) the groups divide N and K.

    Example:

    ```mlir
    %y = moe.linear %x weight(%w) bias(%b) groups(64, 192)
        : tensor<50x192xbf16>, tensor<192x192xbf16>, tensor<192xf32>
        -> tensor<50x192xf32>
    %a = moe.linear %q offset 128 weight(%v) groups(192, 192)
        : tensor<50x192xi8>, tensor<192x192xi8> -> tensor<50x192xi32>
    ```
  }];
  let arguments = (ins FactorMatrix:$input, FactorMatrix:$weight,
      Optional<F32Vector1D>:$bias, I64Attr:$out_group, I64Attr:$in_group,
      DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs SumMatrix:$result);
  let assemblyFormat = [{
    $input (`offset` $offset^)? `weight` `(` $weight `)`
    (`bias` `(` $bias^ `)`)? `groups` `(` $out_group `,` $in_group `)` attr-dict
    `:` type($input) `,` type($weight) (`,` type($bias)^)? `->` type($result)
  }];
}

def QuantizeOp : MoE_Op<"quantize", [Pure]> {
  let summary = "activations as 8-bit integers";
  let description = [{
    q = offset + round(x / s), ties to even, with q - offset in [-127, 127].

    Without `scale`, each row has its own scale s, which is the second result:
    the row's largest magnitude / 127, so that nothing is cut off and no data is
    needed beforehand. With `scale`, s is that constant, and what lies beyond its
    reach is cut off.

    A row with a NaN or an infinity has a scale that is none either, and so the
    product's row is. A constant scale cannot tell: a NaN becomes the largest
    number.

    Constraints: (1) the shapes agree; (2) scales of [M] if and only if there is
    no constant one; (3) a constant scale is positive and finite.

    Example:

    ```mlir
    %q, %s = moe.quantize %x offset 128
        : tensor<50x192xf32> -> tensor<50x192xi8>, tensor<50xf32>
    %p = moe.quantize %x scale 0.031 offset 0
        : tensor<50x192xf32> -> tensor<50x192xi8>
    ```
  }];
  let arguments = (ins F32Matrix:$input, OptionalAttr<F64Attr>:$scale,
      I64Attr:$offset);
  let results = (outs I8Matrix:$result, Optional<F32Vector1D>:$scales);
  let assemblyFormat = [{
    $input (`scale` $scale^)? `offset` $offset attr-dict `:` type($input) `->`
    type($result) (`,` type($scales)^)?
  }];
  let hasVerifier = 1;
}

def DequantizeOp : MoE_Op<"dequantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "a product with 8-bit integers as f32";
  let description = [{
    y[m][n] = sums[m][n] · rows[m] · columns[n] (+ bias[n]): `rows` are the
    activations' scales, `columns` the weight's. Without `rows` the activations
    were f32, or had one scale for all, which is in `columns`.

    Constraints: (1) rows is [M], columns and bias are [N] for sums of [M, N];
    (2) the group divides N, as in `moe.linear`.

    Example:

    ```mlir
    %y = moe.dequantize %a rows(%s) columns(%v) bias(%b) group 192
        : (tensor<50x192xi32>, tensor<50xf32>, tensor<192xf32>, tensor<192xf32>)
        -> tensor<50x192xf32>
    ```
  }];
  let arguments = (ins SumMatrix:$sums, Optional<F32Vector1D>:$rows,
      F32Vector1D:$columns, Optional<F32Vector1D>:$bias, I64Attr:$group);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $sums (`rows` `(` $rows^ `)`)? `columns` `(` $columns `)`
    (`bias` `(` $bias^ `)`)? `group` $group attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def CollectOp : MoE_Op<"collect", [Pure]> {
  let summary = "vectors one after the other";
  let description = [{
    The entries of all inputs in their order, as one row: how a model that is made
    for calibration hands out the scales of its activations in place of logits.

    Constraints: (1) the result is [1, N] for inputs of N entries together.

    Example:

    ```mlir
    %r = moe.collect %s, %t : tensor<49xf32>, tensor<50xf32> -> tensor<1x99xf32>
    ```
  }];
  let arguments = (ins Variadic<F32Vector1D>:$inputs);
  let results = (outs F32Matrix:$result);
  let assemblyFormat =
      "$inputs attr-dict `:` type($inputs) `->` type($result)";
  let hasVerifier = 1;
}

def ActivateOp : MoE_Op<"activate", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "an activation function of each value";
  let description = [{
    As between the layers of `moe.mlp`, of tokens or of a map.

    Example:

    ```mlir
    %h = moe.activate %y gelu : tensor<50x768xf32>
    ```
  }];
  let arguments = (ins F32MatrixLike:$input, MoE_ActivationAttr:$activation);
  let results = (outs F32MatrixLike:$result);
  let assemblyFormat = "$input $activation attr-dict `:` type($input)";
}

def AttendOp : MoE_LayerOp<"attend", [AllTypesMatch<["queries", "result"]>]> {
  let summary = "attention without its projections";
  let description = [{
    softmax(scale · q kᵀ) v for each head: what lies between the projections of
    `moe.attention`, whose `norms` it may have. M queries ask, N tokens answer.

    Constraints: (1) keys and values have one type and the queries' width;
    (2) heads divide it; (3) norms and `eps` are as in `moe.attention`.

    Example:

    ```mlir
    %a = moe.attend %q, %k, %v heads 3 scale 1.0
        : tensor<1x192xf32>, tensor<50x192xf32>, tensor<50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$queries, F32Matrix:$keys, F32Matrix:$values,
      Variadic<F32Vector1D>:$norms, I64Attr:$heads, F64Attr:$scale,
      OptionalAttr<F64Attr>:$eps);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $queries `,` $keys `,` $values (`norms` `(` $norms^ `)`)? (`eps` $eps^)?
    `heads` $heads `scale` $scale attr-dict `:` type($queries) `,` type($keys)
    `,` type($values) (`,` type($norms)^)?
  }];
}

def DotOp : MoE_Op<"dot", [Pure, AllTypesMatch<["sums", "result"]>,
    AllTypesMatch<["inputs", "weights"]>]> {
  let summary = "sums of a few products in each lane of a vector";
  let description = [{
    sums[i] + the sum over j of inputs[n·i + j] · weights[n·i + j], where n is 2
    for bf16 and 4 for i8. With `unsigned`, the inputs are. What CPUs have
    instructions for; `moe-lower-dots` knows which.

    Constraints: (1) inputs have n lanes for each of the sums, which are f32 for
    bf16 and i32 for i8.

    Example:

    ```mlir
    %1 = moe.dot %0, %a, %b : vector<16xf32>, vector<32xbf16>
    %3 = moe.dot %2, %c, %d unsigned : vector<16xi32>, vector<64xi8>
    ```
  }];
  let arguments = (ins FixedVectorOfRankAndType<[1], [F32, I32]>:$sums,
      FixedVectorOfRankAndType<[1], [BF16, I8]>:$inputs,
      FixedVectorOfRankAndType<[1], [BF16, I8]>:$weights, UnitAttr:$isUnsigned);
  let results = (outs FixedVectorOfRankAndType<[1], [F32, I32]>:$result);
  let assemblyFormat = [{
    $sums `,` $inputs `,` $weights (`unsigned` $isUnsigned^)? attr-dict `:`
    type($sums) `,` type($inputs)
  }];
  let hasVerifier = 1;
}

def PairDotOp : MoE_Op<"pair_dot", [Pure, AllTypesMatch<["sums", "result"]>]> {
  let summary = "products of two rows with pairs of columns";
  let description = [{
    What `moe.dot` is for one row, for two rows and twice as many inputs, in the
    form that a matrix instruction has: for each pair of columns, `sums` has four
    lanes, (row 0, column 0), (0, 1), (1, 0), (1, 1). The inputs are those of row 0,
    then those of row 1; the weights are those of one column after the other.
    Integers are signed.

    Constraints: (1) with c columns, an even number, and n of 4 for bf16 and 8 for
    i8: 2·c sums, 2·n inputs, n·c weights; (2) sums are f32 for bf16 and i32 for i8.

    Example:

    ```mlir
    %1 = moe.pair_dot %0, %a, %b
        : vector<4xf32>, vector<8xbf16>, vector<8xbf16>
    ```
  }];
  let arguments = (ins FixedVectorOfRankAndType<[1], [F32, I32]>:$sums,
      FixedVectorOfRankAndType<[1], [BF16, I8]>:$inputs,
      FixedVectorOfRankAndType<[1], [BF16, I8]>:$weights);
  let results = (outs FixedVectorOfRankAndType<[1], [F32, I32]>:$result);
  let assemblyFormat = [{
    $sums `,` $inputs `,` $weights attr-dict `:` type($sums) `,` type($inputs)
    `,` type($weights)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Where a run is
//===----------------------------------------------------------------------===//

def MarkOp : MoE_Op<"mark"> {
  let summary = "a part of the model begins";
  let description = [{
    Whoever measures a run is told that part number `part` of the module's
    `moe.parts` begins, of expert `expert` if it is an expert's; -1 is the end of
    the run.

    Constraints: (1) `part` is -1 or the number of a part.

    Example:

    ```mlir
    moe.mark 3
    moe.mark 12 expert %e
    ```
  }];
  let arguments = (ins I64Attr:$part, Optional<Index>:$expert);
  let assemblyFormat = "$part (`expert` $expert^)? attr-dict";
  let hasVerifier = 1;
}

def PauseOp : MoE_Op<"pause"> {
  let summary = "a run may stop here, and go on later";
  let description = [{
    In front of the first expert: all that comes after finds what it needs in the
    workspace, so that runs for many images can stop here and go on sorted by
    their experts.

    Example:

    ```mlir
    moe.pause
    ```
  }];
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// Regions' ends
//===----------------------------------------------------------------------===//

def YieldOp : MoE_Op<"yield", [Pure, Terminator,
    ParentOneOf<["ParamOp", "ExpertsOp", "TokenExpertsOp", "SlotExpertsOp"]>]> {
  let summary = "what a region yields";
  let description = [{
    Ends an expert's region or a parameter's recipe.

    Example:

    ```mlir
    moe.yield %0 : tensor<50x192xf32>
    ```
  }];
  let arguments = (ins AnyStaticTensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

//===----------------------------------------------------------------------===//
// Weight expressions
//===----------------------------------------------------------------------===//

def ScaleColumnsOp : MoE_WeightOp<"scale_columns",
    [AllTypesMatch<["matrix", "result"]>]> {
  let summary = "a matrix with column i multiplied by factor i";
  let description = [{
    W·diag(g): how a LayerNorm's scale enters the weight that follows.

    Constraints: (1) a factor for each column.

    Example:

    ```mlir
    %0 = moe.scale_columns %w, %g : tensor<576x192xf32>, tensor<192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$matrix, F32Vector1D:$factors);
  let results = (outs F32Matrix:$result);
  let assemblyFormat =
      "$matrix `,` $factors attr-dict `:` type($matrix) `,` type($factors)";
}

def ScaleOutputsOp : MoE_WeightOp<"scale_outputs",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "a matrix with row i, or a vector with entry i, times factor i";
  let description = [{
    diag(g)·W or diag(g)·b: how a factor for each channel enters the weight and
    bias that made the channels.

    Constraints: (1) rank 1 or 2; (2) a factor for each row.

    Example:

    ```mlir
    %0 = moe.scale_outputs %w, %g : tensor<192x768xf32>, tensor<192xf32>
    ```
  }];
  let arguments = (ins F32StaticTensor:$input, F32Vector1D:$factors);
  let results = (outs F32StaticTensor:$result);
  let assemblyFormat =
      "$input `,` $factors attr-dict `:` type($input) `,` type($factors)";
}

def AbsorbShiftOp : MoE_WeightOp<"absorb_shift"> {
  let summary = "the bias that a shift of the input amounts to";
  let description = [{
    W·s (+ b), summed in f64: how a LayerNorm's shift enters the bias of the
    linear layer that follows. W is the weight before its columns are scaled.

    Constraints: (1) s has an entry for each column of W, b and the result one
    for each row.

    Example:

    ```mlir
    %0 = moe.absorb_shift %w, %s plus %b
        : tensor<576x192xf32>, tensor<192xf32>, tensor<576xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$matrix, F32Vector1D:$shift,
      Optional<F32Vector1D>:$bias);
  let results = (outs F32Vector1D:$result);
  let assemblyFormat = [{
    $matrix `,` $shift (`plus` $bias^)? attr-dict `:` type($matrix) `,`
    type($shift) (`,` type($bias)^)? `->` type($result)
  }];
}

def ScaleRowsOp : MoE_WeightOp<"scale_rows",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "the first rows multiplied by a factor";
  let description = [{
    Multiplies the first `count` rows (entries, of a vector) by `factor`: how
    attention's scale enters the query part of the fused weight and bias.

    Constraints: (1) rank 1 or 2; (2) 0 <= count <= rows.

    Example:

    ```mlir
    %0 = moe.scale_rows %w count 192 by 0.125 : tensor<576x192xf32>
    ```
  }];
  let arguments = (ins F32StaticTensor:$input, I64Attr:$count, F64Attr:$factor);
  let results = (outs F32StaticTensor:$result);
  let assemblyFormat =
      "$input `count` $count `by` $factor attr-dict `:` type($input)";
}

def SliceRowsOp : MoE_WeightOp<"slice_rows"> {
  let summary = "some of the rows";
  let description = [{
    The rows (entries, of a vector) from `first` on, as many as the result has:
    how the part for the queries, the keys or the values is taken out of
    attention's fused weight and bias.

    Constraints: (1) rank 1 or 2; (2) the rows are rows of the input; (3) the
    width stays.

    Example:

    ```mlir
    %0 = moe.slice_rows %w from 192 : tensor<576x192xf32> -> tensor<192x192xf32>
    ```
  }];
  let arguments = (ins F32StaticTensor:$input, I64Attr:$first);
  let results = (outs F32StaticTensor:$result);
  let assemblyFormat =
      "$input `from` $first attr-dict `:` type($input) `->` type($result)";
}

def TransposeBlocksOp : MoE_WeightOp<"transpose_blocks"> {
  let summary = "each block of rows transposed";
  let description = [{
    Cuts a matrix [B·S, C] into B blocks of S rows and puts their transposes
    [C, S] below each other: [B·C, S]. With attention's heads as blocks, it turns
    the weight that makes keys of tokens into the one that takes queries to where
    the tokens are.

    Constraints: (1) the result's columns S divide the rows; (2) the result is
    [B·C, S].

    Example:

    ```mlir
    %0 = moe.transpose_blocks %w : tensor<192x192xf32> -> tensor<576x64xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$matrix);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = "$matrix attr-dict `:` type($matrix) `->` type($result)";
}

def TokenTableOp : MoE_WeightOp<"token_table", [AttrSizedOperandSegments]> {
  let summary = "position embedding, bias and the model's own tokens as one table";
  let description = [{
    The first rows of the result [N, D] are those of all `tokens` [1, M, D], in
    their order; the others are `bias` [D], or zero. To these, `position`
    [1, P, D] is added: to the last P rows.

    Constraints: (1) the shapes above; (2) no more than N rows of tokens, and
    P <= N.

    Example:

    ```mlir
    %0 = moe.token_table %pos bias(%b) tokens(%cls, %registers)
        : (tensor<1x54x192xf32>, tensor<192xf32>, tensor<1x1x192xf32>,
           tensor<1x4x192xf32>) -> tensor<54x192xf32>
    ```
  }];
  let arguments = (ins F32Image:$position, Optional<F32Vector1D>:$bias,
      Variadic<F32Image>:$tokens);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $position (`bias` `(` $bias^ `)`)? (`tokens` `(` $tokens^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
}

def PackPanelsOp : MoE_WeightOp<"pack_panels"> {
  let summary = "a linear layer's weight in panel order";
  let description = [{
    Packs W of shape [O, I...] (all but the first dimension count as one) into
    panels: result[p][k][c] is the weight of output channel 16·p + c for input k,
    so that a micro-kernel streams a panel from front to back. Missing channels
    are zero.

    Both sides may be grouped, as attention's are by head: with `out_group` g,
    every g rows of W start a new panel; with `in_group` g, every g columns are
    padded with zeros to a multiple of 16. A group of 0 means no padding.

    With `interleave` n, the weights of n inputs that follow each other lie side
    by side for each channel: result[p][k][n·c + i] is channel 16·p + c for input
    n·k + i. That is what instructions for lower precision take, which sum the
    products of two bf16 or four i8 in a lane, or of twice as many for a column.

    Constraints: (1) a group divides its dimension; (2) n divides the padded
    inputs; (3) the result has the shape that follows.

    Example:

    ```mlir
    %0 = moe.pack_panels %w groups(192, 192)
        : tensor<768x192xf32> -> tensor<48x192x16xf32>
    ```
  }];
  let arguments = (ins AnyStaticTensor:$matrix, I64Attr:$out_group,
      I64Attr:$in_group, DefaultValuedAttr<I64Attr, "1">:$interleave);
  let results = (outs AnyStaticTensor:$result);
  let assemblyFormat = [{
    $matrix `groups` `(` $out_group `,` $in_group `)`
    (`interleave` $interleave^)? attr-dict `:` type($matrix) `->` type($result)
  }];
}

def RoundOp : MoE_WeightOp<"round"> {
  let summary = "a weight in bf16";
  let description = [{
    Each value rounded to the nearest bf16, ties to even. All dimensions but the
    first count as one.

    Constraints: (1) the result is [O, I] for a weight of [O, I...].

    Example:

    ```mlir
    %0 = moe.round %w : tensor<768x192xf32> -> tensor<768x192xbf16>
    ```
  }];
  let arguments = (ins F32MatrixLike:$matrix);
  let results = (outs BF16Matrix:$result);
  let assemblyFormat = "$matrix attr-dict `:` type($matrix) `->` type($result)";
}

def RowScalesOp : MoE_WeightOp<"row_scales"> {
  let summary = "the scale with which each row is quantised";
  let description = [{
    The row's largest magnitude / 127, times `factor`: the constant scale of the
    activations, or 1. A row is an output channel.

    Constraints: (1) an entry for each row; (2) the factor is positive and finite.

    Example:

    ```mlir
    %s = moe.row_scales %w by 1.0 : tensor<768x192xf32>
    ```
  }];
  let arguments = (ins F32MatrixLike:$matrix, F64Attr:$factor);
  let results = (outs F32Vector1D:$result);
  let assemblyFormat =
      "$matrix `by` $factor attr-dict `:` type($matrix) `->` type($result)";
}

def QuantizeRowsOp : MoE_WeightOp<"quantize_rows"> {
  let summary = "a weight as 8-bit integers, each row with its scale";
  let description = [{
    round(w · 127 / largest magnitude of the row), ties to even: symmetric, in
    [-127, 127], so that a product of two never overflows where pairs are summed
    in 16 bits. A row of zeros stays one. All dimensions but the first count as
    one.

    Constraints: (1) the result is [O, I] for a weight of [O, I...].

    Example:

    ```mlir
    %q = moe.quantize_rows %w : tensor<768x192xf32> -> tensor<768x192xi8>
    ```
  }];
  let arguments = (ins F32MatrixLike:$matrix);
  let results = (outs I8Matrix:$result);
  let assemblyFormat = "$matrix attr-dict `:` type($matrix) `->` type($result)";
}

def RowSumsOp : MoE_WeightOp<"row_sums"> {
  let summary = "the sum of each row times a factor";
  let description = [{
    What the zero point of the inputs adds to a product, with the factor -offset.

    Constraints: (1) an entry for each row.

    Example:

    ```mlir
    %c = moe.row_sums %q by -128 : tensor<768x192xi8> -> tensor<768xi32>
    ```
  }];
  let arguments = (ins I8Matrix:$matrix, I64Attr:$factor);
  let results = (outs Type<And<[StaticTensorOf<[I32], "i32">.predicate,
      HasAnyRankOfPred<[1]>]>, "1-D tensor of i32 with a static shape",
      "::mlir::RankedTensorType">:$result);
  let assemblyFormat =
      "$matrix `by` $factor attr-dict `:` type($matrix) `->` type($result)";
}

def PadChannelsOp : MoE_WeightOp<"pad_channels"> {
  let summary = "channels in lanes of 16, missing ones zero";
  let description = [{
    Splits the last dimension into lanes of 16, each `group` padded with zeros to
    a multiple of 16: the layout of activations, for biases and tables.

    Constraints: (1) the group divides the last dimension; (2) the result is
    [..., group count · ceil(group / 16), 16].

    Example:

    ```mlir
    %0 = moe.pad_channels %b group 20 : tensor<60xf32> -> tensor<6x16xf32>
    ```
  }];
  let arguments = (ins AnyStaticTensor:$input, I64Attr:$group);
  let results = (outs AnyStaticTensor:$result);
  let assemblyFormat =
      "$input `group` $group attr-dict `:` type($input) `->` type($result)";
}

include "moe/Dialect/StemOps.td"

#endif // MOE_DIALECT_MOEOPS_TD
