// RUN: moe-opt %s --moe-list-parts | FileCheck %s

// A product of 5 rows by 2 panels over 32 inputs: 5 * 32 * 32 multiply-adds. It
// reads 5 * 32 * 4 bytes of another part and 2 * 32 * 16 * 4 of a weight, and writes
// 5 * 32 * 4. The bias after it is of the same part: what is between them counts
// for nothing, but the bias's own 128 bytes do.
// CHECK: module attributes {moe.parts = [
// CHECK-SAME: {bytes = 640 : i64, kind = "f32", layer = -1 : i64, multiply_adds = 0 : i64, name = "embed"}
// CHECK-SAME: {bytes = 5504 : i64, kind = "f32", layer = 3 : i64, multiply_adds = 5120 : i64, name = "blocks.3.mlp.fc1"}
// In a loop of three rounds, of one part: three times. A sum of squares is no
// product.
// CHECK-SAME: {bytes = 1980 : i64, kind = "f32", layer = -1 : i64, multiply_adds = 0 : i64, name = "norm"}
// Of rows whose number is not known: for each of them. The weight is read once.
// CHECK-SAME: {bytes = 4096 : i64, bytes_per_token = 256 : i64, kind = "bf16", layer = 11 : i64, multiply_adds = 0 : i64, multiply_adds_per_token = 2048 : i64, name = "blocks.11.moe.fc1"}
// CHECK-SAME: ]}
#rows = affine_map<(m, p, c, k) -> (m, k)>
#panels = affine_map<(m, p, c, k) -> (p, k, c)>
#sums = affine_map<(m, p, c, k) -> (m, p, c)>
#full = affine_map<(m, p, c) -> (m, p, c)>
#lanes = affine_map<(m, p, c) -> (p, c)>
#row = affine_map<(m, p, c) -> (m)>
moe.param @w : tensor<2x32x16xf32> at 0
moe.param @b : tensor<2x16xf32> at 4096
moe.param @u : tensor<128x16xf32>
moe.param @v : tensor<128x16xbf16> at 8192 = {
  %0 = moe.get @u : tensor<128x16xf32>
  %1 = moe.round %0 : tensor<128x16xf32> -> tensor<128x16xbf16>
  moe.yield %1 : tensor<128x16xbf16>
}
func.func @run(%image: memref<5x2x16xf32>, %logits: memref<5x2x16xf32>, %n: index) -> i32 {
  %ok = arith.constant 0 : i32
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %start = bufferization.alloc_tensor() : tensor<5x2x16xf32>
  %x = linalg.fill ins(%zero : f32) outs(%start : tensor<5x2x16xf32>) -> tensor<5x2x16xf32> loc("embed")
  %flat = tensor.collapse_shape %x [[0], [1, 2]] : tensor<5x2x16xf32> into tensor<5x32xf32>
  %wm = moe.weights @w : memref<2x32x16xf32>
  %w = bufferization.to_tensor %wm restrict : memref<2x32x16xf32> to tensor<2x32x16xf32>
  %out = bufferization.alloc_tensor() : tensor<5x2x16xf32>
  %product = linalg.generic {indexing_maps = [#rows, #panels, #sums],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%flat, %w : tensor<5x32xf32>, tensor<2x32x16xf32>) outs(%out : tensor<5x2x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %m = arith.mulf %a, %b : f32
    %s = arith.addf %c, %m : f32
    linalg.yield %s : f32
  } -> tensor<5x2x16xf32> loc("blocks.3.mlp.fc1")
  %bm = moe.weights @b : memref<2x16xf32>
  %bias = bufferization.to_tensor %bm restrict : memref<2x16xf32> to tensor<2x16xf32>
  %y = linalg.generic {indexing_maps = [#full, #lanes, #full],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%product, %bias : tensor<5x2x16xf32>, tensor<2x16xf32>) outs(%out : tensor<5x2x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<5x2x16xf32> loc("blocks.3.mlp.fc1")
  %squares = bufferization.alloc_tensor() : tensor<5xf32>
  %norm = scf.for %i = %c0 to %c3 step %c1 iter_args(%carried = %squares) -> tensor<5xf32> {
    %next = linalg.generic {indexing_maps = [#full, #row],
        iterator_types = ["parallel", "reduction", "reduction"]}
        ins(%y : tensor<5x2x16xf32>) outs(%carried : tensor<5xf32>) {
    ^bb0(%a: f32, %c: f32):
      %m = arith.mulf %a, %a : f32
      %s = arith.addf %c, %m : f32
      linalg.yield %s : f32
    } -> tensor<5xf32> loc("norm")
    scf.yield %next : tensor<5xf32> loc("norm")
  } loc("norm")
  %group = bufferization.alloc_tensor(%n) : tensor<?x64xbf16>
  %vm = moe.weights @v : memref<128x16xbf16>
  %vt = bufferization.to_tensor %vm restrict : memref<128x16xbf16> to tensor<128x16xbf16>
  %v = tensor.expand_shape %vt [[0, 1], [2]] output_shape [2, 64, 16] : tensor<128x16xbf16> into tensor<2x64x16xbf16>
  %result = bufferization.alloc_tensor(%n) : tensor<?x2x16xf32>
  %expert = linalg.generic {indexing_maps = [#rows, #panels, #sums],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%group, %v : tensor<?x64xbf16>, tensor<2x64x16xbf16>) outs(%result : tensor<?x2x16xf32>) {
  ^bb0(%a: bf16, %b: bf16, %c: f32):
    %d = arith.extf %a : bf16 to f32
    %e = arith.extf %b : bf16 to f32
    %m = arith.mulf %d, %e : f32
    %s = arith.addf %c, %m : f32
    linalg.yield %s : f32
  } -> tensor<?x2x16xf32> loc("blocks.11.moe.fc1")
  %last = tensor.extract %expert[%c0, %c0, %c0] : tensor<?x2x16xf32>
  %first = tensor.extract %norm[%c0] : tensor<5xf32>
  %sum = arith.addf %first, %last : f32
  %i = arith.fptosi %sum : f32 to i32
  return %i : i32
}
