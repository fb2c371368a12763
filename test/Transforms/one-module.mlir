// A model in a module within another.
// RUN: not moe-opt %s --moe-fold-constants 2>&1 | FileCheck %s
// RUN: not moe-opt %s --moe-merge-experts 2>&1 | FileCheck %s
// RUN: not moe-opt %s --moe-set-precision=precision=bf16 2>&1 | FileCheck %s
// RUN: not moe-opt %s --moe-place-weights 2>&1 | FileCheck %s
// RUN: not moe-opt %s --convert-moe-to-llvm 2>&1 | FileCheck %s

// CHECK: one-module.mlir:[[#@LINE + 3]]:3: error: 'builtin.module' op within another module: expected the model in one
module {
  func.func @outside() { return }
  module {
    moe.param @w : tensor<8xf32> at 0
    func.func @run() -> memref<8xf32> {
      %0 = moe.weights @w : memref<8xf32>
      return %0 : memref<8xf32>
    }
  }
}
