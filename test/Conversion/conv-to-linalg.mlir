// RUN: moe-opt %s --convert-moe-to-linalg --canonicalize --cse --split-input-file | FileCheck %s

// CHECK-DAG: #[[IMAGE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d4, d0 * 2 + d5, d1 + d6)>
// CHECK-DAG: #[[TAPPED:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0 * 2 + d4, d1 * 2 + d5, d2, d3)>
// CHECK-DAG: #[[TAPS:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d4, d5, d2, d3)>
// CHECK-DAG: #[[MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0 + d4, d1 + d5, d6)>
// CHECK-DAG: #[[PATCH:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0 * 3 + d4, d1 * 2 + d5, d6)>

// The image's channels come first, as the weight has them; a map's come last.
// CHECK: moe.param @w0.packed : tensor<2x27x16xf32> = {
// CHECK-NOT: moe.permute
// CHECK: moe.pack_panels {{.*}} groups(20, 0) : tensor<20x3x3x3xf32>
moe.param @w0 : tensor<20x3x3x3xf32>
moe.param @b0 : tensor<20xf32>
// CHECK: moe.param @w1.taps : tensor<1x3x3x2x16xf32> = {
// CHECK: moe.permute {{.*}} [1, 2, 3, 0] : tensor<20x1x3x3xf32> -> tensor<1x3x3x20xf32>
// CHECK: moe.pad_channels {{.*}} group 20
moe.param @w1 : tensor<20x1x3x3xf32>
// CHECK: moe.param @w2.packed : tensor<1x20x16xf32> = {
// CHECK: moe.permute {{.*}} [0, 2, 3, 1] : tensor<8x20x1x1xf32> -> tensor<8x1x1x20xf32>
// CHECK: moe.pack_panels {{.*}} groups(8, 0)
moe.param @w2 : tensor<8x20x1x1xf32>
// CHECK: moe.param @p.packed : tensor<1x48x16xf32> = {
// CHECK: moe.permute {{.*}} [0, 2, 3, 1] : tensor<4x8x3x2xf32> -> tensor<4x3x2x8xf32>
moe.param @p : tensor<4x8x3x2xf32>
moe.param @o : tensor<4xf32>
moe.param @h : tensor<2x4xf32>
moe.param @hb : tensor<2xf32>

// CHECK-LABEL: func.func @run(
func.func @run(%image: tensor<3x9x20xf32>) -> tensor<1x2xf32> {
  // The image within its border.
  // CHECK: %[[I:.*]] = bufferization.alloc_tensor() : tensor<3x11x22xf32>
  // CHECK-COUNT-4: linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<3x{{.*}}xf32>)
  // CHECK: %[[PADDED:.*]] = tensor.insert_slice %{{.*}} into %{{.*}}[0, 1, 1] [3, 9, 20]
  // CHECK: linalg.generic {indexing_maps = [#[[IMAGE]], {{.*}} ins(%[[PADDED]], %{{.*}} : tensor<3x11x22xf32>, tensor<2x3x3x3x16xf32>) outs(%{{.*}} : tensor<5x20x2x16xf32>)
  // CHECK: arith.mulf
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<5x20x2x16xf32>)
  // CHECK: arith.addf
  %w0 = moe.get @w0 : tensor<20x3x3x3xf32>
  %b0 = moe.get @b0 : tensor<20xf32>
  %0 = moe.conv %image, %w0 bias(%b0) stride [2, 1] padding [1, 1] : tensor<3x9x20xf32>, tensor<20x3x3x3xf32>, tensor<20xf32> -> tensor<20x5x20xf32>
  // What comes before a convolution that pads writes inside of the zeros. On the
  // right, no window goes beyond the map.
  // CHECK: bufferization.alloc_tensor() : tensor<7x21x2x16xf32>
  // CHECK: linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<1x21x2x16xf32>)
  // CHECK: linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<5x1x2x16xf32>)
  // CHECK: linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<1x21x2x16xf32>)
  // CHECK: %[[INSIDE:.*]] = tensor.extract_slice %[[BORDER:.*]][1, 1, 0, 0] [5, 20, 2, 16]
  // CHECK: %[[RELU:.*]] = linalg.generic {{.*}} outs(%[[INSIDE]] : tensor<5x20x2x16xf32>)
  // CHECK: arith.maximumf
  // CHECK: %[[WHOLE:.*]] = tensor.insert_slice %[[RELU]] into %[[BORDER]][1, 1, 0, 0]
  %1 = moe.activate %0 relu : tensor<20x5x20xf32>
  // CHECK: linalg.generic {indexing_maps = [#[[TAPPED]], #[[TAPS]], {{.*}}iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
  // CHECK-SAME: ins(%[[WHOLE]], %{{.*}} : tensor<7x21x2x16xf32>, tensor<3x3x2x16xf32>) outs(%{{.*}} : tensor<3x10x2x16xf32>)
  %w1 = moe.get @w1 : tensor<20x1x3x3xf32>
  %2 = moe.conv %1, %w1 stride [2, 2] padding [1, 1] depthwise : tensor<20x5x20xf32>, tensor<20x1x3x3xf32> -> tensor<20x3x10xf32>
  // Only the channels that are there: 20 of 32 lanes.
  // CHECK: %[[LANES:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [3, 10, 20] [1, 1, 1] : tensor<3x10x32xf32>
  // CHECK: %[[SUMS:.*]] = linalg.generic {indexing_maps = [#[[MAP]], {{.*}} ins(%[[LANES]], %{{.*}} : tensor<3x10x20xf32>, tensor<1x1x1x20x16xf32>) outs(%{{.*}} : tensor<3x10x1x16xf32>)
  %w2 = moe.get @w2 : tensor<8x20x1x1xf32>
  %3 = moe.conv %2, %w2 stride [1, 1] padding [0, 0] : tensor<20x3x10xf32>, tensor<8x20x1x1xf32> -> tensor<8x3x10xf32>
  // CHECK: linalg.generic {{.*}} ins(%[[SUMS]], %[[SUMS]] : tensor<3x10x1x16xf32>, tensor<3x10x1x16xf32>)
  %4 = arith.addf %3, %3 : tensor<8x3x10xf32>
  %5 = moe.activate %4 hardswish : tensor<8x3x10xf32>
  // CHECK: arith.cmpf ogt
  // CHECK: arith.select
  // CHECK: arith.cmpf olt
  // CHECK: arith.select
  // CHECK: linalg.generic {indexing_maps = [#[[PATCH]], {{.*}} ins(%{{.*}}, %{{.*}} : tensor<3x10x8xf32>, tensor<1x3x2x8x16xf32>) outs(%{{.*}} : tensor<1x5x1x16xf32>)
  %p = moe.get @p : tensor<4x8x3x2xf32>
  %o = moe.get @o : tensor<4xf32>
  %6 = moe.patch_embed %5, %p, %o : tensor<8x3x10xf32>, tensor<4x8x3x2xf32>, tensor<4xf32> -> tensor<5x4xf32>
  %7 = moe.slice_tokens %6 from 0 : tensor<5x4xf32> -> tensor<1x4xf32>
  %h = moe.get @h : tensor<2x4xf32>
  %hb = moe.get @hb : tensor<2xf32>
  %8 = moe.head %7 weight(%h, %hb) : tensor<1x4xf32>, tensor<2x4xf32>, tensor<2xf32> -> tensor<1x2xf32>
  return %8 : tensor<1x2xf32>
}
