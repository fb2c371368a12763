//===- StemOps.td - Operations of convolutional stems ------*- tablegen -*-===//
//
// Part of MoEOps.td, which has the classes and types.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_STEMOPS_TD
#define MOE_DIALECT_STEMOPS_TD

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

def ConvOp : MoE_LayerOp<"conv"> {
  let summary = "a 2-D convolution of an image or a map";
  let description = [{
    Correlates the map [C, H, W], which has `padding` [Ph, Pw] zeros on each side,
    with the kernel, every `stride` [Sh, Sw] pixels, and adds the bias if there is
    one:

    y[o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] · x[c, i·Sh + u - Ph, j·Sw + v - Pw]

    With `depthwise`, each channel has a kernel of its own: the weight is
    [C, 1, Kh, Kw], and output channel o sees channel o only.

    Constraints: (1) the strides are positive, and the padding is from 0 to one
    less than the kernel; (2) the kernel fits in the padded map; (3) the weight is
    [O, C, Kh, Kw], or [C, 1, Kh, Kw] with `depthwise`, the bias [O], the result
    [O, (H + 2·Ph - Kh) / Sh + 1, (W + 2·Pw - Kw) / Sw + 1], rounded down.

    Example:

    ```mlir
    %y = moe.conv %image, %w bias(%b) stride [2, 2] padding [1, 1]
        : tensor<3x224x224xf32>, tensor<16x3x3x3xf32>, tensor<16xf32>
        -> tensor<16x112x112xf32>
    %z = moe.conv %y, %v stride [1, 1] padding [1, 1] depthwise
        : tensor<16x112x112xf32>, tensor<16x1x3x3xf32> -> tensor<16x112x112xf32>
    ```
  }];
  let arguments = (ins F32Image:$input, F32Kernel:$weight,
      Optional<F32Vector1D>:$bias, DenseI64ArrayAttr:$stride,
      DenseI64ArrayAttr:$padding, UnitAttr:$depthwise);
  let results = (outs F32Image:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `)`)? `stride` $stride
    `padding` $padding (`depthwise` $depthwise^)? attr-dict `:` type($input) `,`
    type($weight) (`,` type($bias)^)? `->` type($result)
  }];
}

def BatchNormOp : MoE_Op<"batch_norm", [Pure,
    AllTypesMatch<["input", "result"]>,
    AllTypesMatch<["scale", "shift", "mean", "variance"]>]> {
  let summary = "batch normalisation with the statistics of the training";
  let description = [{
    (x - mean) / sqrt(variance + eps) · scale + shift for each channel.
    `moe-fold-constants` makes it part of the convolution before it; by itself it
    cannot be lowered.

    Constraints: (1) scale, shift, mean and variance are [C]; (2) eps is finite
    and not negative.

    Example:

    ```mlir
    %y = moe.batch_norm %x scale(%g, %b) statistics(%m, %v) eps 1.0e-5
        : tensor<16x112x112xf32>, tensor<16xf32>
    ```
  }];
  let arguments = (ins F32Image:$input, F32Vector1D:$scale, F32Vector1D:$shift,
      F32Vector1D:$mean, F32Vector1D:$variance, F64Attr:$eps);
  let results = (outs F32Image:$result);
  let assemblyFormat = [{
    $input `scale` `(` $scale `,` $shift `)` `statistics` `(` $mean `,` $variance
    `)` `eps` $eps attr-dict `:` type($input) `,` type($scale)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Weight expressions
//===----------------------------------------------------------------------===//

def NormWeightOp : MoE_WeightOp<"norm_weight",
    [AllTypesMatch<["weight", "result"]>, AllTypesMatch<["scale", "variance"]>]> {
  let summary = "a weight that does a batch normalisation's scaling too";
  let description = [{
    Row o of the weight [O, I...] times scale[o] / sqrt(variance[o] + eps), in f64.

    Constraints: (1) scale and variance are [O]; (2) eps is finite and not
    negative.

    Example:

    ```mlir
    %0 = moe.norm_weight %w scale(%g) variance(%v) eps 1.0e-5
        : tensor<16x3x3x3xf32>, tensor<16xf32>
    ```
  }];
  let arguments = (ins F32MatrixLike:$weight, F32Vector1D:$scale,
      F32Vector1D:$variance, F64Attr:$eps);
  let results = (outs F32MatrixLike:$result);
  let assemblyFormat = [{
    $weight `scale` `(` $scale `)` `variance` `(` $variance `)` `eps` $eps
    attr-dict `:` type($weight) `,` type($scale)
  }];
}

def NormBiasOp : MoE_WeightOp<"norm_bias",
    [AllTypesMatch<["scale", "shift", "mean", "variance", "result"]>]> {
  let summary = "the bias that a batch normalisation amounts to";
  let description = [{
    shift + (bias - mean) · scale / sqrt(variance + eps) for each channel, in f64;
    the bias of the convolution is 0 if there is none.

    Constraints: (1) all have one shape [O]; (2) eps is finite and not negative.

    Example:

    ```mlir
    %0 = moe.norm_bias scale(%g, %b) statistics(%m, %v) eps 1.0e-5 plus %bias
        : tensor<16xf32>, tensor<16xf32>
    ```
  }];
  let arguments = (ins F32Vector1D:$scale, F32Vector1D:$shift, F32Vector1D:$mean,
      F32Vector1D:$variance, F64Attr:$eps, Optional<F32Vector1D>:$bias);
  let results = (outs F32Vector1D:$result);
  let assemblyFormat = [{
    `scale` `(` $scale `,` $shift `)` `statistics` `(` $mean `,` $variance `)`
    `eps` $eps (`plus` $bias^)? attr-dict `:` type($scale) (`,` type($bias)^)?
  }];
}

def PermuteOp : MoE_WeightOp<"permute"> {
  let summary = "a weight with its dimensions in another order";
  let description = [{
    Dimension d of the result is dimension order[d] of the input: how the kernel of
    a convolution comes to have its channels last, as maps have them in memory.

    Constraints: (1) the order is a permutation of the dimensions; (2) the result
    has the shape that follows.

    Example:

    ```mlir
    %0 = moe.permute %w [0, 2, 3, 1]
        : tensor<24x16x3x3xf32> -> tensor<24x3x3x16xf32>
    ```
  }];
  let arguments = (ins F32StaticTensor:$input, DenseI64ArrayAttr:$order);
  let results = (outs F32StaticTensor:$result);
  let assemblyFormat =
      "$input $order attr-dict `:` type($input) `->` type($result)";
}

#endif // MOE_DIALECT_STEMOPS_TD
