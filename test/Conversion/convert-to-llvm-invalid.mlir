// RUN: moe-opt %s -verify-diagnostics --convert-moe-to-llvm

moe.param @w : tensor<4xf32>
func.func @run() -> memref<4xf32> {
  // expected-error @below {{parameter "w" has no place}}
  // expected-error @below {{failed to legalize}}
  %w = moe.weights @w : memref<4xf32>
  return %w : memref<4xf32>
}
