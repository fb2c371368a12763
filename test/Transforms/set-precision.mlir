// Products with a weight in bf16 or in int8, the rest as it was.
// RUN: moe-opt %s --moe-set-precision=precision=bf16 --canonicalize --cse | FileCheck %s --check-prefix=BF16 --implicit-check-not=bf16.1
// RUN: moe-opt %s "--moe-set-precision=precision=int8 offset=128" --canonicalize --cse | FileCheck %s --check-prefixes=INT8,UNSIGNED
// RUN: moe-opt %s --moe-set-precision=precision=int8 --canonicalize --cse | FileCheck %s --check-prefixes=INT8,SIGNED --implicit-check-not='offset 128'

// f32 leaves everything as it is, by default too.
// RUN: moe-opt %s -o %t.as-it-was
// RUN: moe-opt %s --moe-set-precision=precision=f32 | diff - %t.as-it-was
// RUN: moe-opt %s --moe-set-precision | diff - %t.as-it-was

// RUN: not moe-opt %s --moe-set-precision=precision=f8 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not moe-opt %s --moe-set-precision=layers=head=f8 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not moe-opt %s --moe-set-precision=layers=head 2>&1 | FileCheck %s --check-prefix=NONE
// UNKNOWN: error: unknown precision 'f8'
// NONE: error: unknown precision ''

// The patches become rows, which one product of each precision reads: with a
// bias, or with a table of offsets that is added afterwards.
// BF16: moe.param @embed.weight.bf16 : tensor<24x48xbf16> = {
// BF16-NEXT: %[[W:.*]] = moe.get @embed.weight :
// BF16-NEXT: %[[R:.*]] = moe.round %[[W]] : tensor<24x3x4x4xf32> -> tensor<24x48xbf16>
// BF16-NEXT: moe.yield %[[R]]
// BF16-LABEL: func.func @patch_embed(
// BF16-DAG: %[[P:.*]] = moe.patches %{{.*}} size 4, 4 : tensor<3x8x8xf32> -> tensor<4x48xbf16>
// BF16-DAG: %[[W:.*]] = moe.get @embed.weight.bf16 : tensor<24x48xbf16>
// BF16-DAG: %[[B:.*]] = moe.get @embed.bias
// BF16-DAG: %[[T:.*]] = moe.get @table
// BF16: moe.linear %[[P]] weight(%[[W]]) bias(%[[B]]) groups(24, 48) : tensor<4x48xbf16>, tensor<24x48xbf16>, tensor<24xf32> -> tensor<4x24xf32>
// BF16: %[[Y:.*]] = moe.linear %[[P]] weight(%[[W]]) groups(24, 48) : tensor<4x48xbf16>, tensor<24x48xbf16> -> tensor<4x24xf32>
// BF16: moe.place_tokens %[[Y]], %[[T]] prefix 1 : tensor<4x24xf32>, tensor<5x24xf32>
// BF16-NOT: moe.patch_embed

// Each output channel has a scale, and each patch has its own.
// INT8-DAG: moe.param @embed.weight.int8 : tensor<24x48xi8> = {
// INT8-DAG: moe.quantize_rows %{{.*}} : tensor<24x3x4x4xf32> -> tensor<24x48xi8>
// INT8-DAG: moe.param @embed.weight.scales : tensor<24xf32> = {
// INT8-DAG: moe.row_scales %{{.*}} by 1.000000e+00 : tensor<24x3x4x4xf32> -> tensor<24xf32>
// INT8-LABEL: func.func @patch_embed(
// INT8-DAG: %[[B:.*]] = moe.get @embed.bias
// INT8-DAG: %[[T:.*]] = moe.get @table
// INT8-DAG: %[[P:.*]] = moe.patches %{{.*}} size 4, 4 : tensor<3x8x8xf32> -> tensor<4x48xf32>
// INT8-DAG: %[[W:.*]] = moe.get @embed.weight.int8 : tensor<24x48xi8>
// INT8-DAG: %[[V:.*]] = moe.get @embed.weight.scales : tensor<24xf32>
// UNSIGNED-DAG: %[[Q:.*]], %[[S:.*]] = moe.quantize %[[P]] offset 128 : tensor<4x48xf32> -> tensor<4x48xi8>, tensor<4xf32>
// SIGNED-DAG: %[[Q:.*]], %[[S:.*]] = moe.quantize %[[P]] offset 0 : tensor<4x48xf32> -> tensor<4x48xi8>, tensor<4xf32>
// UNSIGNED-DAG: %[[Y:.*]] = moe.linear %[[Q]] offset 128 weight(%[[W]]) groups(24, 48) : tensor<4x48xi8>, tensor<24x48xi8> -> tensor<4x24xi32>
// SIGNED-DAG: %[[Y:.*]] = moe.linear %[[Q]] weight(%[[W]]) groups(24, 48) : tensor<4x48xi8>, tensor<24x48xi8> -> tensor<4x24xi32>
// INT8: moe.dequantize %[[Y]] rows(%[[S]]) columns(%[[V]]) bias(%[[B]]) group 24 :
// INT8: %[[Z:.*]] = moe.dequantize %[[Y]] rows(%[[S]]) columns(%[[V]]) group 24 :
// INT8: moe.place_tokens %[[Z]], %[[T]] prefix 1 :
// INT8-NOT: moe.patch_embed
moe.param @embed.weight : tensor<24x3x4x4xf32>
moe.param @embed.bias : tensor<24xf32>
moe.param @table : tensor<5x24xf32>
func.func @patch_embed(%image: tensor<3x8x8xf32>) -> (tensor<4x24xf32>, tensor<5x24xf32>) {
  %w = moe.get @embed.weight : tensor<24x3x4x4xf32>
  %b = moe.get @embed.bias : tensor<24xf32>
  %t = moe.get @table : tensor<5x24xf32>
  %0 = moe.patch_embed %image, %w, %b
      : tensor<3x8x8xf32>, tensor<24x3x4x4xf32>, tensor<24xf32> -> tensor<4x24xf32>
  %1 = moe.patch_embed %image, %w, %t prefix 1
      : tensor<3x8x8xf32>, tensor<24x3x4x4xf32>, tensor<5x24xf32> -> tensor<5x24xf32>
  return %0, %1 : tensor<4x24xf32>, tensor<5x24xf32>
}

// A weight each for queries, keys and values, whose channels are grouped by head
// as those that the projection reads. The tokens are rounded once.
// BF16-DAG: moe.slice_rows %{{.*}} from 0 : tensor<72x24xf32> -> tensor<24x24xf32>
// BF16-DAG: moe.slice_rows %{{.*}} from 24 : tensor<72x24xf32> -> tensor<24x24xf32>
// BF16-DAG: moe.slice_rows %{{.*}} from 48 : tensor<72x24xf32> -> tensor<24x24xf32>
// BF16-DAG: moe.slice_rows %{{.*}} from 0 : tensor<72xf32> -> tensor<24xf32>
// BF16-DAG: moe.slice_rows %{{.*}} from 24 : tensor<72xf32> -> tensor<24xf32>
// BF16-DAG: moe.slice_rows %{{.*}} from 48 : tensor<72xf32> -> tensor<24xf32>
// BF16-LABEL: func.func @attention(
// BF16-SAME: %[[X:.*]]: tensor<5x24xf32>)
// BF16-DAG: %[[R:.*]] = arith.truncf %[[X]] : tensor<5x24xf32> to tensor<5x24xbf16>
// BF16-DAG: %[[QW:.*]] = moe.get @blocks.0.attn.qkv.weight.query.bf16
// BF16-DAG: %[[QB:.*]] = moe.get @blocks.0.attn.qkv.bias.query
// BF16-DAG: %[[KW:.*]] = moe.get @blocks.0.attn.qkv.weight.key.bf16
// BF16-DAG: %[[KB:.*]] = moe.get @blocks.0.attn.qkv.bias.key
// BF16-DAG: %[[VW:.*]] = moe.get @blocks.0.attn.qkv.weight.value.bf16
// BF16-DAG: %[[VB:.*]] = moe.get @blocks.0.attn.qkv.bias.value
// BF16-DAG: %[[Q:.*]] = moe.linear %[[R]] weight(%[[QW]]) bias(%[[QB]]) groups(8, 24)
// BF16-DAG: %[[K:.*]] = moe.linear %[[R]] weight(%[[KW]]) bias(%[[KB]]) groups(8, 24)
// BF16-DAG: %[[V:.*]] = moe.linear %[[R]] weight(%[[VW]]) bias(%[[VB]]) groups(8, 24)
// BF16: %[[A:.*]] = moe.attend %[[Q]], %[[K]], %[[V]] heads 3 scale 5.000000e-01 :
// BF16: %[[AR:.*]] = arith.truncf %[[A]]
// BF16: moe.linear %[[AR]] weight(%{{.*}}) bias(%{{.*}}) groups(24, 8) :
// BF16-NOT: moe.attention

// INT8-LABEL: func.func @attention(
// INT8-SAME: %[[X:.*]]: tensor<5x24xf32>)
// INT8: %[[R:.*]], %[[S:.*]] = moe.quantize %[[X]]
// INT8: moe.linear %[[R]] {{.*}} groups(8, 24) :
// INT8: moe.dequantize %{{.*}} rows(%[[S]]) columns(%{{.*}}) bias(%{{.*}}) group 8 :
// INT8: moe.linear %[[R]] {{.*}} groups(8, 24) :
// INT8: moe.dequantize %{{.*}} rows(%[[S]]) columns(%{{.*}}) bias(%{{.*}}) group 8 :
// INT8: moe.linear %[[R]] {{.*}} groups(8, 24) :
// INT8: moe.dequantize %{{.*}} rows(%[[S]]) columns(%{{.*}}) bias(%{{.*}}) group 8 :
// INT8: %[[A:.*]] = moe.attend {{.*}} heads 3 scale 5.000000e-01 : tensor<5x24xf32>, tensor<5x24xf32>, tensor<5x24xf32>
// INT8: %[[R:.*]], %[[S:.*]] = moe.quantize %[[A]]
// INT8: moe.linear %[[R]] {{.*}} groups(24, 8) :
// INT8: moe.dequantize %{{.*}} rows(%[[S]]) {{.*}} group 24 :
moe.param @blocks.0.attn.qkv.weight : tensor<72x24xf32>
moe.param @blocks.0.attn.qkv.bias : tensor<72xf32>
moe.param @blocks.0.attn.proj.weight : tensor<24x24xf32>
moe.param @blocks.0.attn.proj.bias : tensor<24xf32>
func.func @attention(%x: tensor<5x24xf32>) -> tensor<5x24xf32> {
  %w = moe.get @blocks.0.attn.qkv.weight : tensor<72x24xf32>
  %b = moe.get @blocks.0.attn.qkv.bias : tensor<72xf32>
  %pw = moe.get @blocks.0.attn.proj.weight : tensor<24x24xf32>
  %pb = moe.get @blocks.0.attn.proj.bias : tensor<24xf32>
  %0 = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 3 scale 0.5
      : tensor<5x24xf32>, tensor<72x24xf32>, tensor<72xf32>, tensor<24x24xf32>, tensor<24xf32> -> tensor<5x24xf32>
  return %0 : tensor<5x24xf32>
}

// Only some tokens ask: only they become queries. Without a bias there is none of
// its parts.
// BF16-LABEL: func.func @few_ask(
// BF16-SAME: %[[X:.*]]: tensor<5x24xf32>)
// BF16-DAG: %[[ASK:.*]] = moe.slice_tokens %[[X]] from 3 : tensor<5x24xf32> -> tensor<2x24xf32>
// BF16-DAG: %[[FEW:.*]] = arith.truncf %[[ASK]] : tensor<2x24xf32> to tensor<2x24xbf16>
// BF16-DAG: %[[ALL:.*]] = arith.truncf %[[X]] : tensor<5x24xf32> to tensor<5x24xbf16>
// BF16-DAG: %[[Q:.*]] = moe.linear %[[FEW]] weight(%{{[a-z0-9]+}}) groups(8, 24) : {{.*}} -> tensor<2x24xf32>
// BF16-DAG: %[[KW:.*]] = moe.get @blocks.0.attn.qkv.weight.key.bf16
// BF16-DAG: %[[VW:.*]] = moe.get @blocks.0.attn.qkv.weight.value.bf16
// BF16-DAG: %[[K:.*]] = moe.linear %[[ALL]] weight(%[[KW]]) groups(8, 24) : {{.*}} -> tensor<5x24xf32>
// BF16-DAG: %[[V:.*]] = moe.linear %[[ALL]] weight(%[[VW]]) groups(8, 24) : {{.*}} -> tensor<5x24xf32>
// BF16: moe.attend %[[Q]], %[[K]], %[[V]] heads 3 scale 1.000000e+00 : tensor<2x24xf32>, tensor<5x24xf32>, tensor<5x24xf32>
// BF16: moe.linear {{.*}} groups(24, 8) : {{.*}} -> tensor<2x24xf32>
func.func @few_ask(%x: tensor<5x24xf32>) -> tensor<2x24xf32> {
  %w = moe.get @blocks.0.attn.qkv.weight : tensor<72x24xf32>
  %pw = moe.get @blocks.0.attn.proj.weight : tensor<24x24xf32>
  %pb = moe.get @blocks.0.attn.proj.bias : tensor<24xf32>
  %0 = moe.attention %x qkv(%w) proj(%pw, %pb) heads 3 scale 1.0 queries from 3
      : tensor<5x24xf32>, tensor<72x24xf32>, tensor<24x24xf32>, tensor<24xf32> -> tensor<2x24xf32>
  return %0 : tensor<2x24xf32>
}

// BF16-LABEL: func.func @mlp(
// BF16: %[[R:.*]] = arith.truncf %{{.*}} : tensor<5x24xf32> to tensor<5x24xbf16>
// BF16: %[[H:.*]] = moe.linear %[[R]] {{.*}} groups(32, 24) : {{.*}} -> tensor<5x32xf32>
// BF16: %[[A:.*]] = moe.activate %[[H]] gelu_tanh : tensor<5x32xf32>
// BF16: %[[AR:.*]] = arith.truncf %[[A]] : tensor<5x32xf32> to tensor<5x32xbf16>
// BF16: moe.linear %[[AR]] {{.*}} groups(24, 32) : {{.*}} -> tensor<5x24xf32>
// BF16-NOT: moe.mlp

// INT8-LABEL: func.func @mlp(
// INT8: moe.quantize %{{.*}} : tensor<5x24xf32> -> tensor<5x24xi8>, tensor<5xf32>
// INT8: moe.linear {{.*}} groups(32, 24) : {{.*}} -> tensor<5x32xi32>
// INT8: %[[H:.*]] = moe.dequantize {{.*}} group 32 :
// INT8: %[[A:.*]] = moe.activate %[[H]] gelu_tanh : tensor<5x32xf32>
// INT8: moe.quantize %[[A]] {{.*}} : tensor<5x32xf32> -> tensor<5x32xi8>, tensor<5xf32>
// INT8: moe.linear {{.*}} groups(24, 32) : {{.*}} -> tensor<5x24xi32>
// INT8: moe.dequantize {{.*}} group 24 :
moe.param @blocks.0.mlp.fc1.weight : tensor<32x24xf32>
moe.param @blocks.0.mlp.fc1.bias : tensor<32xf32>
moe.param @blocks.0.mlp.fc2.weight : tensor<24x32xf32>
moe.param @blocks.0.mlp.fc2.bias : tensor<24xf32>
func.func @mlp(%x: tensor<5x24xf32>) -> tensor<5x24xf32> {
  %w1 = moe.get @blocks.0.mlp.fc1.weight : tensor<32x24xf32>
  %b1 = moe.get @blocks.0.mlp.fc1.bias : tensor<32xf32>
  %w2 = moe.get @blocks.0.mlp.fc2.weight : tensor<24x32xf32>
  %b2 = moe.get @blocks.0.mlp.fc2.bias : tensor<24xf32>
  %0 = moe.mlp %x fc1(%w1, %b1) fc2(%w2, %b2) gelu_tanh
      : tensor<5x24xf32>, tensor<32x24xf32>, tensor<32xf32>, tensor<24x32xf32>, tensor<24xf32>
  return %0 : tensor<5x24xf32>
}

// int8 spares what goes into the head: only the weight is quantised, and the
// sums are of f32.
// BF16-LABEL: func.func @head(
// BF16: moe.linear %{{.*}} weight(%{{.*}}) bias(%{{.*}}) groups(10, 24) : tensor<1x24xbf16>, tensor<10x24xbf16>, tensor<10xf32> -> tensor<1x10xf32>
// BF16-NOT: moe.head

// INT8-DAG: moe.param @head.weight.int8 : tensor<10x24xi8> = {
// INT8-DAG: moe.quantize_rows %{{.*}} : tensor<10x24xf32> -> tensor<10x24xi8>
// INT8-DAG: moe.param @head.weight.scales : tensor<10xf32> = {
// INT8-DAG: moe.row_scales %{{.*}} by 1.000000e+00 : tensor<10x24xf32> -> tensor<10xf32>
// INT8-LABEL: func.func @head(
// INT8-SAME: %[[X:.*]]: tensor<1x24xf32>)
// INT8-NOT: moe.quantize
// INT8-DAG: %[[B:.*]] = moe.get @head.bias : tensor<10xf32>
// INT8-DAG: %[[W:.*]] = moe.get @head.weight.int8 : tensor<10x24xi8>
// INT8-DAG: %[[V:.*]] = moe.get @head.weight.scales : tensor<10xf32>
// INT8-DAG: %[[Y:.*]] = moe.linear %[[X]] weight(%[[W]]) groups(10, 24) : tensor<1x24xf32>, tensor<10x24xi8> -> tensor<1x10xf32>
// INT8: %[[Z:.*]] = moe.dequantize %[[Y]] columns(%[[V]]) bias(%[[B]]) group 10 : (tensor<1x10xf32>, tensor<10xf32>, tensor<10xf32>) -> tensor<1x10xf32>
// INT8-NOT: moe.head
// INT8: return %[[Z]]
moe.param @head.weight : tensor<10x24xf32>
moe.param @head.bias : tensor<10xf32>
func.func @head(%x: tensor<1x24xf32>) -> tensor<1x10xf32> {
  %w = moe.get @head.weight : tensor<10x24xf32>
  %b = moe.get @head.bias : tensor<10xf32>
  %0 = moe.head %x weight(%w, %b) : tensor<1x24xf32>, tensor<10x24xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return %0 : tensor<1x10xf32>
}

// Each expert's weight stays in its section, and a table names them. The router
// stays f32.
// BF16-NOT: @router.bf16
// BF16: moe.param @experts.0.fc1.weight.bf16 : tensor<32x24xbf16> in "expert.0" = {
// BF16: moe.param @experts.1.fc1.weight.bf16 : tensor<32x24xbf16> in "expert.1" = {
// BF16: moe.param_table @[[T:.*]] [@experts.0.fc1.weight.bf16, @experts.1.fc1.weight.bf16] : tensor<32x24xbf16>
// BF16: moe.param_table @[[U:.*]] [@experts.0.fc2.weight.bf16, @experts.1.fc2.weight.bf16] : tensor<24x32xbf16>
// BF16-LABEL: func.func @experts(
// BF16: moe.router %{{.*}} weight(%{{.*}}) : tensor<1x24xf32>, tensor<2x24xf32>
// BF16: ^bb0(%{{.*}}: tensor<5x24xf32>, %[[E:.*]]: index):
// BF16-DAG: %[[W:.*]] = moe.get @[[T]][%[[E]]] : tensor<32x24xbf16>
// BF16-DAG: moe.linear %{{.*}} weight(%[[W]])
// BF16-DAG: %[[V:.*]] = moe.get @[[U]][%[[E]]] : tensor<24x32xbf16>
// BF16-DAG: moe.linear %{{.*}} weight(%[[V]])

// INT8: moe.param_table @[[T:.*]] [@experts.0.fc1.weight.int8, @experts.1.fc1.weight.int8] : tensor<32x24xi8>
// INT8-LABEL: func.func @experts(
// INT8: moe.router %{{.*}} weight(%{{.*}}) : tensor<1x24xf32>, tensor<2x24xf32>
// INT8: ^bb0(%{{.*}}: tensor<5x24xf32>, %[[E:.*]]: index):
// INT8-DAG: %[[W:.*]] = moe.get @[[T]][%[[E]]] : tensor<32x24xi8>
// INT8-DAG: %[[S:.*]] = moe.get @fc1.scales[%[[E]]] : tensor<32xf32>
// INT8-DAG: moe.linear %{{.*}} weight(%[[W]])
// INT8-DAG: moe.dequantize %{{.*}} columns(%[[S]])
moe.param @router : tensor<2x24xf32>
moe.param @experts.0.fc1.weight : tensor<32x24xf32> in "expert.0"
moe.param @experts.1.fc1.weight : tensor<32x24xf32> in "expert.1"
moe.param @experts.0.fc2.weight : tensor<24x32xf32> in "expert.0"
moe.param @experts.1.fc2.weight : tensor<24x32xf32> in "expert.1"
moe.param_table @fc1 [@experts.0.fc1.weight, @experts.1.fc1.weight] : tensor<32x24xf32>
moe.param_table @fc2 [@experts.0.fc2.weight, @experts.1.fc2.weight] : tensor<24x32xf32>
func.func @experts(%x: tensor<5x24xf32>, %p: tensor<1x24xf32>) -> tensor<5x24xf32> {
  %r = moe.get @router : tensor<2x24xf32>
  %e, %g = moe.router %p weight(%r) : tensor<1x24xf32>, tensor<2x24xf32> -> tensor<1xindex>, tensor<1xf32>
  %0 = moe.experts %x routed(%e, %g) indexed 2 : tensor<5x24xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x24xf32>, %i: index):
    %w1 = moe.get @fc1[%i] : tensor<32x24xf32>
    %b1 = moe.get @blocks.0.mlp.fc1.bias : tensor<32xf32>
    %w2 = moe.get @fc2[%i] : tensor<24x32xf32>
    %b2 = moe.get @blocks.0.mlp.fc2.bias : tensor<24xf32>
    %y = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) relu
        : tensor<5x24xf32>, tensor<32x24xf32>, tensor<32xf32>, tensor<24x32xf32>, tensor<24xf32>
    moe.yield %y : tensor<5x24xf32>
  }
  return %0 : tensor<5x24xf32>
}
