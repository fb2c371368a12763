// RUN: not moe-opt %s --convert-moe-to-llvm 2>&1 | FileCheck %s

// CHECK: error: 'moe.weights' op parameter "unplaced" has no place
moe.param @unplaced : tensor<16xf32>
func.func @run() -> f32 {
  %c0 = arith.constant 0 : index
  %0 = moe.weights @unplaced : memref<16xf32>
  %1 = memref.load %0[%c0] : memref<16xf32>
  return %1 : f32
}
