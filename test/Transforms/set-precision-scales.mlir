// int8 with constant scales, and a model that returns those of each token.
// RUN: moe-opt %s "--moe-set-precision=precision=int8 offset=128 scales=0.5,0.25,0.125,0.0625,2.0,4.0,8.0" --canonicalize --cse | FileCheck %s --check-prefix=STATIC
// RUN: moe-opt %s "--moe-set-precision=precision=int8 offset=128 observe" --canonicalize --cse | FileCheck %s --check-prefix=OBSERVE
// RUN: moe-opt %s "--moe-set-precision=precision=int8 layers=blocks.1.mlp.fc1=f32,blocks.0.attn=bf16 scales=0.5,8.0" --canonicalize --cse | FileCheck %s --check-prefix=SOME
// RUN: moe-opt %s "--moe-set-precision=precision=int8 layers=blocks.1.mlp.fc1=f32,blocks.0.attn=bf16 observe" --canonicalize --cse | FileCheck %s --check-prefix=OBSERVE-SOME

// One too few, one too many, and where there is none.
// RUN: not moe-opt %s "--moe-set-precision=precision=int8 scales=1,1,1,1,1,1" 2>&1 | FileCheck %s --check-prefix=WRONG -DWANTED=7 -DFOUND=6
// RUN: not moe-opt %s "--moe-set-precision=precision=int8 scales=1,1,1,1,1,1,1,1" 2>&1 | FileCheck %s --check-prefix=WRONG -DWANTED=7 -DFOUND=8
// RUN: not moe-opt %s "--moe-set-precision=precision=bf16 scales=1" 2>&1 | FileCheck %s --check-prefix=WRONG -DWANTED=0 -DFOUND=1
// RUN: not moe-opt %s "--moe-set-precision=precision=int8 layers=blocks=f32,embed=f32 scales=1" 2>&1 | FileCheck %s --check-prefix=WRONG -DWANTED=0 -DFOUND=1
// WRONG: error: expected [[WANTED]] scales, found [[FOUND]]

// Nothing to observe: the logits stay.
// RUN: moe-opt %s "--moe-set-precision=precision=bf16 observe" -o %t.observed
// RUN: moe-opt %s --moe-set-precision=precision=bf16 | diff - %t.observed
// RUN: moe-opt %s "--moe-set-precision=precision=int8 layers=blocks=f32,embed=f32 observe" | FileCheck %s --check-prefix=NOTHING --implicit-check-not=moe.collect
// NOTHING: return %{{.*}} : tensor<1x10xf32>

// A scale that is none, and an offset that no zero point has.
// RUN: not moe-opt %s "--moe-set-precision=precision=int8 scales=1,1,0,1,1,1,1" 2>&1 | FileCheck %s --check-prefix=ZERO
// ZERO: error: a scale must be positive and finite, and so its inverse, found 0
// RUN: not moe-opt %s "--moe-set-precision=precision=int8 offset=5" 2>&1 | FileCheck %s --check-prefix=OFFSET
// OFFSET: error: offset must be 0 or 128, found 5

// The weight's scales are times the inputs'. The same tokens make keys and values,
// but each product has a scale of its own.
// STATIC: moe.param @embed.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @embed.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 5.000000e-01 :
// STATIC: moe.param @blocks.0.attn.qkv.weight.value.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.0.attn.qkv.weight.value :
// STATIC-NEXT: moe.row_scales %[[W]] by 6.250000e-02 :
// STATIC: moe.param @blocks.0.attn.qkv.weight.key.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.0.attn.qkv.weight.key :
// STATIC-NEXT: moe.row_scales %[[W]] by 1.250000e-01 :
// STATIC: moe.param @blocks.0.attn.qkv.weight.query.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.0.attn.qkv.weight.query :
// STATIC-NEXT: moe.row_scales %[[W]] by 2.500000e-01 :
// STATIC: moe.param @blocks.0.attn.proj.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.0.attn.proj.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 2.000000e+00 :
// STATIC: moe.param @experts.0.fc1.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @experts.0.fc1.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 1.000000e+00 :
// STATIC: moe.param @experts.1.fc2.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @experts.1.fc2.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 1.000000e+00 :
// STATIC: moe.param @blocks.1.mlp.fc1.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.1.mlp.fc1.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 4.000000e+00 :
// STATIC: moe.param @blocks.1.mlp.fc2.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @blocks.1.mlp.fc2.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 8.000000e+00 :
// STATIC: moe.param @head.weight.scales : tensor<{{[0-9]+}}xf32> = {
// STATIC-NEXT: %[[W:.*]] = moe.get @head.weight :
// STATIC-NEXT: moe.row_scales %[[W]] by 1.000000e+00 :

// STATIC-LABEL: func.func @run(
// STATIC-SAME: -> tensor<1x10xf32> {
// STATIC: %[[P:.*]] = moe.patches
// STATIC: %[[PQ:.*]] = moe.quantize %[[P]] scale 5.000000e-01 offset 128 : tensor<4x48xf32> -> tensor<4x48xi8>{{$}}
// STATIC: %[[PL:.*]] = moe.linear %[[PQ]] offset 128
// STATIC: moe.dequantize %[[PL]] columns(%{{[a-z0-9_]+}}) group 24 : (tensor<4x24xi32>, tensor<24xf32>)
// STATIC: %[[X:.*]] = moe.place_tokens
// STATIC: %[[ASK:.*]] = moe.slice_tokens %[[X]] from 3
// STATIC: moe.quantize %[[ASK]] scale 2.500000e-01 offset 128 : tensor<2x24xf32> -> tensor<2x24xi8>{{$}}
// STATIC: moe.dequantize %{{[a-z0-9_]+}} columns(%{{[a-z0-9_]+}}) bias(%{{[a-z0-9_]+}}) group 8 : (tensor<2x24xi32>, tensor<24xf32>, tensor<24xf32>)
// STATIC: moe.quantize %[[X]] scale 1.250000e-01 offset 128 : tensor<5x24xf32> -> tensor<5x24xi8>{{$}}
// STATIC: moe.quantize %[[X]] scale 6.250000e-02 offset 128 : tensor<5x24xf32> -> tensor<5x24xi8>{{$}}
// STATIC: %[[A:.*]] = moe.attend
// STATIC: moe.quantize %[[A]] scale 2.000000e+00 offset 128 : tensor<2x24xf32> -> tensor<2x24xi8>{{$}}
// Experts keep a scale for each token.
// STATIC: moe.experts
// STATIC: ^bb0(%[[T:.*]]: tensor<2x24xf32>, %{{.*}}: index):
// STATIC: %{{.*}}, %[[TS:.*]] = moe.quantize %[[T]] offset 128 : tensor<2x24xf32> -> tensor<2x24xi8>, tensor<2xf32>
// STATIC: moe.dequantize %{{.*}} rows(%[[TS]])
// STATIC: %{{.*}}, %[[HS:.*]] = moe.quantize %{{.*}} offset 128 : tensor<2x32xf32> -> tensor<2x32xi8>, tensor<2xf32>
// STATIC: moe.dequantize %{{.*}} rows(%[[HS]])
// STATIC: moe.yield
// STATIC-NOT: rows(
// STATIC: moe.quantize %{{.*}} scale 4.000000e+00 offset 128 : tensor<2x24xf32> -> tensor<2x24xi8>{{$}}
// STATIC: %[[H:.*]] = moe.activate
// STATIC: moe.quantize %[[H]] scale 8.000000e+00 offset 128 : tensor<2x32xf32> -> tensor<2x32xi8>{{$}}
// STATIC-NOT: rows(
// The head's input is not quantised.
// STATIC-NOT: moe.quantize
// STATIC: %[[L:.*]] = moe.dequantize %{{.*}} : (tensor<1x10xf32>, tensor<10xf32>, tensor<10xf32>)
// STATIC: return %[[L]] : tensor<1x10xf32>

// The scales of those seven inputs, of 4 patches, 2 or 5 tokens.
// OBSERVE-LABEL: func.func @run(
// OBSERVE-SAME: -> tensor<1x22xf32> {
// OBSERVE: %{{.*}}, %[[P:.*]] = moe.quantize %{{.*}} offset 128 : tensor<4x48xf32> -> tensor<4x48xi8>, tensor<4xf32>
// OBSERVE: moe.dequantize %{{.*}} rows(%[[P]])
// OBSERVE: %{{.*}}, %[[Q:.*]] = moe.quantize %{{.*}} : tensor<2x24xf32> -> tensor<2x24xi8>, tensor<2xf32>
// OBSERVE: %{{.*}}, %[[KV:.*]] = moe.quantize %{{.*}} : tensor<5x24xf32> -> tensor<5x24xi8>, tensor<5xf32>
// OBSERVE: moe.attend
// OBSERVE: %{{.*}}, %[[A:.*]] = moe.quantize %{{.*}} : tensor<2x24xf32> -> tensor<2x24xi8>, tensor<2xf32>
// OBSERVE: moe.experts
// OBSERVE: moe.yield
// OBSERVE: %{{.*}}, %[[X:.*]] = moe.quantize %{{.*}} : tensor<2x24xf32> -> tensor<2x24xi8>, tensor<2xf32>
// OBSERVE: %{{.*}}, %[[H:.*]] = moe.quantize %{{.*}} : tensor<2x32xf32> -> tensor<2x32xi8>, tensor<2xf32>
// OBSERVE: %[[ALL:.*]] = moe.collect %[[P]], %[[Q]], %[[KV]], %[[KV]], %[[A]], %[[X]], %[[H]] : tensor<4xf32>, tensor<2xf32>, tensor<5xf32>, tensor<5xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x22xf32>
// OBSERVE: return %[[ALL]] : tensor<1x22xf32>

// Layers of another precision have none.
// SOME-LABEL: func.func @run(
// SOME: moe.quantize %{{.*}} scale 5.000000e-01 offset 0 : tensor<4x48xf32> -> tensor<4x48xi8>{{$}}
// SOME: moe.attend
// SOME: moe.experts
// SOME: moe.quantize %{{.*}} offset 0 : tensor<2x24xf32> -> tensor<2x24xi8>, tensor<2xf32>
// SOME: moe.yield
// SOME: moe.linear {{.*}} : tensor<2x24xf32>, tensor<32x24xf32>, tensor<32xf32> -> tensor<2x32xf32>
// SOME: moe.quantize %{{.*}} scale 8.000000e+00 offset 0 : tensor<2x32xf32> -> tensor<2x32xi8>{{$}}
// OBSERVE-SOME: moe.collect %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<2xf32> -> tensor<1x6xf32>

moe.param @embed.weight : tensor<24x3x4x4xf32>
moe.param @table : tensor<5x24xf32>
moe.param @blocks.0.attn.qkv.weight : tensor<72x24xf32>
moe.param @blocks.0.attn.qkv.bias : tensor<72xf32>
moe.param @blocks.0.attn.proj.weight : tensor<24x24xf32>
moe.param @blocks.0.attn.proj.bias : tensor<24xf32>
moe.param @router : tensor<2x24xf32>
moe.param @experts.0.fc1.weight : tensor<32x24xf32>
moe.param @experts.1.fc1.weight : tensor<32x24xf32>
moe.param @experts.0.fc2.weight : tensor<24x32xf32>
moe.param @experts.1.fc2.weight : tensor<24x32xf32>
moe.param_table @fc1 [@experts.0.fc1.weight, @experts.1.fc1.weight] : tensor<32x24xf32>
moe.param_table @fc2 [@experts.0.fc2.weight, @experts.1.fc2.weight] : tensor<24x32xf32>
moe.param @blocks.1.mlp.fc1.weight : tensor<32x24xf32>
moe.param @blocks.1.mlp.fc2.weight : tensor<24x32xf32>
moe.param @b1 : tensor<32xf32>
moe.param @b2 : tensor<24xf32>
moe.param @head.weight : tensor<10x24xf32>
moe.param @head.bias : tensor<10xf32>
func.func @run(%image: tensor<3x8x8xf32>) -> tensor<1x10xf32> {
  %ew = moe.get @embed.weight : tensor<24x3x4x4xf32>
  %et = moe.get @table : tensor<5x24xf32>
  %x = moe.patch_embed %image, %ew, %et prefix 1
      : tensor<3x8x8xf32>, tensor<24x3x4x4xf32>, tensor<5x24xf32> -> tensor<5x24xf32>
  %w = moe.get @blocks.0.attn.qkv.weight : tensor<72x24xf32>
  %b = moe.get @blocks.0.attn.qkv.bias : tensor<72xf32>
  %pw = moe.get @blocks.0.attn.proj.weight : tensor<24x24xf32>
  %pb = moe.get @blocks.0.attn.proj.bias : tensor<24xf32>
  %a = moe.attention %x qkv(%w, %b) proj(%pw, %pb) heads 3 scale 0.5 queries from 3
      : tensor<5x24xf32>, tensor<72x24xf32>, tensor<72xf32>, tensor<24x24xf32>, tensor<24xf32> -> tensor<2x24xf32>
  %b1 = moe.get @b1 : tensor<32xf32>
  %b2 = moe.get @b2 : tensor<24xf32>
  %r = moe.get @router : tensor<2x24xf32>
  %p = moe.slice_tokens %a from 0 : tensor<2x24xf32> -> tensor<1x24xf32>
  %e, %g = moe.router %p weight(%r) : tensor<1x24xf32>, tensor<2x24xf32> -> tensor<1xindex>, tensor<1xf32>
  %y = moe.experts %a routed(%e, %g) indexed 2 : tensor<2x24xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<2x24xf32>, %i: index):
    %w1 = moe.get @fc1[%i] : tensor<32x24xf32>
    %w2 = moe.get @fc2[%i] : tensor<24x32xf32>
    %z = moe.mlp %t fc1(%w1, %b1) fc2(%w2, %b2) relu
        : tensor<2x24xf32>, tensor<32x24xf32>, tensor<32xf32>, tensor<24x32xf32>, tensor<24xf32>
    moe.yield %z : tensor<2x24xf32>
  }
  %w1 = moe.get @blocks.1.mlp.fc1.weight : tensor<32x24xf32>
  %w2 = moe.get @blocks.1.mlp.fc2.weight : tensor<24x32xf32>
  %m = moe.mlp %y fc1(%w1, %b1) fc2(%w2, %b2) relu
      : tensor<2x24xf32>, tensor<32x24xf32>, tensor<32xf32>, tensor<24x32xf32>, tensor<24xf32>
  %s = moe.slice_tokens %m from 0 : tensor<2x24xf32> -> tensor<1x24xf32>
  %hw = moe.get @head.weight : tensor<10x24xf32>
  %hb = moe.get @head.bias : tensor<10xf32>
  %l = moe.head %s weight(%hw, %hb) : tensor<1x24xf32>, tensor<10x24xf32>, tensor<10xf32> -> tensor<1x10xf32>
  return %l : tensor<1x10xf32>
}
