//===- MoEOpInterfaces.td - Interfaces of the moe ops ------*- tablegen -*-===//

#ifndef MOE_DIALECT_MOEOPINTERFACES_TD
#define MOE_DIALECT_MOEOPINTERFACES_TD

include "mlir/IR/OpBase.td"

def WeightExprOpInterface : OpInterface<"WeightExprOpInterface"> {
  let cppNamespace = "::mlir::moe";
  let description = [{
    A weight expression: an op inside a `moe.param`'s recipe. It is never
    executed by the model; the compiler evaluates it once, when the weight
    sections are written.
  }];
  let methods = [
    InterfaceMethod<[{
        Computes the op's result from its operands, all row-major as their
        tensor types say, values of every type as the f32 that they equal. `out`
        has the result's number of elements and is uninitialised.
      }],
      "void", "evaluate",
      (ins "::llvm::ArrayRef<::llvm::ArrayRef<float>>":$operands,
           "::llvm::MutableArrayRef<float>":$out)>];
}

def LayerOpInterface : OpInterface<"LayerOpInterface"> {
  let cppNamespace = "::mlir::moe";
  let description = [{
    A layer whose work can be counted. Multiply-adds are those of its matrix
    products (attention's included), which is how papers on ViTs count.
  }];
  let methods = [
    InterfaceMethod<"Multiply-adds of one execution.",
      "int64_t", "getMultiplyAdds", (ins)>];
}

def RoutedOpInterface : OpInterface<"RoutedOpInterface"> {
  let cppNamespace = "::mlir::moe";
  let description = [{
    An op with a region per expert, or with one for all of them that takes the
    expert's index as its last argument.
  }];
  let methods = [
    InterfaceMethod<"A region per expert, or one for all.",
      "::mlir::MutableArrayRef<::mlir::Region>", "getExpertRegions", (ins)>,
    InterfaceMethod<"Whether one region serves all experts.",
      "bool", "isMerged", (ins)>,
    InterfaceMethod<"Number of experts to choose from.",
      "int64_t", "getExpertCount", (ins)>];
}

#endif // MOE_DIALECT_MOEOPINTERFACES_TD
