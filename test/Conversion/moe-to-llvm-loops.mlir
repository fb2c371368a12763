// Loops over the taps and channels of a convolution tell LLVM not to unroll them,
// those of other products do not.
// RUN: moe-opt %s --moe-vectorize=cpu=x86-64-v3 | FileCheck %s --check-prefix=LOOPS
// RUN: moe-opt %s --moe-to-vector=cpu=x86-64-v3 --moe-bufferize --moe-to-llvm=cpu=x86-64-v3 | FileCheck %s

// LOOPS-DAG: #[[UNROLL:.*]] = #llvm.loop_unroll<disable = true>
// LOOPS-DAG: #[[ROLLED:.*]] = #llvm.loop_annotation<unroll = #[[UNROLL]]>
// CHECK: #[[ROLLED:.*]] = #llvm.loop_annotation<unroll = #{{.*}}>

#a = affine_map<(y, x, p, c, i, j, k) -> (y + i, x + j, k)>
#w = affine_map<(y, x, p, c, i, j, k) -> (p, i, j, k, c)>
#o = affine_map<(y, x, p, c, i, j, k) -> (y, x, p, c)>
// LOOPS-LABEL: func.func @run(
// LOOPS-COUNT-3: {llvm.loop_annotation = #[[ROLLED]]}
// LOOPS-NOT: llvm.loop_annotation
// LOOPS: return
// CHECK-COUNT-3: llvm.br {{.*}} {loop_annotation = #[[ROLLED]]}
// CHECK-NOT: loop_annotation
func.func @run(%in: memref<4x6x20xf32>, %weight: memref<2x3x3x20x16xf32>, %result: memref<2x4x2x16xf32>) -> i32 {
  %x = bufferization.to_tensor %in restrict : memref<4x6x20xf32> to tensor<4x6x20xf32>
  %w = bufferization.to_tensor %weight restrict : memref<2x3x3x20x16xf32> to tensor<2x3x3x20x16xf32>
  %zero = arith.constant 0.0 : f32
  %out = bufferization.alloc_tensor() : tensor<2x4x2x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%out : tensor<2x4x2x16xf32>) -> tensor<2x4x2x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #w, #o], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<4x6x20xf32>, tensor<2x3x3x20x16xf32>) outs(%f : tensor<2x4x2x16xf32>) {
  ^bb0(%u: f32, %v: f32, %s: f32):
    %m = arith.mulf %u, %v : f32
    %r = arith.addf %s, %m : f32
    linalg.yield %r : f32
  } -> tensor<2x4x2x16xf32>
  bufferization.materialize_in_destination %0 in writable %result : (tensor<2x4x2x16xf32>, memref<2x4x2x16xf32>) -> ()
  %ok = arith.constant 0 : i32
  return %ok : i32
}
