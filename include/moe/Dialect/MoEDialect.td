//===- MoEDialect.td - The moe dialect ---------------------*- tablegen -*-===//

#ifndef MOE_DIALECT_MOEDIALECT_TD
#define MOE_DIALECT_MOEDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"

def MoE_Dialect : Dialect {
  let name = "moe";
  let cppNamespace = "::mlir::moe";
  let summary = "Layers of (mixture-of-experts) Vision Transformers";
  let description = [{
    Describes one inference of a Vision Transformer on one image, at the level
    at which papers speak: patch embedding, attention, MLP, router, experts.
    Values are tensors; a sequence of tokens is a `tensor<NxDxf32>` whose class
    token, if there is one, is row 0. There is no batch dimension. A tensor has from
    1 to 2^40 elements.

    Weights are *parameters*: symbols with a type and no value (`moe.param`).
    Their bytes stay in the model's weight file until the last step of the
    compiler. A parameter that passes derive from others holds the recipe, a
    region of weight expressions that is evaluated when the binary's weight
    sections are written.

    An expert is a region of `moe.experts`. Only the regions that the router
    chose are executed.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
}

def MoE_Activation : I32EnumAttr<"Activation", "activation of an MLP", [
    I32EnumAttrCase<"Gelu", 0, "gelu">,
    I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">,
    I32EnumAttrCase<"QuickGelu", 2, "quick_gelu">,
    I32EnumAttrCase<"Relu", 3, "relu">,
    I32EnumAttrCase<"Silu", 4, "silu">,
    I32EnumAttrCase<"Hardswish", 5, "hardswish">]> {
  let cppNamespace = "::mlir::moe";
  let genSpecializedAttr = 0;
}
def MoE_ActivationAttr : EnumAttr<MoE_Dialect, MoE_Activation, "activation"> {
  let assemblyFormat = "$value";
}

#endif // MOE_DIALECT_MOEDIALECT_TD
