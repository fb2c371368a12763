// Of many tokens, a block asks at a time: the scores' memory grows with the
// tokens, not with their square.
// RUN: moe-opt %s --convert-moe-to-linalg --canonicalize --cse | FileCheck %s
// RUN: moe-opt %s --moe-to-linalg --moe-to-vector --moe-bufferize | FileCheck %s --check-prefix=MEMORY

module @model {
moe.param @patch.w : tensor<16x1x4x4xf32>
moe.param @patch.b : tensor<16xf32>
moe.param @qkv.w : tensor<48x16xf32>
moe.param @proj.w : tensor<16x16xf32>
moe.param @proj.b : tensor<16xf32>

// 1025 tokens would have 1025 x 1040 scores: 4.3 MB, in nine blocks of at most
// 512 KB. The last one asks for what is left.
// CHECK-LABEL: func.func @run(
// CHECK: %[[ALL:.*]] = bufferization.alloc_tensor() : tensor<1024x1x1x16xf32>
// CHECK: scf.for %[[I:.*]] = %c0 to %c960 step %c120 iter_args(%[[SUM:.*]] = %[[ALL]])
// CHECK:   tensor.extract_slice %{{.*}}[%[[I]], 0, 0] [120, 1, 16]
// CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<1x120x64x16xf32>)
// CHECK:   math.exp
// CHECK:   %[[BLOCK:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<120x1x1x16xf32>)
// CHECK:   tensor.insert_slice %{{.*}} into %[[SUM]][%[[I]], 0, 0, 0]
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64x64x16xf32>)
// CHECK-NOT: tensor<1x1024x64x16xf32>
// CHECK: return

// A kernel takes the whole and the place of its block, which differs each time.
// MEMORY-LABEL: func.func @run(
// MEMORY-SAME: memref<{{[5-9].....}}xi8>
// MEMORY: scf.for %[[I:.*]] = %c0 to %c960 step %c120
// MEMORY: call @kernel_{{.*}}%[[I]]
func.func @run(%image: tensor<1x128x128xf32>) -> tensor<1x16xf32> {
  %pw = moe.get @patch.w : tensor<16x1x4x4xf32>
  %pb = moe.get @patch.b : tensor<16xf32>
  %w = moe.get @qkv.w : tensor<48x16xf32>
  %ow = moe.get @proj.w : tensor<16x16xf32>
  %ob = moe.get @proj.b : tensor<16xf32>
  %x = moe.patch_embed %image, %pw, %pb
      : tensor<1x128x128xf32>, tensor<16x1x4x4xf32>, tensor<16xf32> -> tensor<1024x16xf32>
  %a = moe.attention %x qkv(%w) proj(%ow, %ob) heads 1 scale 1.0
      : tensor<1024x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<1024x16xf32>
  %y = moe.slice_tokens %a from 0 : tensor<1024x16xf32> -> tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}
}
