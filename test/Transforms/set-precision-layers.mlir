// Layers with a precision of their own. The longest name counts, in whole parts:
// blocks.1 is no part of blocks.11.
// RUN: moe-opt %s "--moe-set-precision=precision=bf16 layers=blocks.1=int8,blocks.1.attn.proj=f32,blocks.1.moe=f32,head=f32" --canonicalize --cse | FileCheck %s
// RUN: moe-opt %s "--moe-set-precision=precision=int8 layers=head=bf16,blocks.1.attn.qkv=f32,blocks.1.mlp.fc1=f32,blocks.1.moe.experts=bf16" --canonicalize --cse | FileCheck %s --check-prefix=OTHER
// RUN: moe-opt %s --moe-set-precision=layers=blocks.11=int8 --canonicalize --cse | FileCheck %s --check-prefix=ONE
// RUN: moe-opt %s --moe-set-precision=layers=nowhere=int8,blocks=f32 | FileCheck %s --check-prefix=NONE --implicit-check-not=moe.linear

// Weights derived from a layer's are that layer's.
moe.param @blocks.1.attn.qkv.weight : tensor<48x16xf32>
moe.param @blocks.1.norm : tensor<16xf32>
moe.param @blocks.1.attn.qkv.weight.after.norm : tensor<48x16xf32> = {
  %0 = moe.get @blocks.1.attn.qkv.weight : tensor<48x16xf32>
  %1 = moe.get @blocks.1.norm : tensor<16xf32>
  %2 = moe.scale_columns %0, %1 : tensor<48x16xf32>, tensor<16xf32>
  moe.yield %2 : tensor<48x16xf32>
}
moe.param @blocks.1.attn.proj.weight : tensor<16x16xf32>
moe.param @blocks.1.attn.proj.bias : tensor<16xf32>

// A product of f32 among others of int8.
// CHECK-LABEL: func.func @attention(
// CHECK-COUNT-3: moe.linear {{.*}} : tensor<5x16xi8>, tensor<16x16xi8> -> tensor<5x16xi32>
// CHECK: %[[A:.*]] = moe.attend
// CHECK: moe.linear %[[A]] {{.*}} : tensor<5x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
// CHECK-NOT: arith.truncf
// CHECK: return

// OTHER-LABEL: func.func @attention(
// OTHER-SAME: %[[X:.*]]: tensor<5x16xf32>)
// OTHER-COUNT-3: moe.linear %[[X]] {{.*}} : tensor<5x16xf32>, tensor<16x16xf32> -> tensor<5x16xf32>
// OTHER: %[[A:.*]] = moe.attend
// OTHER: %[[Q:.*]], %[[S:.*]] = moe.quantize %[[A]]
// OTHER: moe.linear %[[Q]] {{.*}} : tensor<5x16xi8>, tensor<16x16xi8> -> tensor<5x16xi32>

// ONE-LABEL: func.func @attention(
// ONE: moe.attention
// NONE-LABEL: func.func @attention(
// NONE: moe.attention
func.func @attention(%x: tensor<5x16xf32>) -> tensor<5x16xf32> {
  %w = moe.get @blocks.1.attn.qkv.weight.after.norm : tensor<48x16xf32>
  %pw = moe.get @blocks.1.attn.proj.weight : tensor<16x16xf32>
  %pb = moe.get @blocks.1.attn.proj.bias : tensor<16xf32>
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return %0 : tensor<5x16xf32>
}

moe.param @blocks.1.mlp.fc1.weight : tensor<32x16xf32>
moe.param @blocks.1.mlp.fc2.weight : tensor<16x32xf32>
moe.param @blocks.11.mlp.fc1.weight : tensor<32x16xf32>
moe.param @blocks.11.mlp.fc2.weight : tensor<16x32xf32>
moe.param @b1 : tensor<32xf32>
moe.param @b2 : tensor<16xf32>

// CHECK-LABEL: func.func @mlp(
// CHECK: moe.linear {{.*}} : tensor<5x16xi8>, tensor<32x16xi8> -> tensor<5x32xi32>
// CHECK: moe.linear {{.*}} : tensor<5x32xi8>, tensor<16x32xi8> -> tensor<5x16xi32>

// OTHER-LABEL: func.func @mlp(
// OTHER: moe.linear {{.*}} : tensor<5x16xf32>, tensor<32x16xf32>, tensor<32xf32> -> tensor<5x32xf32>
// OTHER: moe.activate
// OTHER: moe.linear {{.*}} : tensor<5x32xi8>, tensor<16x32xi8> -> tensor<5x16xi32>

// ONE-LABEL: func.func @mlp(
// ONE: moe.mlp
// NONE-LABEL: func.func @mlp(
// NONE: moe.mlp
func.func @mlp(%x: tensor<5x16xf32>) -> tensor<5x16xf32> {
  %w1 = moe.get @blocks.1.mlp.fc1.weight : tensor<32x16xf32>
  %b1 = moe.get @b1 : tensor<32xf32>
  %w2 = moe.get @blocks.1.mlp.fc2.weight : tensor<16x32xf32>
  %b2 = moe.get @b2 : tensor<16xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
  return %0 : tensor<5x16xf32>
}

// CHECK-LABEL: func.func @eleventh(
// CHECK: moe.linear {{.*}} : tensor<5x16xbf16>, tensor<32x16xbf16>
// CHECK: moe.linear {{.*}} : tensor<5x32xbf16>, tensor<16x32xbf16>
// OTHER-LABEL: func.func @eleventh(
// OTHER: moe.linear {{.*}} : tensor<5x16xi8>
// ONE-LABEL: func.func @eleventh(
// ONE: moe.linear {{.*}} : tensor<5x16xi8>
// ONE: moe.linear {{.*}} : tensor<5x32xi8>
// NONE-LABEL: func.func @eleventh(
// NONE: moe.mlp
func.func @eleventh(%x: tensor<5x16xf32>) -> tensor<5x16xf32> {
  %w1 = moe.get @blocks.11.mlp.fc1.weight : tensor<32x16xf32>
  %b1 = moe.get @b1 : tensor<32xf32>
  %w2 = moe.get @blocks.11.mlp.fc2.weight : tensor<16x32xf32>
  %b2 = moe.get @b2 : tensor<16xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu
      : tensor<5x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
  return %0 : tensor<5x16xf32>
}

moe.param @head.weight : tensor<10x16xf32>
moe.param @head.bias : tensor<10xf32>

// CHECK-LABEL: func.func @head(
// CHECK: moe.head
// OTHER-LABEL: func.func @head(
// OTHER: moe.linear {{.*}} : tensor<1x16xbf16>, tensor<10x16xbf16>, tensor<10xf32> -> tensor<1x10xf32>
// ONE-LABEL: func.func @head(
// ONE: moe.head
// NONE-LABEL: func.func @head(
// NONE: moe.head
func.func @head(%x: tensor<1x16xf32>) -> tensor<1x10xf32> {
  %w = moe.get @head.weight : tensor<10x16xf32>
  %b = moe.get @head.bias : tensor<10xf32>
  %0 = moe.head %x weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return %0 : tensor<1x10xf32>
}

// Of experts with one body, by the name of the first one's weights, not by the
// table's.
moe.param @blocks.1.moe.experts.0.fc1.weight : tensor<32x16xf32>
moe.param @blocks.1.moe.experts.1.fc1.weight : tensor<32x16xf32>
moe.param @blocks.1.moe.experts.0.fc2.weight : tensor<16x32xf32>
moe.param @blocks.1.moe.experts.1.fc2.weight : tensor<16x32xf32>
moe.param_table @head.t1 [@blocks.1.moe.experts.0.fc1.weight, @blocks.1.moe.experts.1.fc1.weight] : tensor<32x16xf32>
moe.param_table @head.t2 [@blocks.1.moe.experts.0.fc2.weight, @blocks.1.moe.experts.1.fc2.weight] : tensor<16x32xf32>
// CHECK-LABEL: func.func @experts(
// CHECK: moe.mlp
// OTHER-LABEL: func.func @experts(
// OTHER: moe.linear {{.*}} : tensor<5x16xbf16>, tensor<32x16xbf16>
// OTHER: moe.linear {{.*}} : tensor<5x32xbf16>, tensor<16x32xbf16>
// ONE-LABEL: func.func @experts(
// ONE: moe.mlp
// NONE-LABEL: func.func @experts(
// NONE: moe.mlp
func.func @experts(%x: tensor<5x16xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x16xf32> {
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<5x16xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x16xf32>, %i: index):
    %w1 = moe.get @head.t1[%i] : tensor<32x16xf32>
    %b1 = moe.get @b1 : tensor<32xf32>
    %w2 = moe.get @head.t2[%i] : tensor<16x32xf32>
    %b2 = moe.get @b2 : tensor<16xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) relu
        : tensor<5x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
    moe.yield %y : tensor<5x16xf32>
  }
  return %0 : tensor<5x16xf32>
}

// A weight that is no parameter has no name, and stays as it is.
// CHECK-LABEL: func.func @no_parameter(
// CHECK: moe.head
// OTHER-LABEL: func.func @no_parameter(
// OTHER: moe.head
func.func @no_parameter(%x: tensor<1x16xf32>, %w: tensor<10x16xf32>) -> tensor<1x10xf32> {
  %b = moe.get @head.bias : tensor<10xf32>
  %0 = moe.head %x weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return %0 : tensor<1x10xf32>
}

// Of attention, the weight and the bias of queries, keys and values are cut into
// three parameters: if either is none, all of it stays as it is.
// CHECK-LABEL: func.func @no_parameter_of_attention(
// CHECK-COUNT-3: moe.attention
// CHECK-NOT: moe.attend
// CHECK: return
// OTHER-LABEL: func.func @no_parameter_of_attention(
// OTHER-COUNT-3: moe.attention
// OTHER-NOT: moe.attend
// OTHER: return
moe.param @blocks.2.attn.qkv.weight : tensor<48x16xf32>
moe.param @blocks.2.attn.qkv.bias : tensor<48xf32>
moe.param @blocks.2.attn.proj.weight : tensor<16x16xf32>
func.func @no_parameter_of_attention(%x: tensor<5x16xf32>, %w: tensor<48x16xf32>, %b: tensor<48xf32>)
    -> (tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>) {
  %qw = moe.get @blocks.2.attn.qkv.weight : tensor<48x16xf32>
  %qb = moe.get @blocks.2.attn.qkv.bias : tensor<48xf32>
  %pw = moe.get @blocks.2.attn.proj.weight : tensor<16x16xf32>
  %pb = moe.get @blocks.1.attn.proj.bias : tensor<16xf32>
  %0 = moe.attention %x qkv(%w, %qb) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  %1 = moe.attention %x qkv(%qw, %b) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<48xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  %2 = moe.attention %x qkv(%w) proj(%pw, %pb) heads 2 scale 1.0
      : tensor<5x16xf32>, tensor<48x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<5x16xf32>
  return %0, %1, %2 : tensor<5x16xf32>, tensor<5x16xf32>, tensor<5x16xf32>
}
