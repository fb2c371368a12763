// Layers of ViT variants in lower precision: the products are, the rest is f32.
// RUN: moe-opt %s --moe-set-precision=precision=bf16 --split-input-file | FileCheck %s
// RUN: moe-opt %s --moe-set-precision=precision=int8 --split-input-file | FileCheck %s --check-prefix=INT8

moe.param @qkv : tensor<48x16xf32>
moe.param @proj : tensor<16x16xf32>
moe.param @b : tensor<16xf32>
moe.param @n : tensor<8xf32>
moe.param @m : tensor<8xf32>
// Norms stay with what is between the products.
// CHECK-LABEL: func.func @norms(
// CHECK-DAG: %[[N:.*]] = moe.get @n :
// CHECK-DAG: %[[M:.*]] = moe.get @m :
// CHECK: moe.linear {{.*}} : tensor<5x16xbf16>
// CHECK: moe.attend %{{.*}}, %{{.*}}, %{{.*}} norms(%[[N]], %[[M]], %[[M]], %[[N]]) eps 1.000000e-03 heads 2 scale 5.000000e-01
// INT8-LABEL: func.func @norms(
// INT8: moe.dequantize
// INT8: moe.attend {{.*}} norms(
func.func @norms(%x: tensor<5x16xf32>) -> tensor<5x16xf32> {
  %w = moe.get @qkv : tensor<48x16xf32>
  %pw = moe.get @proj : tensor<16x16xf32>
  %pb = moe.get @b : tensor<16xf32>
  %n = moe.get @n : tensor<8xf32>
  %m = moe.get @m : tensor<8xf32>
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) norms(%n, %m, %m, %n) eps 1.0e-3 heads 2 scale 0.5
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32>,
        tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<5x16xf32>
  return %0 : tensor<5x16xf32>
}

// -----

// Patches without a bias, and two heads, whose inputs int8 spares.
moe.param @w : tensor<16x3x4x4xf32>
moe.param @h0 : tensor<10x16xf32>
moe.param @h1 : tensor<10x16xf32>
moe.param @b : tensor<10xf32>
// CHECK-LABEL: func.func @no_bias_two_heads(
// CHECK: %[[P:.*]] = moe.patches
// CHECK: moe.linear %[[P]] weight(%{{[a-z0-9]+}}) groups({{.*}}) : tensor<4x48xbf16>, tensor<16x48xbf16> -> tensor<4x16xf32>
// CHECK: moe.linear {{.*}} tensor<1x16xbf16>, tensor<10x16xbf16>
// CHECK: moe.linear {{.*}} tensor<1x16xbf16>, tensor<10x16xbf16>
// CHECK: moe.average {{.*}} : tensor<1x10xf32>
// INT8-LABEL: func.func @no_bias_two_heads(
// INT8: moe.quantize
// INT8: moe.dequantize %{{[a-z0-9]+}} rows(%{{.*}}) columns(%{{[a-z0-9]+}}) group 16
// INT8: moe.linear {{.*}} tensor<1x16xf32>, tensor<10x16xi8>
// INT8: moe.linear {{.*}} tensor<1x16xf32>, tensor<10x16xi8>
// INT8: moe.average
func.func @no_bias_two_heads(%i: tensor<3x8x8xf32>) -> tensor<1x10xf32> {
  %w = moe.get @w : tensor<16x3x4x4xf32>
  %0 = moe.patch_embed %i, %w : tensor<3x8x8xf32>, tensor<16x3x4x4xf32> -> tensor<4x16xf32>
  %1 = moe.slice_tokens %0 from 0 : tensor<4x16xf32> -> tensor<1x16xf32>
  %2 = moe.slice_tokens %0 from 1 : tensor<4x16xf32> -> tensor<1x16xf32>
  %h0 = moe.get @h0 : tensor<10x16xf32>
  %h1 = moe.get @h1 : tensor<10x16xf32>
  %b = moe.get @b : tensor<10xf32>
  %3 = moe.head %1 weight(%h0, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  %4 = moe.head %2 weight(%h1, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  %5 = moe.average %3, %4 : tensor<1x10xf32>
  return %5 : tensor<1x10xf32>
}
