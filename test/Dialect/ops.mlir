// Every operation, with each of its optional parts: parse, print, parse.
// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

// CHECK: moe.param @plain : tensor<10x64xf32>
moe.param @plain : tensor<10x64xf32>
// CHECK: moe.param @placed : tensor<10x64xf32> in "blocks.1.expert.0" at 128
moe.param @placed : tensor<10x64xf32> in "blocks.1.expert.0" at 128
// CHECK: moe.param @other : tensor<10x64xf32> in "blocks.1.expert.1" {note = "kept"}
moe.param @other : tensor<10x64xf32> in "blocks.1.expert.1" {note = "kept"}
// CHECK: moe.param @at_zero : tensor<64xf32> at 0
moe.param @at_zero : tensor<64xf32> at 0
// CHECK: moe.param_table @table [@placed, @other] : tensor<10x64xf32>
moe.param_table @table [@placed, @other] : tensor<10x64xf32>

moe.param @bias : tensor<10xf32>
moe.param @position : tensor<1x5x64xf32>
moe.param @token : tensor<1x1x64xf32>

// CHECK: moe.param @derived.columns : tensor<10x64xf32> in "s" at 64 = {
// CHECK:   %[[W:.*]] = moe.get @plain : tensor<10x64xf32>
// CHECK:   %[[G:.*]] = moe.get @at_zero : tensor<64xf32>
// CHECK:   %[[S:.*]] = moe.scale_columns %[[W]], %[[G]] : tensor<10x64xf32>, tensor<64xf32>
// CHECK:   %[[R:.*]] = moe.scale_rows %[[S]] count 3 by 1.250000e-01 : tensor<10x64xf32>
// CHECK:   moe.yield %[[R]] : tensor<10x64xf32>
moe.param @derived.columns : tensor<10x64xf32> in "s" at 64 = {
  %w = moe.get @plain : tensor<10x64xf32>
  %g = moe.get @at_zero : tensor<64xf32>
  %s = moe.scale_columns %w, %g : tensor<10x64xf32>, tensor<64xf32>
  %r = moe.scale_rows %s count 3 by 0.125 : tensor<10x64xf32>
  moe.yield %r : tensor<10x64xf32>
}

// CHECK: moe.param @derived.part
// CHECK:   %[[P:.*]] = moe.slice_rows %{{.*}} from 4 : tensor<10x64xf32> -> tensor<6x64xf32>
// CHECK:   moe.transpose_blocks %[[P]] : tensor<6x64xf32> -> tensor<128x3xf32>
moe.param @derived.part : tensor<128x3xf32> = {
  %w = moe.get @plain : tensor<10x64xf32>
  %p = moe.slice_rows %w from 4 : tensor<10x64xf32> -> tensor<6x64xf32>
  %t = moe.transpose_blocks %p : tensor<6x64xf32> -> tensor<128x3xf32>
  moe.yield %t : tensor<128x3xf32>
}

// CHECK: moe.param @derived.shift
// CHECK:   moe.absorb_shift %{{.*}}, %{{.*}} plus %{{.*}} : tensor<10x64xf32>, tensor<64xf32>, tensor<10xf32> -> tensor<10xf32>
moe.param @derived.shift : tensor<10xf32> = {
  %w = moe.get @plain : tensor<10x64xf32>
  %s = moe.get @at_zero : tensor<64xf32>
  %b = moe.get @bias : tensor<10xf32>
  %0 = moe.absorb_shift %w, %s plus %b : tensor<10x64xf32>, tensor<64xf32>, tensor<10xf32> -> tensor<10xf32>
  moe.yield %0 : tensor<10xf32>
}

// CHECK: moe.param @derived.bias
// CHECK:   moe.absorb_shift %{{.*}}, %{{.*}} : tensor<10x64xf32>, tensor<64xf32> -> tensor<10xf32>
// CHECK:   moe.scale_rows %{{.*}} count 0 by -2.000000e+00 : tensor<10xf32>
moe.param @derived.bias : tensor<10xf32> = {
  %w = moe.get @plain : tensor<10x64xf32>
  %s = moe.get @at_zero : tensor<64xf32>
  %0 = moe.absorb_shift %w, %s : tensor<10x64xf32>, tensor<64xf32> -> tensor<10xf32>
  %1 = moe.scale_rows %0 count 0 by -2.0 : tensor<10xf32>
  moe.yield %1 : tensor<10xf32>
}

// CHECK: moe.param @derived.table
// CHECK:   moe.token_table %{{.*}} bias(%{{.*}}) tokens(%{{.*}}) : (tensor<1x5x64xf32>, tensor<64xf32>, tensor<1x1x64xf32>) -> tensor<5x64xf32>
moe.param @derived.table : tensor<5x64xf32> = {
  %b = moe.get @at_zero : tensor<64xf32>
  %p = moe.get @position : tensor<1x5x64xf32>
  %c = moe.get @token : tensor<1x1x64xf32>
  %0 = moe.token_table %p bias(%b) tokens(%c) : (tensor<1x5x64xf32>, tensor<64xf32>, tensor<1x1x64xf32>) -> tensor<5x64xf32>
  moe.yield %0 : tensor<5x64xf32>
}

// CHECK: moe.param @derived.table.lanes
// CHECK:   %[[T:.*]] = moe.token_table %{{.*}} bias(%{{.*}}) : (tensor<1x5x64xf32>, tensor<64xf32>) -> tensor<5x64xf32>
// CHECK:   moe.pad_channels %[[T]] group 64 : tensor<5x64xf32> -> tensor<5x4x16xf32>
moe.param @derived.table.lanes : tensor<5x4x16xf32> = {
  %b = moe.get @at_zero : tensor<64xf32>
  %p = moe.get @position : tensor<1x5x64xf32>
  %0 = moe.token_table %p bias(%b) : (tensor<1x5x64xf32>, tensor<64xf32>) -> tensor<5x64xf32>
  %1 = moe.pad_channels %0 group 64 : tensor<5x64xf32> -> tensor<5x4x16xf32>
  moe.yield %1 : tensor<5x4x16xf32>
}

// Each group of 5 rows starts a panel of its own; 32 columns need no padding.
// CHECK: moe.param @derived.packed
// CHECK:   moe.pack_panels %{{.*}} groups(5, 32) : tensor<10x64xf32> -> tensor<2x64x16xf32>
moe.param @derived.packed : tensor<2x64x16xf32> = {
  %w = moe.get @plain : tensor<10x64xf32>
  %0 = moe.pack_panels %w groups(5, 32) : tensor<10x64xf32> -> tensor<2x64x16xf32>
  moe.yield %0 : tensor<2x64x16xf32>
}

moe.param @kernel : tensor<20x3x4x4xf32>
// CHECK: moe.param @kernel.packed
// CHECK:   moe.pack_panels %{{.*}} groups(20, 0) : tensor<20x3x4x4xf32> -> tensor<2x48x16xf32>
moe.param @kernel.packed : tensor<2x48x16xf32> = {
  %w = moe.get @kernel : tensor<20x3x4x4xf32>
  %0 = moe.pack_panels %w groups(20, 0) : tensor<20x3x4x4xf32> -> tensor<2x48x16xf32>
  moe.yield %0 : tensor<2x48x16xf32>
}

// CHECK-LABEL: func.func @parameters(
// CHECK-SAME: %[[E:.*]]: index)
func.func @parameters(%e: index) {
  // CHECK: moe.get @plain : tensor<10x64xf32>
  %0 = moe.get @plain : tensor<10x64xf32>
  // CHECK: moe.get @table[%[[E]]] : tensor<10x64xf32>
  %1 = moe.get @table[%e] : tensor<10x64xf32>
  // CHECK: moe.weights @placed : memref<10x64xf32>
  %2 = moe.weights @placed : memref<10x64xf32>
  // CHECK: moe.weights @table[%[[E]]] : memref<10x64xf32>
  %3 = moe.weights @table[%e] : memref<10x64xf32>
  return
}

// CHECK-LABEL: func.func @embed(
func.func @embed(%image: tensor<3x8x16xf32>, %w: tensor<64x3x4x8xf32>,
                 %b: tensor<64xf32>, %table: tensor<5x64xf32>,
                 %patches: tensor<4x64xf32>) -> tensor<5x64xf32> {
  // CHECK: moe.patch_embed %{{.*}}, %{{.*}}, %{{.*}} : tensor<3x8x16xf32>, tensor<64x3x4x8xf32>, tensor<64xf32> -> tensor<4x64xf32>
  %0 = moe.patch_embed %image, %w, %b
      : tensor<3x8x16xf32>, tensor<64x3x4x8xf32>, tensor<64xf32> -> tensor<4x64xf32>
  // A row per patch, none before them.
  // CHECK: moe.patch_embed %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} : {{.*}}, tensor<4x64xf32> -> tensor<4x64xf32>
  %1 = moe.patch_embed %image, %w, %patches
      : tensor<3x8x16xf32>, tensor<64x3x4x8xf32>, tensor<4x64xf32> -> tensor<4x64xf32>
  // CHECK: moe.patch_embed %{{.*}}, %{{.*}}, %{{.*}} prefix 1 : {{.*}} -> tensor<5x64xf32>
  %2 = moe.patch_embed %image, %w, %table prefix 1
      : tensor<3x8x16xf32>, tensor<64x3x4x8xf32>, tensor<5x64xf32> -> tensor<5x64xf32>
  return %2 : tensor<5x64xf32>
}

// CHECK-LABEL: func.func @tokens(
func.func @tokens(%x: tensor<4x64xf32>, %cls: tensor<1x1x64xf32>,
                  %pos: tensor<1x5x64xf32>) -> tensor<1x64xf32> {
  // CHECK: moe.class_token %{{.*}}, %{{.*}} : tensor<4x64xf32>, tensor<1x1x64xf32> -> tensor<5x64xf32>
  %0 = moe.class_token %x, %cls : tensor<4x64xf32>, tensor<1x1x64xf32> -> tensor<5x64xf32>
  // CHECK: moe.position %{{.*}}, %{{.*}} : tensor<5x64xf32>, tensor<1x5x64xf32>
  %1 = moe.position %0, %pos : tensor<5x64xf32>, tensor<1x5x64xf32>
  // CHECK: moe.slice_tokens %{{.*}} from 2 : tensor<5x64xf32> -> tensor<3x64xf32>
  %2 = moe.slice_tokens %1 from 2 : tensor<5x64xf32> -> tensor<3x64xf32>
  // CHECK: moe.pool %{{.*}} from 1 count 2 : tensor<3x64xf32> -> tensor<1x64xf32>
  %3 = moe.pool %2 from 1 count 2 : tensor<3x64xf32> -> tensor<1x64xf32>
  return %3 : tensor<1x64xf32>
}

// CHECK-LABEL: func.func @norms(
func.func @norms(%x: tensor<5x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>) {
  // CHECK: moe.layer_norm %{{.*}} affine(%{{.*}}, %{{.*}}) eps 1.250000e-01 : tensor<5x64xf32>, tensor<64xf32>, tensor<64xf32>
  %0 = moe.layer_norm %x affine(%g, %b) eps 0.125 : tensor<5x64xf32>, tensor<64xf32>, tensor<64xf32>
  // CHECK: moe.layer_norm %{{[a-z0-9]+}} eps 0.000000e+00 : tensor<5x64xf32>
  %1 = moe.layer_norm %x eps 0.0 : tensor<5x64xf32>
  return
}

// CHECK-LABEL: func.func @attention(
func.func @attention(%x: tensor<5x64xf32>, %w: tensor<192x64xf32>,
                     %b: tensor<192xf32>, %pw: tensor<64x64xf32>,
                     %pb: tensor<64xf32>) {
  // CHECK: moe.attention %{{.*}} qkv(%{{.*}}, %{{.*}}) proj(%{{.*}}, %{{.*}}) heads 4 scale 2.500000e-01 : tensor<5x64xf32>, tensor<192x64xf32>, tensor<192xf32>, tensor<64x64xf32>, tensor<64xf32> -> tensor<5x64xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 4 scale 0.25
      : tensor<5x64xf32>, tensor<192x64xf32>, tensor<192xf32>,
        tensor<64x64xf32>, tensor<64xf32> -> tensor<5x64xf32>
  // CHECK: moe.attention {{.*}} heads 1 scale 1.000000e+00 queries from 3 : {{.*}} -> tensor<2x64xf32>
  %1 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 1 scale 1.0 queries from 3
      : tensor<5x64xf32>, tensor<192x64xf32>, tensor<192xf32>,
        tensor<64x64xf32>, tensor<64xf32> -> tensor<2x64xf32>
  return
}

// CHECK-LABEL: func.func @mlps(
func.func @mlps(%x: tensor<5x64xf32>, %w1: tensor<96x64xf32>,
                %b1: tensor<96xf32>, %w2: tensor<64x96xf32>,
                %b2: tensor<64xf32>) {
  // CHECK: moe.mlp %{{.*}} fc1(%{{.*}}, %{{.*}}) fc2(%{{.*}}, %{{.*}}) gelu : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  // CHECK: moe.mlp {{.*}} gelu_tanh :
  %1 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu_tanh
      : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  // CHECK: moe.mlp {{.*}} quick_gelu :
  %2 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) quick_gelu
      : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  // CHECK: moe.mlp {{.*}} relu :
  %3 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  // CHECK: moe.mlp {{.*}} silu :
  %4 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) silu
      : tensor<5x64xf32>, tensor<96x64xf32>, tensor<96xf32>, tensor<64x96xf32>, tensor<64xf32>
  return
}

// CHECK-LABEL: func.func @routing(
func.func @routing(%x: tensor<5x64xf32>, %p: tensor<1x64xf32>,
                   %w: tensor<3x64xf32>, %b: tensor<3xf32>) {
  // CHECK: %[[E:.*]], %[[G:.*]] = moe.router %{{.*}} weight(%{{[a-z0-9]+}}) : tensor<1x64xf32>, tensor<3x64xf32> -> tensor<1xindex>, tensor<1xf32>
  %e, %g = moe.router %p weight(%w)
      : tensor<1x64xf32>, tensor<3x64xf32> -> tensor<1xindex>, tensor<1xf32>
  // CHECK: moe.router %{{.*}} weight(%{{.*}}, %{{.*}}) normalize : tensor<1x64xf32>, tensor<3x64xf32>, tensor<3xf32> -> tensor<3xindex>, tensor<3xf32>
  %e3, %g3 = moe.router %p weight(%w, %b) normalize
      : tensor<1x64xf32>, tensor<3x64xf32>, tensor<3xf32> -> tensor<3xindex>, tensor<3xf32>
  // CHECK: moe.experts %{{.*}} routed(%[[E]], %[[G]]) : tensor<5x64xf32>, tensor<1xindex>, tensor<1xf32> {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<5x64xf32>):
  // CHECK-NEXT:   moe.yield %[[A]] : tensor<5x64xf32>
  // CHECK-NEXT: }, {
  // CHECK-NEXT: ^bb0(%[[B:.*]]: tensor<5x64xf32>):
  // CHECK-NEXT:   %[[C:.*]] = arith.addf %[[B]], %[[B]]
  // CHECK-NEXT:   moe.yield %[[C]] : tensor<5x64xf32>
  // CHECK-NEXT: }
  %0 = moe.experts %x routed(%e, %g) : tensor<5x64xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x64xf32>):
    moe.yield %t : tensor<5x64xf32>
  }, {
  ^bb0(%t: tensor<5x64xf32>):
    %1 = arith.addf %t, %t : tensor<5x64xf32>
    moe.yield %1 : tensor<5x64xf32>
  }
  // CHECK: moe.experts %{{.*}} routed(%{{.*}}, %{{.*}}) indexed 4 : tensor<5x64xf32>, tensor<3xindex>, tensor<3xf32> {
  // CHECK-NEXT: ^bb0(%[[T:.*]]: tensor<5x64xf32>, %{{.*}}: index):
  // CHECK-NEXT:   moe.yield %[[T]]
  %2 = moe.experts %x routed(%e3, %g3) indexed 4 : tensor<5x64xf32>, tensor<3xindex>, tensor<3xf32> {
  ^bb0(%t: tensor<5x64xf32>, %i: index):
    moe.yield %t : tensor<5x64xf32>
  }
  return
}

// CHECK-LABEL: func.func @classifier(
func.func @classifier(%x: tensor<2x64xf32>, %w: tensor<10x64xf32>,
                      %b: tensor<10xf32>) -> tensor<2x10xf32> {
  // CHECK: moe.head %{{.*}} weight(%{{.*}}, %{{.*}}) : tensor<2x64xf32>, tensor<10x64xf32>, tensor<10xf32> -> tensor<2x10xf32>
  %0 = moe.head %x weight(%w, %b)
      : tensor<2x64xf32>, tensor<10x64xf32>, tensor<10xf32> -> tensor<2x10xf32>
  return %0 : tensor<2x10xf32>
}

// CHECK-LABEL: func.func @token_routing(
func.func @token_routing(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>, %b: tensor<2xf32>) -> tensor<6x8xf32> {
  // CHECK: moe.token_router %{{.*}} weight(%{{.*}}) top_k 1 : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  %t0, %g0, %n0, %m0 = moe.token_router %h weight(%w) top_k 1
      : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  // CHECK: %[[T:.*]], %[[G:.*]], %[[N:.*]], %{{.*}} = moe.token_router %{{.*}} weight(%{{.*}}, %{{.*}}) top_k 2 normalize priority : tensor<6x8xf32>, tensor<2x8xf32>, tensor<2xf32>
  %t, %g, %n, %m = moe.token_router %h weight(%w, %b) top_k 2 normalize priority
      : tensor<6x8xf32>, tensor<2x8xf32>, tensor<2xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
  // CHECK: moe.slice_taken %[[T]], %[[G]], %[[N]] from 1 count 2 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x2xindex>, tensor<2x2xf32>, tensor<2xindex>
  %t1, %g1, %n1 = moe.slice_taken %t, %g, %n from 1 count 2
      : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x2xindex>, tensor<2x2xf32>, tensor<2xindex>
  // CHECK: moe.token_experts %{{.*}} took(%[[T]], %[[G]], %[[N]]) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<3x8xf32>):
  // CHECK: }, {
  %0 = moe.token_experts %h took(%t, %g, %n) : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<3x8xf32>):
    %1 = moe.layer_norm %x eps 1.0e-6 : tensor<3x8xf32>
    moe.yield %1 : tensor<3x8xf32>
  }
  // CHECK: moe.token_experts %{{.*}} took({{.*}}) indexed 2 :
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<3x8xf32>, %{{.*}}: index):
  %2 = moe.token_experts %0 took(%t, %g, %n) indexed 2 : tensor<6x8xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
  ^bb0(%x: tensor<3x8xf32>, %e: index):
    moe.yield %x : tensor<3x8xf32>
  }
  return %2 : tensor<6x8xf32>
}
