// Attention's scale goes into the rows of the queries.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s
// RUN: moe-opt %s --moe-fold-constants --split-input-file \
// RUN:   | FileCheck %s --check-prefix=BIAS

moe.param @qkv.w : tensor<24x8xf32>
moe.param @qkv.b : tensor<24xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
// CHECK: moe.param @qkv.w.scaled : tensor<24x8xf32> = {
// CHECK:   %[[W:.*]] = moe.get @qkv.w :
// CHECK:   %[[S:.*]] = moe.scale_rows %[[W]] count 8 by 5.000000e-01
// CHECK:   moe.yield %[[S]]
// CHECK: moe.param @qkv.b.scaled : tensor<24xf32> = {
// CHECK:   %[[B:.*]] = moe.get @qkv.b :
// CHECK:   %[[S:.*]] = moe.scale_rows %[[B]] count 8 by 5.000000e-01
// CHECK:   moe.yield %[[S]]
// CHECK-LABEL: func.func @weight_and_bias(
// CHECK-DAG: %[[W:.*]] = moe.get @qkv.w.scaled :
// CHECK-DAG: %[[B:.*]] = moe.get @qkv.b.scaled :
// CHECK-DAG: %[[PW:.*]] = moe.get @proj.w :
// CHECK-DAG: %[[PB:.*]] = moe.get @proj.b :
// CHECK: moe.attention %{{.*}} qkv(%[[W]], %[[B]]) proj(%[[PW]], %[[PB]]) heads 2 scale 1.000000e+00
func.func @weight_and_bias(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %b = moe.get @qkv.b : tensor<24xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// -----

// Without a bias there is none afterwards.
moe.param @qkv.w : tensor<24x8xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
// CHECK: moe.param @qkv.w.scaled :
// CHECK-LABEL: func.func @no_bias(
// CHECK: %[[W:.*]] = moe.get @qkv.w.scaled :
// CHECK: moe.attention %{{.*}} qkv(%[[W]]) proj({{.*}}) heads 2 scale 1.000000e+00
func.func @no_bias(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// -----

// The LayerNorm's shift becomes part of the query's bias, which the scale must
// reach: norm first, then scale, for the weight and for the bias that was not
// there before.
moe.param @norm.g : tensor<8xf32>
moe.param @norm.s : tensor<8xf32>
moe.param @qkv.w : tensor<24x8xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
// CHECK: moe.param @[[AFTER:qkv.w.after.norm.g]] : tensor<24x8xf32> = {
// CHECK:   moe.scale_columns
// CHECK: moe.param @[[SCALED:qkv.w.after.norm.g.scaled]] : tensor<24x8xf32> = {
// CHECK:   %[[W:.*]] = moe.get @[[AFTER]] :
// CHECK:   moe.scale_rows %[[W]] count 8 by 5.000000e-01
// BIAS: moe.param @qkv.w.after.norm.g.bias : tensor<24xf32> = {
// BIAS:   %[[W:.*]] = moe.get @qkv.w :
// BIAS:   %[[S:.*]] = moe.get @norm.s :
// BIAS:   moe.absorb_shift %[[W]], %[[S]] : tensor<24x8xf32>, tensor<8xf32> -> tensor<24xf32>
// BIAS: moe.param @qkv.w.after.norm.g.bias.scaled : tensor<24xf32> = {
// BIAS:   %[[B:.*]] = moe.get @qkv.w.after.norm.g.bias :
// BIAS:   moe.scale_rows %[[B]] count 8 by 5.000000e-01
// CHECK-LABEL: func.func @norm_then_scale(
// CHECK: %[[N:.*]] = moe.layer_norm %{{[a-z0-9]+}} eps
// CHECK-DAG: %[[W:.*]] = moe.get @[[SCALED]] :
// CHECK-DAG: %[[B:.*]] = moe.get @qkv.w.after.norm.g.bias.scaled :
// CHECK: moe.attention %[[N]] qkv(%[[W]], %[[B]])
func.func @norm_then_scale(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %g = moe.get @norm.g : tensor<8xf32>
  %s = moe.get @norm.s : tensor<8xf32>
  %n = moe.layer_norm %x affine(%g, %s) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %0 = moe.attention %n qkv(%w) proj(%pw, %pb) heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// -----

// A scale of one is none; weights that are not parameters stay.
moe.param @qkv.w : tensor<24x8xf32>
moe.param @qkv.b : tensor<24xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
// CHECK-NOT: scaled
// CHECK-LABEL: func.func @left_alone(
// CHECK-SAME: %{{.*}}: tensor<5x8xf32>, %[[W:.*]]: tensor<24x8xf32>)
// CHECK: moe.attention {{.*}} scale 1.000000e+00
// CHECK: moe.attention %{{.*}} qkv(%[[W]], %{{.*}}) {{.*}} scale 5.000000e-01
func.func @left_alone(%x: tensor<5x8xf32>, %w: tensor<24x8xf32>) -> tensor<5x8xf32> {
  %w1 = moe.get @qkv.w : tensor<24x8xf32>
  %b = moe.get @qkv.b : tensor<24xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %0 = moe.attention %x qkv(%w1, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  %1 = moe.attention %0 qkv(%w, %b) proj(%pw, %pb) heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  return %1 : tensor<5x8xf32>
}

// -----

// With a norm of the queries, the scale goes there: it is what comes last.
moe.param @qkv.w : tensor<24x8xf32>
moe.param @qkv.b : tensor<24xf32>
moe.param @proj.w : tensor<8x8xf32>
moe.param @proj.b : tensor<8xf32>
moe.param @q.g : tensor<4xf32>
moe.param @q.s : tensor<4xf32>
moe.param @k.g : tensor<4xf32>
moe.param @k.s : tensor<4xf32>
// CHECK: moe.param @q.g.scaled : tensor<4xf32> = {
// CHECK:   %[[G:.*]] = moe.get @q.g :
// CHECK:   moe.scale_rows %[[G]] count 4 by 5.000000e-01
// CHECK: moe.param @q.s.scaled : tensor<4xf32> = {
// CHECK-LABEL: func.func @norms(
// CHECK-DAG: %[[W:.*]] = moe.get @qkv.w :
// CHECK-DAG: %[[B:.*]] = moe.get @qkv.b :
// CHECK-DAG: %[[QG:.*]] = moe.get @q.g.scaled :
// CHECK-DAG: %[[QS:.*]] = moe.get @q.s.scaled :
// CHECK-DAG: %[[KG:.*]] = moe.get @k.g :
// CHECK-DAG: %[[KS:.*]] = moe.get @k.s :
// CHECK: moe.attention %{{.*}} qkv(%[[W]], %[[B]]) {{.*}} norms(%[[QG]], %[[QS]], %[[KG]], %[[KS]]) eps 1.000000e-03 heads 2 scale 1.000000e+00
func.func @norms(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @qkv.w : tensor<24x8xf32>
  %b = moe.get @qkv.b : tensor<24xf32>
  %pw = moe.get @proj.w : tensor<8x8xf32>
  %pb = moe.get @proj.b : tensor<8xf32>
  %qg = moe.get @q.g : tensor<4xf32>
  %qs = moe.get @q.s : tensor<4xf32>
  %kg = moe.get @k.g : tensor<4xf32>
  %ks = moe.get @k.s : tensor<4xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) norms(%qg, %qs, %kg, %ks) eps 1.0e-3 heads 2 scale 0.5
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32>,
        tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}
