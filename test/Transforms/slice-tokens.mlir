// Only the tokens that the answer depends on are computed.
// RUN: moe-opt %s --moe-slice-tokens --split-input-file | FileCheck %s

// The last block, class token pooled: one query, one token from there on; all
// tokens still answer it.
// CHECK-LABEL: func.func @last_block(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<5x8xf32>
// CHECK: %[[N:.*]] = moe.layer_norm %[[X]] eps {{.*}} : tensor<5x8xf32>
// CHECK: %[[A:.*]] = moe.attention %[[N]] {{.*}} : tensor<5x8xf32>, {{.*}} -> tensor<1x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[X]] from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
// CHECK: %[[SUM:.*]] = arith.addf %[[S]], %[[A]] : tensor<1x8xf32>
// CHECK: %[[N2:.*]] = moe.layer_norm %[[SUM]] eps {{.*}} : tensor<1x8xf32>
// CHECK: %[[M:.*]] = moe.mlp %[[N2]] {{.*}} : tensor<1x8xf32>
// CHECK: %[[SUM2:.*]] = arith.addf %[[SUM]], %[[M]] : tensor<1x8xf32>
// CHECK: %[[N3:.*]] = moe.layer_norm %[[SUM2]] affine({{.*}}) eps {{.*}} : tensor<1x8xf32>
// CHECK-NOT: slice_tokens
// CHECK: return %[[N3]]
func.func @last_block(%x: tensor<5x8xf32>, %qw: tensor<24x8xf32>,
                      %qb: tensor<24xf32>, %pw: tensor<8x8xf32>,
                      %b: tensor<8xf32>, %w1: tensor<16x8xf32>,
                      %b1: tensor<16xf32>, %w2: tensor<8x16xf32>) -> tensor<1x8xf32> {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %a = moe.attention %n qkv(%qw, %qb) proj(%pw, %b) heads 2 scale 1.0
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
  %s = arith.addf %x, %a : tensor<5x8xf32>
  %n2 = moe.layer_norm %s eps 0.0 : tensor<5x8xf32>
  %m = moe.mlp %n2 fc1(%w1, %b1) fc2(%w2, %b) gelu
      : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
  %s2 = arith.addf %s, %m : tensor<5x8xf32>
  %n3 = moe.layer_norm %s2 affine(%b, %b) eps 0.0 : tensor<5x8xf32>, tensor<8xf32>, tensor<8xf32>
  %c = moe.pool %n3 from 0 count 1 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// Attention's own queries: a slice of some of them.
// CHECK-LABEL: func.func @queries_of_queries(
// CHECK: moe.attention {{.*}} queries from 3 : {{.*}} -> tensor<1x8xf32>
// CHECK-NOT: slice_tokens
func.func @queries_of_queries(%x: tensor<5x8xf32>, %qw: tensor<24x8xf32>, %qb: tensor<24xf32>,
                              %pw: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<1x8xf32> {
  %a = moe.attention %x qkv(%qw, %qb) proj(%pw, %b) heads 2 scale 1.0 queries from 1
      : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %c = moe.slice_tokens %a from 2 : tensor<4x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// Experts run on a single token: their regions take one.
moe.param @w1 : tensor<16x8xf32>
moe.param @b1 : tensor<16xf32>
moe.param @w2 : tensor<8x16xf32>
moe.param @b2 : tensor<8xf32>
// CHECK-LABEL: func.func @experts(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<5x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[X]] from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
// CHECK: %[[E:.*]] = moe.experts %[[S]] routed({{.*}}) : tensor<1x8xf32>,
// CHECK: ^bb0(%[[T:.*]]: tensor<1x8xf32>):
// CHECK: %[[Y:.*]] = moe.mlp %[[T]] {{.*}} : tensor<1x8xf32>
// CHECK: moe.yield %[[Y]] : tensor<1x8xf32>
// CHECK: ^bb0(%[[T:.*]]: tensor<1x8xf32>):
// CHECK: %[[N:.*]] = moe.layer_norm %[[T]] eps {{.*}} : tensor<1x8xf32>
// CHECK: %[[Y:.*]] = arith.addf %[[N]], %[[T]] : tensor<1x8xf32>
// CHECK: moe.yield %[[Y]] : tensor<1x8xf32>
// CHECK: return %[[E]]
func.func @experts(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<1x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w1 = moe.get @w1 : tensor<16x8xf32>
    %b1 = moe.get @b1 : tensor<16xf32>
    %w2 = moe.get @w2 : tensor<8x16xf32>
    %b2 = moe.get @b2 : tensor<8xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %n = moe.layer_norm %t eps 0.0 : tensor<5x8xf32>
    %y = arith.addf %n, %t : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  %c = moe.slice_tokens %0 from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// A region in which tokens meet needs them all.
moe.param @qw : tensor<24x8xf32>
moe.param @qb : tensor<24xf32>
moe.param @pw : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
// CHECK-LABEL: func.func @attention_within_an_expert(
// CHECK: moe.experts %{{.*}} : tensor<5x8xf32>
// CHECK: moe.attention {{.*}} -> tensor<5x8xf32>
// CHECK: moe.slice_tokens %{{.*}} from 0
func.func @attention_within_an_expert(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<1x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %qw = moe.get @qw : tensor<24x8xf32>
    %qb = moe.get @qb : tensor<24xf32>
    %pw = moe.get @pw : tensor<8x8xf32>
    %b = moe.get @b : tensor<8xf32>
    %y = moe.attention %t qkv(%qw, %qb) proj(%pw, %b) heads 2 scale 1.0
        : tensor<5x8xf32>, tensor<24x8xf32>, tensor<24xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  %c = moe.slice_tokens %0 from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// The mean over the patches needs no class token.
// CHECK-LABEL: func.func @mean_over_patches(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<5x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[X]] from 1 : tensor<5x8xf32> -> tensor<4x8xf32>
// CHECK: %[[N:.*]] = moe.layer_norm %[[S]] eps {{.*}} : tensor<4x8xf32>
// CHECK: moe.pool %[[N]] from 0 count 4 : tensor<4x8xf32> -> tensor<1x8xf32>
func.func @mean_over_patches(%x: tensor<5x8xf32>) -> tensor<1x8xf32> {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %p = moe.pool %n from 1 count 4 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %p : tensor<1x8xf32>
}

// -----

// A mean over all of the tokens stays as it is.
// CHECK-LABEL: func.func @mean_over_all(
// CHECK-NEXT: moe.layer_norm {{.*}} : tensor<5x8xf32>
// CHECK-NEXT: moe.pool %{{.*}} from 0 count 5
func.func @mean_over_all(%x: tensor<5x8xf32>) -> tensor<1x8xf32> {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %p = moe.pool %n from 0 count 5 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %p : tensor<1x8xf32>
}

// -----

// What others read too stays whole: the sum here, not the norm behind it.
// CHECK-LABEL: func.func @shared_residual(
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %{{.*}} : tensor<5x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[SUM]] from 0
// CHECK: %[[N:.*]] = moe.layer_norm %[[S]] eps {{.*}} : tensor<1x8xf32>
// CHECK: return %[[N]], %[[SUM]]
func.func @shared_residual(%x: tensor<5x8xf32>, %y: tensor<5x8xf32>) -> (tensor<1x8xf32>, tensor<5x8xf32>) {
  %s = arith.addf %x, %y : tensor<5x8xf32>
  %n = moe.layer_norm %s eps 0.0 : tensor<5x8xf32>
  %c = moe.slice_tokens %n from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %c, %s : tensor<1x8xf32>, tensor<5x8xf32>
}

// -----

// Two readers of different tokens: what is between the first and the last moves.
// CHECK-LABEL: func.func @two_slices(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<5x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[X]] from 1 : tensor<5x8xf32> -> tensor<3x8xf32>
// CHECK: %[[N:.*]] = moe.layer_norm %[[S]] {{.*}} : tensor<3x8xf32>
// CHECK-DAG: %[[A:.*]] = moe.slice_tokens %[[N]] from 0 : tensor<3x8xf32> -> tensor<1x8xf32>
// CHECK-DAG: %[[B:.*]] = moe.slice_tokens %[[N]] from 1 : tensor<3x8xf32> -> tensor<2x8xf32>
// CHECK: return %[[A]], %[[B]]
func.func @two_slices(%x: tensor<5x8xf32>) -> (tensor<1x8xf32>, tensor<2x8xf32>) {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %a = moe.slice_tokens %n from 1 : tensor<5x8xf32> -> tensor<1x8xf32>
  %b = moe.slice_tokens %n from 2 : tensor<5x8xf32> -> tensor<2x8xf32>
  return %a, %b : tensor<1x8xf32>, tensor<2x8xf32>
}

// -----

// Between them there are all: neither may move.
// CHECK-LABEL: func.func @first_and_last(
// CHECK: %[[N:.*]] = moe.layer_norm %{{.*}} : tensor<5x8xf32>
// CHECK-DAG: moe.slice_tokens %[[N]] from 0
// CHECK-DAG: moe.slice_tokens %[[N]] from 4
func.func @first_and_last(%x: tensor<5x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %a = moe.slice_tokens %n from 0 : tensor<5x8xf32> -> tensor<1x8xf32>
  %b = moe.slice_tokens %n from 4 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %a, %b : tensor<1x8xf32>, tensor<1x8xf32>
}

// -----

// A branch with factors, and two pools of the same tokens.
// CHECK-LABEL: func.func @layer_scale(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<5x8xf32>
// CHECK: %[[S:.*]] = moe.slice_tokens %[[X]] from 2 : tensor<5x8xf32> -> tensor<3x8xf32>
// CHECK: %[[Y:.*]] = moe.layer_scale %[[S]], %{{.*}} : tensor<3x8xf32>, tensor<8xf32>
// CHECK-DAG: moe.pool %[[Y]] from 0 count 3 : tensor<3x8xf32>
// CHECK-DAG: moe.pool %[[Y]] from 0 count 3 max : tensor<3x8xf32>
func.func @layer_scale(%x: tensor<5x8xf32>, %g: tensor<8xf32>) -> tensor<1x8xf32> {
  %y = moe.layer_scale %x, %g : tensor<5x8xf32>, tensor<8xf32>
  %a = moe.pool %y from 2 count 3 : tensor<5x8xf32> -> tensor<1x8xf32>
  %b = moe.pool %y from 2 count 3 max : tensor<5x8xf32> -> tensor<1x8xf32>
  %c = moe.average %a, %b : tensor<1x8xf32>
  return %c : tensor<1x8xf32>
}

// -----

// Two readers of the same token move together.
// CHECK-LABEL: func.func @same_slice_twice(
// CHECK: %[[S:.*]] = moe.slice_tokens
// CHECK: %[[N:.*]] = moe.layer_norm %[[S]] {{.*}} : tensor<1x8xf32>
// CHECK: return %[[N]], %[[N]]
func.func @same_slice_twice(%x: tensor<5x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %n = moe.layer_norm %x eps 0.0 : tensor<5x8xf32>
  %a = moe.slice_tokens %n from 2 : tensor<5x8xf32> -> tensor<1x8xf32>
  %b = moe.slice_tokens %n from 2 : tensor<5x8xf32> -> tensor<1x8xf32>
  return %a, %b : tensor<1x8xf32>, tensor<1x8xf32>
}
