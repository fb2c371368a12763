// A parameter that has a place keeps it, and no other is put on top of it.
// RUN: moe-opt %s --moe-place-weights | FileCheck %s

// CHECK: moe.param @new : tensor<16xf32> in "shared" at 64
moe.param @new : tensor<16xf32>
// CHECK: moe.param @placed : tensor<16xf32>{{.*}} at 0
moe.param @placed : tensor<16xf32> at 0

func.func @run() {
  %0 = moe.weights @new : memref<16xf32>
  %1 = moe.weights @placed : memref<16xf32>
  return
}
