//===- RoutingOps.td - Routers other than top-k ------------*- tablegen -*-===//
//
// Included by MoEOps.td, whose classes and types it uses.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_DIALECT_ROUTINGOPS_TD
#define MOE_DIALECT_ROUTINGOPS_TD

def ExpertChoiceOp : MoE_LayerOp<"expert_choice"> {
  let summary = "each expert chooses its tokens";
  let description = [{
    Logits = x·Wᵀ (+ b) for tokens x of shape [N, D] and W of [E, D]; a token's
    gates are the softmax over all E logits. Each expert takes the C tokens whose
    gates for it are the largest (expert choice, arXiv 2202.09368). So a token
    may go to several experts, or to none.

    Since the softmax saturates at 1, what is compared is the sum of
    exp(l_o - l_max) over the other experts, divided by exp(l_e - l_max), the
    smallest first; ties go to the token that comes first.

    Results: as those of `moe.token_router`. An expert's tokens are in the order
    of the tokens; each of the counts is C.

    Constraints: (1) weight and bias have the shapes above; (2) the results have
    E rows and the same C, 1 <= C <= N.

    Example:

    ```mlir
    %who, %gates, %counts, %mean = moe.expert_choice %h weight(%w)
        : tensor<50x192xf32>, tensor<8x192xf32>
        -> tensor<8x7xindex>, tensor<8x7xf32>, tensor<8xindex>, tensor<8xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Matrix:$weight,
      Optional<F32Vector1D>:$bias);
  let results = (outs IndexMatrix:$taken, F32Matrix:$gates,
      IndexVector:$counts, F32Vector1D:$meanGates);
  let assemblyFormat = [{
    $tokens `weight` `(` $weight (`,` $bias^)? `)` attr-dict `:` type($tokens)
    `,` type($weight) (`,` type($bias)^)? `->` type($taken) `,` type($gates) `,`
    type($counts) `,` type($meanGates)
  }];
  let extraClassDeclaration = [{
    int64_t getNumExperts() { return getWeight().getType().getDimSize(0); }
    /// C: tokens that each expert takes.
    int64_t getCapacity() { return getGates().getType().getDimSize(1); }
  }];
}

//===----------------------------------------------------------------------===//
// Soft mixtures of experts
//===----------------------------------------------------------------------===//

def F32Slots : Type<And<[F32StaticTensor.predicate, HasAnyRankOfPred<[3]>]>,
    "[width, experts, slots] tensor of f32 with a static shape",
    "::mlir::RankedTensorType">;

def SlotLogitsOp : MoE_LayerOp<"slot_logits"> {
  let summary = "how much each token is like each expert's slots";
  let description = [{
    The router of a soft mixture of experts (Soft MoE, arXiv 2308.00951): logits
    [N, E·S] = scale · x̂·μ̂ for tokens x of shape [N, D] and μ of [D, E, S], where
    x̂ = x·rsqrt(Σx² + 1e-6) for each token and μ̂ likewise for each of the S slots
    of each of the E experts, the sums over D. Slot s of expert e is column
    e·S + s.

    Constraints: (1) μ has the tokens' width; (2) the scale has one entry; (3)
    the result is [N, E·S].

    Example:

    ```mlir
    %l = moe.slot_logits %h mu(%mu) scale(%s)
        : tensor<50x192xf32>, tensor<192x8x6xf32>, tensor<1xf32>
        -> tensor<50x48xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Slots:$mu, F32Vector1D:$scale);
  let results = (outs F32Matrix:$logits);
  let assemblyFormat = [{
    $tokens `mu` `(` $mu `)` `scale` `(` $scale `)` attr-dict `:` type($tokens)
    `,` type($mu) `,` type($scale) `->` type($logits)
  }];
}

def SoftDispatchOp : MoE_LayerOp<"soft_dispatch"> {
  let summary = "each slot's weighted mean of the tokens";
  let description = [{
    Row p of the result is the sum over the tokens t of x[t] times the softmax of
    logits[.][p] over all tokens.

    Constraints: (1) logits are [N, P] and the result is [P, D] for tokens
    [N, D].

    Example:

    ```mlir
    %z = moe.soft_dispatch %h, %l
        : tensor<50x192xf32>, tensor<50x48xf32> -> tensor<48x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$tokens, F32Matrix:$logits);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $tokens `,` $logits attr-dict `:` type($tokens) `,` type($logits) `->`
    type($result)
  }];
}

def SlotExpertsOp : MoE_LayerOp<"slot_experts", [
    AllTypesMatch<["slots", "result"]>, RecursiveMemoryEffects, SingleBlock,
    DeclareOpInterfaceMethods<RoutedOpInterface>]> {
  let summary = "each expert's output for its slots";
  let description = [{
    The slots [E·S, D] are S rows for each of the E experts, one expert after the
    other. Row e·S + s of the result is row s of what region e yields for its S
    rows. All regions run.

    With `indexed`, there is one region for all experts, as in `moe.experts`.

    Constraints: (1) the number of experts, which is that of the regions or what
    `indexed` holds, is positive and divides the rows; (2) every region takes a
    tensor<SxDxf32> (and with `indexed` an index) and yields one of that type;
    (3) with `indexed` there is exactly one region.

    Example:

    ```mlir
    %o = moe.slot_experts %z : tensor<12x192xf32> {
    ^bb0(%t: tensor<6x192xf32>):
      ...
      moe.yield %0 : tensor<6x192xf32>
    }, {
    ^bb0(%t: tensor<6x192xf32>):
      ...
      moe.yield %1 : tensor<6x192xf32>
    }
    ```
  }];
  let arguments = (ins F32Matrix:$slots, OptionalAttr<I64Attr>:$indexed);
  let results = (outs F32Matrix:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $slots (`indexed` $indexed^)? attr-dict `:` type($slots) $bodies
  }];
  let extraClassDeclaration = [{
    int64_t getNumExperts() {
      return getIndexed() ? *getIndexed() : int64_t(getBodies().size());
    }
    /// S: slots of an expert.
    int64_t getSlotsPerExpert() {
      return getSlots().getType().getDimSize(0) / getNumExperts();
    }
    /// [S, D]: an expert's slots.
    ::mlir::RankedTensorType getGroupType() {
      return getSlots().getType().clone(
          {getSlotsPerExpert(), getSlots().getType().getDimSize(1)});
    }
  }];
  let hasRegionVerifier = 1;
}

def CombineWeightsOp : MoE_Op<"combine_weights", [Pure,
    AllTypesMatch<["logits", "result"]>]> {
  let summary = "with which weight a token takes each slot's output";
  let description = [{
    The softmax of each row of the logits: over all slots of all experts.

    Example:

    ```mlir
    %c = moe.combine_weights %l : tensor<50x48xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$logits);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = "$logits attr-dict `:` type($logits)";
}

def SlotGatesOp : MoE_Op<"slot_gates", [Pure]> {
  let summary = "how much the tokens take of each expert";
  let description = [{
    For each expert, its number S of slots, and the sum of the weights [N, E·S]
    of these slots, as a mean over the tokens. What is told of the routing.

    Constraints: (1) the results have E entries; (2) E divides the columns.

    Example:

    ```mlir
    %n, %g = moe.slot_gates %c
        : tensor<50x48xf32> -> tensor<8xindex>, tensor<8xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$weights);
  let results = (outs IndexVector:$counts, F32Vector1D:$gates);
  let assemblyFormat = [{
    $weights attr-dict `:` type($weights) `->` type($counts) `,` type($gates)
  }];
  let hasVerifier = 1;
}

def SoftCombineOp : MoE_LayerOp<"soft_combine"> {
  let summary = "each token's weighted sum of the slots' outputs";
  let description = [{
    The matrix product of the weights [N, P] and the outputs [P, D].

    Constraints: (1) the result is [N, D], with the shapes above.

    Example:

    ```mlir
    %y = moe.soft_combine %c, %o
        : tensor<50x48xf32>, tensor<48x192xf32> -> tensor<50x192xf32>
    ```
  }];
  let arguments = (ins F32Matrix:$weights, F32Matrix:$outputs);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $weights `,` $outputs attr-dict `:` type($weights) `,` type($outputs) `->`
    type($result)
  }];
}

def SlotKeysOp : MoE_WeightOp<"slot_keys"> {
  let summary = "the weight of a soft router";
  let description = [{
    Row e·S + s of the result [E·S, D] is scale · μ̂[.][e][s], as in
    `moe.slot_logits`.

    Constraints: (1) the scale has one entry; (2) the result has the shape above.

    Example:

    ```mlir
    %k = moe.slot_keys %mu, %s
        : tensor<192x8x6xf32>, tensor<1xf32> -> tensor<48x192xf32>
    ```
  }];
  let arguments = (ins F32Slots:$mu, F32Vector1D:$scale);
  let results = (outs F32Matrix:$result);
  let assemblyFormat = [{
    $mu `,` $scale attr-dict `:` type($mu) `,` type($scale) `->` type($result)
  }];
}

#endif // MOE_DIALECT_ROUTINGOPS_TD
