// Where few tokens ask, no key and no value is made: their weights go to the
// queries and to the weighted sums of the tokens.
// RUN: moe-opt %s --split-input-file --convert-moe-to-linalg --canonicalize --cse | FileCheck %s

module @one {
moe.param @qkv.w : tensor<48x16xf32>
moe.param @qkv.b : tensor<48xf32>
moe.param @proj.w : tensor<16x16xf32>
moe.param @proj.b : tensor<16xf32>
moe.param @patch.w : tensor<16x1x2x2xf32>
moe.param @patch.b : tensor<16xf32>

// Two heads of 8 channels, each in a panel of its own. The keys' weight takes a
// query of a head to the 16 channels of a token.
// CHECK-DAG: moe.param @qkv.w.query : tensor<2x16x16xf32> = {
// CHECK-DAG: %[[Q:.*]] = moe.slice_rows %{{.*}} from 0 : tensor<48x16xf32> -> tensor<16x16xf32>
// CHECK-DAG: moe.pack_panels %[[Q]] groups(8, 16)
// CHECK-DAG: moe.param @qkv.w.key : tensor<2x16x16xf32> = {
// CHECK-DAG: %[[K:.*]] = moe.slice_rows %{{.*}} from 16 :
// CHECK-DAG: %[[T:.*]] = moe.transpose_blocks %[[K]] : tensor<16x16xf32> -> tensor<32x8xf32>
// CHECK-DAG: moe.pack_panels %[[T]] groups(16, 8)
// CHECK-DAG: moe.param @qkv.w.value : tensor<2x16x16xf32> = {
// CHECK-DAG: %[[V:.*]] = moe.slice_rows %{{.*}} from 32 :
// CHECK-DAG: moe.pack_panels %[[V]] groups(8, 16)

// CHECK-LABEL: func.func @run(
// Nothing but the patches is as long as the tokens: no key, no value.
// CHECK: linalg.fill {{.*}} outs(%{{.*}} : tensor<6x6x1x16xf32>)
// CHECK-NOT: tensor<36x2x16xf32>
// CHECK: moe.weights @qkv.w.query
// CHECK: moe.weights @qkv.w.key
// A row for each head: scores of 36 tokens in three panels, then the sums.
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3x16xf32>)
// CHECK: math.exp
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<2x36xf32>, tensor<36x1x16xf32>)
// CHECK: moe.weights @qkv.w.value
// CHECK: return
func.func @run(%image: tensor<1x12x12xf32>) -> tensor<1x16xf32> {
  %pw = moe.get @patch.w : tensor<16x1x2x2xf32>
  %pb = moe.get @patch.b : tensor<16xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<1x12x12xf32>, tensor<16x1x2x2xf32>, tensor<16xf32> -> tensor<36x16xf32>
  %w = moe.get @qkv.w : tensor<48x16xf32>
  %b = moe.get @qkv.b : tensor<48xf32>
  %ow = moe.get @proj.w : tensor<16x16xf32>
  %ob = moe.get @proj.b : tensor<16xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%ow, %ob) heads 2 scale 1.0 queries from 3
      : tensor<36x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}
}

// -----

// Half of the tokens ask: keys and values are less work.
module @many {
moe.param @qkv.w : tensor<48x16xf32>
moe.param @proj.w : tensor<16x16xf32>
moe.param @proj.b : tensor<16xf32>
moe.param @patch.w : tensor<16x1x2x2xf32>
moe.param @patch.b : tensor<16xf32>

// CHECK-LABEL: module @many
// CHECK-NOT: moe.slice_rows
// CHECK: moe.param @qkv.w.packed : tensor<6x16x16xf32>
// CHECK-NOT: moe.slice_rows
// CHECK: func.func @run(
// CHECK: tensor<36x4x16xf32>
func.func @run(%image: tensor<1x12x12xf32>) -> tensor<1x16xf32> {
  %pw = moe.get @patch.w : tensor<16x1x2x2xf32>
  %pb = moe.get @patch.b : tensor<16xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<1x12x12xf32>, tensor<16x1x2x2xf32>, tensor<16xf32> -> tensor<36x16xf32>
  %w = moe.get @qkv.w : tensor<48x16xf32>
  %ow = moe.get @proj.w : tensor<16x16xf32>
  %ob = moe.get @proj.b : tensor<16xf32>
  %0 = moe.attention %x qkv(%w) proj(%ow, %ob) heads 2 scale 1.0 queries from 3
      : tensor<36x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<18x16xf32>
  %1 = moe.pool %0 from 0 count 18 : tensor<18x16xf32> -> tensor<1x16xf32>
  return %1 : tensor<1x16xf32>
}
}

// -----

// Two queries, from row 7 on, of heads of 20 channels in two panels each. Without
// a bias nothing is added to query or value, only the projection's bias at the
// end; a row of scores for each query and head, scaled.
module @two {
moe.param @qkv.w : tensor<120x40xf32>
moe.param @proj.w : tensor<40x40xf32>
moe.param @proj.b : tensor<40xf32>
moe.param @patch.w : tensor<40x1x2x2xf32>
moe.param @patch.b : tensor<40xf32>

// CHECK-LABEL: module @two
// CHECK-DAG: moe.param @qkv.w.query : tensor<4x48x16xf32>
// CHECK-DAG: moe.pack_panels %{{.*}} groups(20, 40)
// CHECK-DAG: moe.param @qkv.w.key : tensor<6x32x16xf32>
// CHECK-DAG: moe.transpose_blocks %{{.*}} : tensor<40x40xf32> -> tensor<80x20xf32>
// CHECK-DAG: moe.param @qkv.w.value : tensor<4x48x16xf32>
// CHECK-LABEL: func.func @run(
// CHECK-DAG: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
// CHECK: %[[X:.*]] = tensor.extract_slice %{{.*}}[7, 0, 0] [2, 3, 16] [1, 1, 1]
// CHECK: moe.weights @qkv.w.query
// CHECK: %[[Q:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x4x16xf32>)
// CHECK: tensor.expand_shape %[[Q]] {{.*}} : tensor<2x4x16xf32> into tensor<2x2x2x16xf32>
// CHECK: moe.weights @qkv.w.key
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x2x3x16xf32>)
// CHECK: %[[S:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x3x16xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[S]], %[[HALF]] : tensor<4x3x16xf32>, f32)
// CHECK-NEXT: ^bb0(%[[IN:.*]]: f32, %[[BY:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: arith.mulf %[[IN]], %[[BY]] : f32
// CHECK-NEXT: linalg.yield
// CHECK: math.exp
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<4x36xf32>, tensor<36x3x16xf32>)
// CHECK: moe.weights @qkv.w.value
// CHECK: %[[V:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x2x2x16xf32>)
// CHECK: tensor.collapse_shape %[[V]] {{.*}} into tensor<2x64xf32>
// CHECK: return
func.func @run(%image: tensor<1x12x12xf32>) -> tensor<1x40xf32> {
  %pw = moe.get @patch.w : tensor<40x1x2x2xf32>
  %pb = moe.get @patch.b : tensor<40xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<1x12x12xf32>, tensor<40x1x2x2xf32>, tensor<40xf32> -> tensor<36x40xf32>
  %w = moe.get @qkv.w : tensor<120x40xf32>
  %ow = moe.get @proj.w : tensor<40x40xf32>
  %ob = moe.get @proj.b : tensor<40xf32>
  %0 = moe.attention %x qkv(%w) proj(%ow, %ob) heads 2 scale 0.5 queries from 7
      : tensor<36x40xf32>, tensor<120x40xf32>, tensor<40x40xf32>, tensor<40xf32> -> tensor<2x40xf32>
  %1 = moe.pool %0 from 0 count 2 : tensor<2x40xf32> -> tensor<1x40xf32>
  return %1 : tensor<1x40xf32>
}
}

// -----

// One query of 8 tokens: 2 * 4 * 4 + 2 * 8 * 4 * 2 = 160 multiply-adds, exactly
// half of 2 * 8 * 4 * 4 + 2 * 8 * 4 = 320.
module @half {
moe.param @qkv.w : tensor<12x4xf32>
moe.param @proj.w : tensor<4x4xf32>
moe.param @proj.b : tensor<4xf32>
moe.param @patch.w : tensor<4x1x2x2xf32>
moe.param @patch.b : tensor<4xf32>

// CHECK-LABEL: module @half
// CHECK-NOT: @qkv.w.packed
// CHECK: moe.param @qkv.w.query
// CHECK-NOT: @qkv.w.packed
// CHECK: return
func.func @run(%image: tensor<1x8x4xf32>) -> tensor<1x4xf32> {
  %pw = moe.get @patch.w : tensor<4x1x2x2xf32>
  %pb = moe.get @patch.b : tensor<4xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<1x8x4xf32>, tensor<4x1x2x2xf32>, tensor<4xf32> -> tensor<8x4xf32>
  %w = moe.get @qkv.w : tensor<12x4xf32>
  %ow = moe.get @proj.w : tensor<4x4xf32>
  %ob = moe.get @proj.b : tensor<4xf32>
  %0 = moe.attention %x qkv(%w) proj(%ow, %ob) heads 2 scale 1.0
      : tensor<8x4xf32>, tensor<12x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}
}

// -----

// Of 7 tokens: 144 are more than half of 280.
module @more_than_half {
moe.param @qkv.w : tensor<12x4xf32>
moe.param @proj.w : tensor<4x4xf32>
moe.param @proj.b : tensor<4xf32>
moe.param @patch.w : tensor<4x1x2x2xf32>
moe.param @patch.b : tensor<4xf32>

// CHECK-LABEL: module @more_than_half
// CHECK-NOT: @qkv.w.query
// CHECK: moe.param @qkv.w.packed
// CHECK-NOT: @qkv.w.query
// CHECK: return
func.func @run(%image: tensor<1x14x2xf32>) -> tensor<1x4xf32> {
  %pw = moe.get @patch.w : tensor<4x1x2x2xf32>
  %pb = moe.get @patch.b : tensor<4xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<1x14x2xf32>, tensor<4x1x2x2xf32>, tensor<4xf32> -> tensor<7x4xf32>
  %w = moe.get @qkv.w : tensor<12x4xf32>
  %ow = moe.get @proj.w : tensor<4x4xf32>
  %ob = moe.get @proj.b : tensor<4xf32>
  %0 = moe.attention %x qkv(%w) proj(%ow, %ob) heads 2 scale 1.0
      : tensor<7x4xf32>, tensor<12x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}
}
