// Products of bf16 and of 8-bit integers, and what is around them.
// RUN: moe-opt %s --convert-moe-to-linalg --split-input-file | FileCheck %s

// bf16: patches are rounded where they are cut out, weights hold two inputs in a
// lane, sums are f32.
// CHECK-DAG: #[[PIXELS:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d2, d0 * 4 + d3, d1 + d4, d5)>
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3 * 2 + d4)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d3, d2, d4)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2)>
// CHECK-DAG: #[[FULL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[LANES:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: module @bf16
module @bf16 {
moe.param @patch : tensor<20x3x4x16xf32>
moe.param @patch.b : tensor<20xf32>
moe.param @patch.bf16 : tensor<20x192xbf16> = {
  %0 = moe.get @patch : tensor<20x3x4x16xf32>
  %1 = moe.round %0 : tensor<20x3x4x16xf32> -> tensor<20x192xbf16>
  moe.yield %1 : tensor<20x192xbf16>
}
moe.param @head : tensor<10x20xf32>
moe.param @head.bf16 : tensor<10x20xbf16> = {
  %0 = moe.get @head : tensor<10x20xf32>
  %1 = moe.round %0 : tensor<10x20xf32> -> tensor<10x20xbf16>
  moe.yield %1 : tensor<10x20xbf16>
}
// CHECK-DAG: moe.param @patch.bf16.packed : tensor<2x96x32xbf16> = {
// CHECK-DAG: moe.pack_panels %{{.*}} groups(20, 192) interleave 2 : tensor<20x192xbf16> -> tensor<2x96x32xbf16>
// The head's 20 inputs are padded as the layer before left them.
// CHECK-DAG: moe.param @head.bf16.packed : tensor<1x16x32xbf16> = {
// CHECK-DAG: moe.pack_panels %{{.*}} groups(10, 20) interleave 2 : tensor<10x20xbf16> -> tensor<1x16x32xbf16>

// CHECK-LABEL: func.func @run(
// Rows of 16 pixels are whole vectors.
// CHECK: %[[P:.*]] = linalg.generic {indexing_maps = [#[[PIXELS]], #{{.*}}], {{.*}} ins(%{{.*}} : tensor<3x8x2x16xf32>) outs(%{{.*}} : tensor<2x2x3x4x1x16xbf16>)
// CHECK: %[[R:.*]] = arith.truncf %{{.*}} : f32 to bf16
// CHECK: linalg.yield %[[R]] : bf16
// CHECK: %[[W1:.*]] = moe.weights @patch.bf16.packed : memref<2x96x32xbf16>
// CHECK: %[[T1:.*]] = bufferization.to_tensor %[[W1]] restrict
// CHECK: %[[E1:.*]] = tensor.expand_shape %[[T1]] {{\[}}[0], [1], [2, 3]] output_shape [2, 96, 16, 2]
// CHECK: %[[ZERO:.*]] = linalg.fill {{.*}} -> tensor<4x2x16xf32>
// CHECK: %[[S1:.*]] = linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%{{.*}}, %[[E1]] : tensor<4x192xbf16>, tensor<2x96x16x2xbf16>) outs(%[[ZERO]] : tensor<4x2x16xf32>) {
// CHECK-NEXT: ^bb0(%[[A:.*]]: bf16, %[[B:.*]]: bf16, %[[SUM:.*]]: f32):
// CHECK-NEXT: %[[AW:.*]] = arith.extf %[[A]] : bf16 to f32
// CHECK-NEXT: %[[BW:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[AW]], %[[BW]] : f32
// CHECK-NEXT: %[[N:.*]] = arith.addf %[[SUM]], %[[M]] : f32
// CHECK-NEXT: linalg.yield %[[N]] : f32
// The bias is f32, and so is the activation; rounding is a step of its own.
// CHECK: moe.weights @patch.b.lanes : memref<2x16xf32>
// CHECK: %[[S2:.*]] = linalg.generic {indexing_maps = [#[[FULL]], #[[LANES]], #[[FULL]]], {{.*}} ins(%[[S1]], %{{.*}} : tensor<4x2x16xf32>, tensor<2x16xf32>)
// CHECK: arith.addf
// CHECK: %[[ACT:.*]] = linalg.generic {indexing_maps = [#[[FULL]], #[[FULL]]], {{.*}} ins(%[[S2]] : tensor<4x2x16xf32>) outs(%{{.*}} : tensor<4x2x16xf32>)
// CHECK: arith.maximumf
// CHECK: %[[LOW:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<1x2x16xf32>) outs(%{{.*}} : tensor<1x2x16xbf16>)
// CHECK: %[[C:.*]] = arith.truncf %{{.*}} : f32 to bf16
// CHECK: linalg.yield %[[C]] : bf16
// Without a bias, the sums are the result.
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x32xbf16>, tensor<1x16x16x2xbf16>) outs(%{{.*}} : tensor<1x1x16xf32>)
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @run(%image: tensor<3x8x32xf32>) -> tensor<1x10xf32> {
  %p = moe.patches %image size 4, 16 : tensor<3x8x32xf32> -> tensor<4x192xbf16>
  %w = moe.get @patch.bf16 : tensor<20x192xbf16>
  %b = moe.get @patch.b : tensor<20xf32>
  %x = moe.linear %p weight(%w) bias(%b) groups(20, 192)
      : tensor<4x192xbf16>, tensor<20x192xbf16>, tensor<20xf32> -> tensor<4x20xf32>
  %a = moe.activate %x relu : tensor<4x20xf32>
  %s = moe.slice_tokens %a from 1 : tensor<4x20xf32> -> tensor<1x20xf32>
  %r = arith.truncf %s : tensor<1x20xf32> to tensor<1x20xbf16>
  %hw = moe.get @head.bf16 : tensor<10x20xbf16>
  %l = moe.linear %r weight(%hw) groups(10, 20)
      : tensor<1x20xbf16>, tensor<10x20xbf16> -> tensor<1x10xf32>
  return %l : tensor<1x10xf32>
}
}

// -----

// int8, unsigned: each row by its largest magnitude; what the zero point adds is
// taken off the sums.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3 * 4 + d4)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d3, d2, d4)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2)>
// CHECK-DAG: #[[FULL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1, d2) -> (d0)>
// CHECK-DAG: #[[LANES:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: module @unsigned
module @unsigned {
moe.param @w : tensor<20x1x3x3xf32>
moe.param @b : tensor<20xf32>
moe.param @w.int8 : tensor<20x9xi8> = {
  %0 = moe.get @w : tensor<20x1x3x3xf32>
  %1 = moe.quantize_rows %0 : tensor<20x1x3x3xf32> -> tensor<20x9xi8>
  moe.yield %1 : tensor<20x9xi8>
}
moe.param @w.scales : tensor<20xf32> = {
  %0 = moe.get @w : tensor<20x1x3x3xf32>
  %1 = moe.row_scales %0 by 1.0 : tensor<20x1x3x3xf32> -> tensor<20xf32>
  moe.yield %1 : tensor<20xf32>
}
// Nine inputs are padded to sixteen, of which four lie in a lane.
// CHECK-DAG: moe.param @w.int8.packed : tensor<2x4x64xi8> = {
// CHECK-DAG: moe.pack_panels %{{.*}} groups(20, 9) interleave 4 : tensor<20x9xi8> -> tensor<2x4x64xi8>
// CHECK-DAG: moe.param @w.int8.excess : tensor<2x16xi32> = {
// CHECK-DAG: moe.row_sums %{{.*}} by -128 : tensor<20x9xi8> -> tensor<20xi32>
// CHECK-DAG: moe.pad_channels %{{.*}} group 20 : tensor<20xi32> -> tensor<2x16xi32>
// CHECK-DAG: moe.param @w.scales.lanes : tensor<2x16xf32> = {

// CHECK-LABEL: func.func @run(
// The lanes that are no pixel are zero.
// CHECK: %[[ALL:.*]] = linalg.fill {{.*}} -> tensor<4x16xf32>
// CHECK: tensor.extract_slice %[[ALL]][0, 0] [4, 9] [1, 1]
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<1x6x6x1xf32>) outs(%{{.*}} : tensor<2x2x1x3x3x1xf32>)
// CHECK: %[[IN:.*]] = tensor.insert_slice %{{.*}} into %[[ALL]][0, 0] [4, 9] [1, 1]
// CHECK: %[[P:.*]] = tensor.expand_shape %[[IN]] {{.*}} output_shape [4, 1, 16]

// Magnitudes as bits.
// CHECK: %[[BITS:.*]] = linalg.generic {indexing_maps = [#[[FULL]], #[[ROW]]], iterator_types = ["parallel", "reduction", "reduction"]} ins(%[[P]] : tensor<4x1x16xf32>) outs(%{{.*}} : tensor<4xi32>)
// CHECK: %[[I:.*]] = arith.bitcast %{{.*}} : f32 to i32
// CHECK: %[[MASK:.*]] = arith.constant 2147483647 : i32
// CHECK: %[[ABS:.*]] = arith.andi %[[I]], %[[MASK]]
// CHECK: arith.maxsi %{{.*}}, %[[ABS]]
// CHECK: %[[SCALES:.*]] = linalg.generic {{.*}} ins(%[[BITS]] : tensor<4xi32>) outs(%{{.*}} : tensor<4xf32>)
// CHECK: arith.mulf
// CHECK: %[[INVERSE:.*]] = linalg.generic {{.*}} ins(%[[BITS]] : tensor<4xi32>) outs(%{{.*}} : tensor<4xf32>)
// CHECK: %[[LEAST:.*]] = arith.constant 1.000000e-30 : f32
// CHECK: %[[LARGEST:.*]] = arith.maximumf %{{.*}}, %[[LEAST]]
// CHECK: %[[LIMIT:.*]] = arith.constant 1.270000e+02 : f32
// CHECK: arith.divf %[[LIMIT]], %[[LARGEST]]
// 1.5 · 2^23 + 128 rounds and adds the zero point.
// CHECK: %[[Q:.*]] = linalg.generic {indexing_maps = [#[[FULL]], #[[ROW]], #[[FULL]]], {{.*}} ins(%[[P]], %[[INVERSE]] : tensor<4x1x16xf32>, tensor<4xf32>) outs(%{{.*}} : tensor<4x1x16xi8>)
// CHECK: %[[SCALED:.*]] = arith.mulf
// CHECK: %[[MAGIC:.*]] = arith.constant 0x4B400080 : f32
// CHECK: %[[SHIFTED:.*]] = arith.addf %[[SCALED]], %[[MAGIC]]
// CHECK: %[[LOW:.*]] = arith.bitcast %[[SHIFTED]] : f32 to i32
// CHECK: arith.trunci %[[LOW]] : i32 to i8

// CHECK: moe.weights @w.int8.packed : memref<2x4x64xi8>
// CHECK: tensor.expand_shape %{{.*}} output_shape [2, 4, 16, 4]
// CHECK: %[[A:.*]] = tensor.collapse_shape %[[Q]] {{.*}} : tensor<4x1x16xi8> into tensor<4x16xi8>
// CHECK: %[[ZERO:.*]] = linalg.fill ins(%{{.*}} : i32) {{.*}} -> tensor<4x2x16xi32>
// CHECK: %[[SUMS:.*]] = linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], {{.*}} ins(%[[A]], %{{.*}} : tensor<4x16xi8>, tensor<2x4x16x4xi8>) outs(%[[ZERO]] : tensor<4x2x16xi32>) {
// CHECK-NEXT: ^bb0(%[[L:.*]]: i8, %[[R:.*]]: i8, %[[S:.*]]: i32):
// CHECK-NEXT: %[[LW:.*]] = arith.extui %[[L]] : i8 to i32
// CHECK-NEXT: %[[RW:.*]] = arith.extsi %[[R]] : i8 to i32
// CHECK-NEXT: %[[M:.*]] = arith.muli %[[LW]], %[[RW]] : i32
// CHECK-NEXT: arith.addi %[[S]], %[[M]] : i32
// CHECK: moe.weights @w.int8.excess : memref<2x16xi32>
// CHECK: %[[EXACT:.*]] = linalg.generic {indexing_maps = [#[[FULL]], #[[LANES]], #[[FULL]]], {{.*}} ins(%[[SUMS]], %{{.*}} : tensor<4x2x16xi32>, tensor<2x16xi32>) outs(%{{.*}} : tensor<4x2x16xi32>)
// CHECK: arith.addi

// CHECK-DAG: moe.weights @w.scales.lanes : memref<2x16xf32>
// CHECK-DAG: moe.weights @b.lanes : memref<2x16xf32>
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[LANES]], #[[ROW]], #[[LANES]], #[[FULL]]], {{.*}} ins(%[[EXACT]], %{{.*}}, %[[SCALES]], %{{.*}} : tensor<4x2x16xi32>, tensor<2x16xf32>, tensor<4xf32>, tensor<2x16xf32>) outs(%{{.*}} : tensor<4x2x16xf32>) {
// CHECK-NEXT: ^bb0(%[[S:.*]]: i32, %[[V:.*]]: f32, %[[ROWS:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[S]] : i32 to f32
// CHECK-NEXT: %[[BOTH:.*]] = arith.mulf %[[V]], %[[ROWS]]
// CHECK-NEXT: %[[G:.*]] = arith.mulf %[[F]], %[[BOTH]]
// CHECK-NEXT: arith.addf %[[G]], %[[B]]
func.func @run(%image: tensor<1x6x6xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %image size 3, 3 : tensor<1x6x6xf32> -> tensor<4x9xf32>
  %q, %s = moe.quantize %p offset 128 : tensor<4x9xf32> -> tensor<4x9xi8>, tensor<4xf32>
  %w = moe.get @w.int8 : tensor<20x9xi8>
  %v = moe.get @w.scales : tensor<20xf32>
  %b = moe.get @b : tensor<20xf32>
  %a = moe.linear %q offset 128 weight(%w) groups(20, 9) : tensor<4x9xi8>, tensor<20x9xi8> -> tensor<4x20xi32>
  %y = moe.dequantize %a rows(%s) columns(%v) bias(%b) group 20
      : (tensor<4x20xi32>, tensor<4xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<4x20xf32>
  %l = moe.pool %y from 0 count 4 : tensor<4x20xf32> -> tensor<1x20xf32>
  return %l : tensor<1x20xf32>
}
}

// -----

// Signed, with one scale for all, which is in the columns': no excess, no row.
// CHECK-LABEL: module @signed
module @signed {
moe.param @w : tensor<20x16xf32>
moe.param @w.int8 : tensor<20x16xi8> = {
  %0 = moe.get @w : tensor<20x16xf32>
  %1 = moe.quantize_rows %0 : tensor<20x16xf32> -> tensor<20x16xi8>
  moe.yield %1 : tensor<20x16xi8>
}
moe.param @w.scales : tensor<20xf32> = {
  %0 = moe.get @w : tensor<20x16xf32>
  %1 = moe.row_scales %0 by 0.25 : tensor<20x16xf32> -> tensor<20xf32>
  moe.yield %1 : tensor<20xf32>
}
// CHECK-NOT: moe.row_sums
// CHECK-LABEL: func.func @run(
// CHECK-NOT: arith.maxsi
// What lies beyond the scale's reach is cut off.
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x1x16xi8>) {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %{{.*}}: i8):
// CHECK: %[[INVERSE:.*]] = arith.constant 4.000000e+00 : f32
// CHECK: %[[Y:.*]] = arith.mulf %[[X]], %[[INVERSE]]
// CHECK: %[[MOST:.*]] = arith.constant 1.270000e+02 : f32
// CHECK: %[[Z:.*]] = arith.minnumf %[[Y]], %[[MOST]]
// CHECK: %[[LEAST:.*]] = arith.constant -1.270000e+02 : f32
// CHECK: %[[CUT:.*]] = arith.maxnumf %[[Z]], %[[LEAST]]
// CHECK: %[[MAGIC:.*]] = arith.constant 0x4B400000 : f32
// CHECK: arith.addf %[[CUT]], %[[MAGIC]]
// CHECK: arith.trunci %{{.*}} : i32 to i8
// CHECK: %[[SUMS:.*]] = linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x16xi8>, tensor<2x4x16x4xi8>) outs(%{{.*}} : tensor<1x2x16xi32>) {
// CHECK-NEXT: ^bb0(%[[L:.*]]: i8, %{{.*}}: i8, %{{.*}}: i32):
// CHECK-NEXT: arith.extsi %[[L]] : i8 to i32
// CHECK-NOT: linalg.generic
// CHECK: linalg.generic {{.*}} ins(%[[SUMS]], %{{.*}} : tensor<1x2x16xi32>, tensor<2x16xf32>) outs(%{{.*}} : tensor<1x2x16xf32>) {
// CHECK-NEXT: ^bb0(%[[S:.*]]: i32, %[[V:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[S]] : i32 to f32
// CHECK-NEXT: %[[G:.*]] = arith.mulf %[[F]], %[[V]]
// CHECK-NEXT: linalg.yield %[[G]]
func.func @run(%image: tensor<1x4x4xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %image size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %q = moe.quantize %p scale 0.25 offset 0 : tensor<1x16xf32> -> tensor<1x16xi8>
  %w = moe.get @w.int8 : tensor<20x16xi8>
  %v = moe.get @w.scales : tensor<20xf32>
  %a = moe.linear %q weight(%w) groups(20, 16) : tensor<1x16xi8>, tensor<20x16xi8> -> tensor<1x20xi32>
  %y = moe.dequantize %a columns(%v) group 20
      : (tensor<1x20xi32>, tensor<20xf32>) -> tensor<1x20xf32>
  return %y : tensor<1x20xf32>
}
}

// -----

// One scale, unsigned: the zero point is in what rounds.
// CHECK-LABEL: module @constant_unsigned
// CHECK: arith.minnumf
// CHECK: arith.maxnumf
// CHECK: arith.constant 0x4B400080 : f32
// CHECK: arith.extui
// CHECK: moe.weights @w.int8.excess
module @constant_unsigned {
moe.param @w : tensor<16x16xf32>
moe.param @w.int8 : tensor<16x16xi8> = {
  %0 = moe.get @w : tensor<16x16xf32>
  %1 = moe.quantize_rows %0 : tensor<16x16xf32> -> tensor<16x16xi8>
  moe.yield %1 : tensor<16x16xi8>
}
moe.param @v : tensor<16xf32>
func.func @run(%image: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %p = moe.patches %image size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %q = moe.quantize %p scale 0.25 offset 128 : tensor<1x16xf32> -> tensor<1x16xi8>
  %w = moe.get @w.int8 : tensor<16x16xi8>
  %v = moe.get @v : tensor<16xf32>
  %a = moe.linear %q offset 128 weight(%w) groups(16, 16) : tensor<1x16xi8>, tensor<16x16xi8> -> tensor<1x16xi32>
  %y = moe.dequantize %a columns(%v) group 16
      : (tensor<1x16xi32>, tensor<16xf32>) -> tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}
}

// -----

// Attention: heads of ten channels are a panel each, in the weights that make
// queries, keys and values and in the one that reads what is mixed of them. One
// token asks. Patches of 3 by 3 leave lanes that are no pixel, of bf16 too.
// CHECK-LABEL: module @heads
module @heads {
moe.param @w : tensor<20x20xf32>
moe.param @b : tensor<20xf32>
moe.param @table : tensor<5x20xf32>
moe.param @w.bf16 : tensor<20x20xbf16> = {
  %0 = moe.get @w : tensor<20x20xf32>
  %1 = moe.round %0 : tensor<20x20xf32> -> tensor<20x20xbf16>
  moe.yield %1 : tensor<20x20xbf16>
}
moe.param @patch : tensor<20x1x3x3xf32>
moe.param @patch.bf16 : tensor<20x9xbf16> = {
  %0 = moe.get @patch : tensor<20x1x3x3xf32>
  %1 = moe.round %0 : tensor<20x1x3x3xf32> -> tensor<20x9xbf16>
  moe.yield %1 : tensor<20x9xbf16>
}
// CHECK-DAG: moe.pack_panels %{{.*}} groups(10, 20) interleave 2 : tensor<20x20xbf16> -> tensor<2x16x32xbf16>
// CHECK-DAG: moe.pack_panels %{{.*}} groups(20, 10) interleave 2 : tensor<20x20xbf16> -> tensor<2x16x32xbf16>
// CHECK-DAG: moe.pad_channels %{{.*}} group 10 : tensor<20xf32> -> tensor<2x16xf32>

// CHECK-LABEL: func.func @run(
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : bf16
// CHECK: linalg.fill ins(%[[ZERO]] : bf16) {{.*}} -> tensor<4x16xbf16>
// CHECK: tensor.insert_slice %{{.*}} : tensor<4x9xbf16> into tensor<4x16xbf16>
// The class token is a row of the table, the patches are added to the others.
// CHECK: %[[TABLE:.*]] = bufferization.to_tensor %{{.*}} : memref<5x2x16xf32>
// CHECK: %[[REST:.*]] = tensor.extract_slice %[[TABLE]][1, 0, 0] [4, 2, 16] [1, 1, 1]
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[REST]] : tensor<4x2x16xf32>, tensor<4x2x16xf32>)
// CHECK: tensor.extract_slice %[[TABLE]][0, 0, 0] [1, 2, 16] [1, 1, 1]
// CHECK: tensor.insert_slice
// CHECK: tensor.insert_slice {{.*}} into tensor<5x2x16xf32>

// CHECK: ins(%{{.*}}, %{{.*}} : tensor<1x32xbf16>, tensor<2x16x16x2xbf16>) outs(%{{.*}} : tensor<1x2x16xf32>)
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<5x32xbf16>, tensor<2x16x16x2xbf16>) outs(%{{.*}} : tensor<5x2x16xf32>)
// Scores and the mixture are of f32, by head: [heads, queries, keys].
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<1x2x16xf32>, tensor<2x16x1x16xf32>) outs(%{{.*}} : tensor<2x1x1x16xf32>)
// CHECK: math.exp
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<2x1x5xf32>, tensor<5x2x1x16xf32>) outs(%{{.*}} : tensor<1x2x1x16xf32>)
// CHECK: ins(%{{.*}} : tensor<1x2x16xf32>) outs(%{{.*}} : tensor<1x2x16xbf16>)
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<1x32xbf16>, tensor<2x16x16x2xbf16>) outs(%{{.*}} : tensor<1x2x16xf32>)
func.func @run(%image: tensor<1x6x6xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %image size 3, 3 : tensor<1x6x6xf32> -> tensor<4x9xbf16>
  %pw = moe.get @patch.bf16 : tensor<20x9xbf16>
  %e = moe.linear %p weight(%pw) groups(20, 9) : tensor<4x9xbf16>, tensor<20x9xbf16> -> tensor<4x20xf32>
  %t = moe.get @table : tensor<5x20xf32>
  %x = moe.place_tokens %e, %t prefix 1 : tensor<4x20xf32>, tensor<5x20xf32>
  %w = moe.get @w.bf16 : tensor<20x20xbf16>
  %b = moe.get @b : tensor<20xf32>
  %first = moe.slice_tokens %x from 0 : tensor<5x20xf32> -> tensor<1x20xf32>
  %fr = arith.truncf %first : tensor<1x20xf32> to tensor<1x20xbf16>
  %q = moe.linear %fr weight(%w) bias(%b) groups(10, 20) : tensor<1x20xbf16>, tensor<20x20xbf16>, tensor<20xf32> -> tensor<1x20xf32>
  %r = arith.truncf %x : tensor<5x20xf32> to tensor<5x20xbf16>
  %k = moe.linear %r weight(%w) bias(%b) groups(10, 20) : tensor<5x20xbf16>, tensor<20x20xbf16>, tensor<20xf32> -> tensor<5x20xf32>
  %a = moe.attend %q, %k, %k heads 2 scale 0.5 : tensor<1x20xf32>, tensor<5x20xf32>, tensor<5x20xf32>
  %ar = arith.truncf %a : tensor<1x20xf32> to tensor<1x20xbf16>
  %l = moe.linear %ar weight(%w) groups(20, 10) : tensor<1x20xbf16>, tensor<20x20xbf16> -> tensor<1x20xf32>
  return %l : tensor<1x20xf32>
}
}

// -----

// Without a prefix, the table is added to the patches as they are. A product of
// f32 is the one of other layers.
// CHECK-LABEL: module @plain
module @plain {
moe.param @w : tensor<16x16xf32>
moe.param @b : tensor<16xf32>
moe.param @table : tensor<1x16xf32>
// CHECK: moe.pack_panels %{{.*}} groups(16, 16) : tensor<16x16xf32> -> tensor<1x16x16xf32>
// CHECK-LABEL: func.func @run(
// CHECK-NOT: linalg.fill {{.*}} tensor<1x16xf32>
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x16xf32>, tensor<1x16x16xf32>) outs(%{{.*}} : tensor<1x1x16xf32>)
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NOT: tensor.insert_slice
// CHECK: return
func.func @run(%image: tensor<1x4x4xf32>) -> tensor<1x16xf32> {
  %p = moe.patches %image size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %w = moe.get @w : tensor<16x16xf32>
  %b = moe.get @b : tensor<16xf32>
  %t = moe.get @table : tensor<1x16xf32>
  %y = moe.linear %p weight(%w) bias(%b) groups(16, 16) : tensor<1x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<1x16xf32>
  %z = moe.place_tokens %y, %t prefix 0 : tensor<1x16xf32>, tensor<1x16xf32>
  return %z : tensor<1x16xf32>
}
}

// -----

// Only the weight is of integers: sums of f32, scaled by channel.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3 * 4 + d4)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d3, d2, d4)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2)>
// CHECK-DAG: #[[FULL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[LANES:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: module @only_weight
module @only_weight {
moe.param @w : tensor<20x16xf32>
moe.param @w.int8 : tensor<20x16xi8> = {
  %0 = moe.get @w : tensor<20x16xf32>
  %1 = moe.quantize_rows %0 : tensor<20x16xf32> -> tensor<20x16xi8>
  moe.yield %1 : tensor<20x16xi8>
}
// CHECK: moe.pack_panels %{{.*}} groups(20, 16) interleave 4 : tensor<20x16xi8> -> tensor<2x4x64xi8>
moe.param @v : tensor<20xf32>
moe.param @b : tensor<20xf32>
// CHECK-LABEL: func.func @run(
// CHECK: moe.weights @w.int8.packed : memref<2x4x64xi8>
// CHECK: %[[ZERO:.*]] = linalg.fill ins(%{{.*}} : f32) {{.*}} -> tensor<1x2x16xf32>
// CHECK: %[[SUMS:.*]] = linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%{{.*}}, %{{.*}} : tensor<1x16xf32>, tensor<2x4x16x4xi8>) outs(%[[ZERO]] : tensor<1x2x16xf32>) {
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: i8, %[[SUM:.*]]: f32):
// CHECK-NEXT: %[[BW:.*]] = arith.sitofp %[[B]] : i8 to f32
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[A]], %[[BW]] : f32
// CHECK-NEXT: %[[N:.*]] = arith.addf %[[SUM]], %[[M]] : f32
// CHECK-NEXT: linalg.yield %[[N]] : f32
// CHECK-NOT: .excess
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[LANES]], #[[LANES]], #[[FULL]]], {{.*}} ins(%[[SUMS]], %{{.*}}, %{{.*}} : tensor<1x2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>)
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[V:.*]]: f32, %[[O:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[G:.*]] = arith.mulf %[[S]], %[[V]] : f32
// CHECK-NEXT: %[[H:.*]] = arith.addf %[[G]], %[[O]] : f32
// CHECK-NEXT: linalg.yield %[[H]] : f32
func.func @run(%image: tensor<1x4x4xf32>) -> tensor<1x20xf32> {
  %p = moe.patches %image size 4, 4 : tensor<1x4x4xf32> -> tensor<1x16xf32>
  %w = moe.get @w.int8 : tensor<20x16xi8>
  %v = moe.get @v : tensor<20xf32>
  %b = moe.get @b : tensor<20xf32>
  %a = moe.linear %p weight(%w) groups(20, 16) : tensor<1x16xf32>, tensor<20x16xi8> -> tensor<1x20xf32>
  %y = moe.dequantize %a columns(%v) bias(%b) group 20
      : (tensor<1x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<1x20xf32>
  return %y : tensor<1x20xf32>
}
}

// -----

// Scales one after the other, in panels like logits.
// CHECK-LABEL: module @collect
module @collect {
// CHECK-LABEL: func.func @run(
// CHECK-SAME: memref<1x8x12xf32>, %[[OUT:.*]]: memref<18xf32>)
// CHECK: %[[S:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<6xi32>) outs(%{{.*}} : tensor<6xf32>)
// CHECK: arith.mulf
// CHECK: %[[U:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<12xi32>) outs(%{{.*}} : tensor<12xf32>)
// CHECK: arith.mulf
// CHECK: %[[ALL:.*]] = linalg.fill {{.*}} -> tensor<32xf32>
// CHECK: %[[ONE:.*]] = tensor.insert_slice %[[S]] into %[[ALL]][0] [6] [1] : tensor<6xf32> into tensor<32xf32>
// CHECK: %[[TWO:.*]] = tensor.insert_slice %[[U]] into %[[ONE]][6] [12] [1] : tensor<12xf32> into tensor<32xf32>
// CHECK: tensor.expand_shape %[[TWO]] {{.*}} output_shape [1, 2, 16]
// CHECK: %[[LOGITS:.*]] = tensor.extract_slice %{{.*}}[0] [18] [1]
// CHECK: bufferization.materialize_in_destination %[[LOGITS]] in writable %[[OUT]]
func.func @run(%image: tensor<1x8x12xf32>) -> tensor<1x18xf32> {
  %p = moe.patches %image size 4, 4 : tensor<1x8x12xf32> -> tensor<6x16xf32>
  %q, %s = moe.quantize %p offset 0 : tensor<6x16xf32> -> tensor<6x16xi8>, tensor<6xf32>
  %r = moe.patches %image size 2, 4 : tensor<1x8x12xf32> -> tensor<12x8xf32>
  %t, %u = moe.quantize %r offset 0 : tensor<12x8xf32> -> tensor<12x8xi8>, tensor<12xf32>
  %c = moe.collect %s, %u : tensor<6xf32>, tensor<12xf32> -> tensor<1x18xf32>
  return %c : tensor<1x18xf32>
}
}
