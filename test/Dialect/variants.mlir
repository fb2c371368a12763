// Ops of ViT variants: what is printed can be parsed.
// RUN: moe-opt %s --split-input-file | moe-opt --split-input-file | FileCheck %s
// RUN: moe-opt %s --split-input-file --canonicalize | FileCheck %s --check-prefix=CANON

moe.param @w : tensor<16x24xf32>
moe.param @b : tensor<16xf32>
// CHECK: moe.param @scaled
// CHECK: moe.scale_outputs %{{.*}}, %{{.*}} : tensor<16x24xf32>, tensor<16xf32>
moe.param @scaled : tensor<16x24xf32> = {
  %w = moe.get @w : tensor<16x24xf32>
  %g = moe.get @b : tensor<16xf32>
  %0 = moe.scale_outputs %w, %g : tensor<16x24xf32>, tensor<16xf32>
  moe.yield %0 : tensor<16x24xf32>
}
// CHECK: moe.scale_outputs %{{.*}}, %{{.*}} : tensor<16xf32>, tensor<16xf32>
moe.param @scaled.bias : tensor<16xf32> = {
  %b = moe.get @b : tensor<16xf32>
  %0 = moe.scale_outputs %b, %b : tensor<16xf32>, tensor<16xf32>
  moe.yield %0 : tensor<16xf32>
}
moe.param @positions : tensor<1x4x16xf32>
moe.param @registers : tensor<1x2x16xf32>
// CHECK: moe.token_table %{{[0-9]+}} tokens(%{{.*}}, %{{.*}}) : (tensor<1x4x16xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>) -> tensor<8x16xf32>
moe.param @table : tensor<8x16xf32> = {
  %p = moe.get @positions : tensor<1x4x16xf32>
  %r = moe.get @registers : tensor<1x2x16xf32>
  %0 = moe.token_table %p tokens(%r, %r) : (tensor<1x4x16xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>) -> tensor<8x16xf32>
  moe.yield %0 : tensor<8x16xf32>
}
// CHECK: moe.token_table %{{[0-9]+}} : (tensor<1x4x16xf32>) -> tensor<4x16xf32>
moe.param @positions.alone : tensor<4x16xf32> = {
  %p = moe.get @positions : tensor<1x4x16xf32>
  %0 = moe.token_table %p : (tensor<1x4x16xf32>) -> tensor<4x16xf32>
  moe.yield %0 : tensor<4x16xf32>
}

// CHECK-LABEL: func.func @tokens(
// CHECK: moe.patch_embed %{{.*}}, %{{[a-z0-9]+}} : tensor<3x8x8xf32>, tensor<16x3x4x4xf32> -> tensor<4x16xf32>
// CHECK: moe.class_token %{{.*}}, %{{.*}} : tensor<4x16xf32>, tensor<1x3x16xf32> -> tensor<7x16xf32>
func.func @tokens(%i: tensor<3x8x8xf32>, %w: tensor<16x3x4x4xf32>, %r: tensor<1x3x16xf32>) -> tensor<7x16xf32> {
  %0 = moe.patch_embed %i, %w : tensor<3x8x8xf32>, tensor<16x3x4x4xf32> -> tensor<4x16xf32>
  %1 = moe.class_token %0, %r : tensor<4x16xf32>, tensor<1x3x16xf32> -> tensor<7x16xf32>
  return %1 : tensor<7x16xf32>
}

// CHECK-LABEL: func.func @pools(
// CHECK: moe.pool %{{.*}} from 1 count 4 max : tensor<5x16xf32> -> tensor<1x16xf32>
// CHECK: moe.average %{{.*}}, %{{.*}} : tensor<1x16xf32>
// CHECK: moe.layer_scale %{{.*}}, %{{.*}} : tensor<1x16xf32>, tensor<16xf32>
func.func @pools(%x: tensor<5x16xf32>, %g: tensor<16xf32>) -> tensor<1x16xf32> {
  %0 = moe.pool %x from 1 count 4 max : tensor<5x16xf32> -> tensor<1x16xf32>
  %1 = moe.average %0, %0 : tensor<1x16xf32>
  %2 = moe.layer_scale %1, %g : tensor<1x16xf32>, tensor<16xf32>
  return %2 : tensor<1x16xf32>
}

// The largest of one row is the row.
// CANON-LABEL: func.func @largest_of_one(
// CANON-NEXT: moe.slice_tokens %{{.*}} from 2
func.func @largest_of_one(%x: tensor<5x16xf32>) -> tensor<1x16xf32> {
  %0 = moe.pool %x from 2 count 1 max : tensor<5x16xf32> -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}

// CHECK-LABEL: func.func @norms(
// CHECK: moe.attention %{{.*}} qkv(%{{.*}}, %{{.*}}) proj(%{{.*}}, %{{.*}}) norms(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) eps 0.000000e+00 heads 2 scale 5.000000e-01 queries from 1
// CHECK-SAME: tensor<16x16xf32>, tensor<16xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<1x16xf32>
// CHECK: moe.attention %{{.*}} qkv(%{{[a-z0-9]+}}) proj(%{{.*}}, %{{.*}}) norms(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) eps 1.000000e-03 heads 2
// CHECK: moe.attend %{{.*}}, %{{.*}}, %{{.*}} norms(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) eps 1.000000e-03 heads 2 scale 1.000000e+00 : tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
func.func @norms(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>,
                 %pw: tensor<16x16xf32>, %pb: tensor<16xf32>, %n: tensor<8xf32>) -> tensor<5x16xf32> {
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) norms(%n, %n, %n, %n) eps 0.0 heads 2 scale 0.5 queries from 1
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<1x16xf32>
  %1 = moe.attention %x qkv(%w) proj(%pw, %pb) norms(%n, %n, %n, %n) eps 1.0e-3 heads 2 scale 0.5
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<5x16xf32>
  %2 = moe.attend %1, %1, %1 norms(%n, %n, %n, %n) eps 1.0e-3 heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
  return %2 : tensor<5x16xf32>
}
