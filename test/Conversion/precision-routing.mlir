// Each expert's group of tokens in lower precision: rows that are known at run time
// only, weights of tables. For each CPU, down to memory.
// RUN: moe-opt %s --moe-merge-experts --moe-set-precision=precision=bf16 --canonicalize --cse --convert-moe-to-linalg | FileCheck %s --check-prefix=BF16
// RUN: moe-opt %s --moe-merge-experts "--moe-set-precision=precision=int8 offset=128" --canonicalize --cse --convert-moe-to-linalg | FileCheck %s --check-prefix=INT8
// RUN: moe-opt %s --moe-merge-experts --moe-set-precision=precision=bf16 --moe-to-linalg --moe-to-vector=cpu=x86-64-v4+bf16 --moe-bufferize | FileCheck %s --check-prefixes=MEMORY,DOT
// RUN: moe-opt %s --moe-merge-experts --moe-set-precision=precision=bf16 --moe-to-linalg --moe-to-vector=cpu=x86-64-v3 --moe-bufferize | FileCheck %s --check-prefixes=MEMORY,WIDE --implicit-check-not=moe.dot
// RUN: moe-opt %s --moe-merge-experts "--moe-set-precision=precision=int8 offset=128" --moe-to-linalg --moe-to-vector=cpu=x86-64-v4+vnni --moe-bufferize | FileCheck %s --check-prefix=MEMORY8

// BF16-DAG: moe.param @e0.w1.bf16.packed : tensor<2x8x32xbf16> in "e0" = {
// BF16-DAG: moe.param @e1.w2.bf16.packed : tensor<1x16x32xbf16> in "e1" = {
// BF16-DAG: moe.param_table @[[T1:.*]] [@e0.w1.bf16.packed, @e1.w1.bf16.packed] : tensor<2x8x32xbf16>
// BF16-DAG: moe.param_table @[[T2:.*]] [@e0.w2.bf16.packed, @e1.w2.bf16.packed] : tensor<1x16x32xbf16>
// BF16-LABEL: func.func @run(
// BF16: scf.for %[[E:[a-z0-9]+]] = %{{.*}} -> (tensor<4x1x16xf32>)
// BF16: %[[N:.*]] = tensor.extract %{{.*}}[%[[E]]] : tensor<2xindex>
// What is rounded has as many rows as the group, in a buffer for as many as there
// can be.
// BF16: %[[SPACE:.*]] = bufferization.alloc_tensor() : tensor<3x1x16xbf16>
// BF16: %[[ROWS:.*]] = tensor.extract_slice %[[SPACE]][0, 0, 0] [%[[N]], 1, 16] [1, 1, 1] : tensor<3x1x16xbf16> to tensor<?x1x16xbf16>
// BF16: linalg.generic {{.*}} ins(%{{.*}} : tensor<?x1x16xf32>) outs(%[[ROWS]] : tensor<?x1x16xbf16>)
// BF16: arith.truncf
// BF16: moe.weights @[[T1]][%[[E]]] : memref<2x8x32xbf16>
// BF16: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x16xbf16>, tensor<2x8x16x2xbf16>) outs(%{{.*}} : tensor<?x2x16xf32>)
// BF16: moe.weights @[[T2]][%[[E]]] : memref<1x16x32xbf16>
// BF16: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x32xbf16>, tensor<1x16x16x2xbf16>) outs(%{{.*}} : tensor<?x1x16xf32>)

// INT8-DAG: moe.param @e1.w1.int8.excess : tensor<2x16xi32> in "e1" = {
// INT8-DAG: moe.param_table @[[W:.*]] [@e0.w1.int8.packed, @e1.w1.int8.packed] : tensor<2x4x64xi8>
// INT8-DAG: moe.param_table @[[X:.*]] [@e0.w1.int8.excess, @e1.w1.int8.excess] : tensor<2x16xi32>
// INT8-DAG: moe.param_table @[[S:.*]] [@e0.w1.scales.lanes, @e1.w1.scales.lanes] : tensor<2x16xf32>
// INT8-LABEL: func.func @run(
// INT8: scf.for %[[E:[a-z0-9]+]] = %{{.*}} -> (tensor<4x1x16xf32>)
// INT8: %[[N:.*]] = tensor.extract %{{.*}}[%[[E]]] : tensor<2xindex>
// INT8: linalg.generic {{.*}} ins(%{{.*}} : tensor<?x1x16xf32>) outs(%{{.*}} : tensor<?xi32>)
// INT8: linalg.generic {{.*}} ins(%{{.*}} : tensor<?xi32>) outs(%{{.*}} : tensor<?xf32>)
// INT8: linalg.generic {{.*}} ins(%{{.*}} : tensor<?xi32>) outs(%{{.*}} : tensor<?xf32>)
// INT8: bufferization.alloc_tensor() : tensor<3x1x16xi8>
// INT8: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x1x16xf32>, tensor<?xf32>) outs(%{{.*}} : tensor<?x1x16xi8>)
// INT8: moe.weights @[[W]][%[[E]]] : memref<2x4x64xi8>
// INT8: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x16xi8>, tensor<2x4x16x4xi8>) outs(%{{.*}} : tensor<?x2x16xi32>)
// INT8: moe.weights @[[X]][%[[E]]] : memref<2x16xi32>
// INT8: moe.weights @[[S]][%[[E]]] : memref<2x16xf32>
// INT8: linalg.generic {{.*}} : tensor<?x2x16xi32>, tensor<2x16xf32>, tensor<?xf32>, tensor<2x16xf32>) outs(%{{.*}} : tensor<?x2x16xf32>)

// A kernel makes the views of the group's rows itself, and nothing is allocated.
// MEMORY: func.func private @kernel_{{[0-9]+}}({{.*}}memref<3x1x16xf32>, {{.*}}index
// DOT: moe.dot {{.*}} : vector<16xf32>, vector<32xbf16>
// WIDE: vector.fma
// MEMORY-NOT: memref.alloc
// MEMORY8: moe.dot {{.*}} unsigned : vector<16xi32>, vector<64xi8>
// MEMORY8-NOT: memref.alloc

module @tiny {
  moe.param @patch : tensor<16x1x2x2xf32>
  moe.param @offset : tensor<4x16xf32>
  moe.param @router : tensor<2x16xf32>
  moe.param @e0.w1 : tensor<32x16xf32> in "e0"
  moe.param @e0.b1 : tensor<32xf32> in "e0"
  moe.param @e0.w2 : tensor<16x32xf32> in "e0"
  moe.param @e0.b2 : tensor<16xf32> in "e0"
  moe.param @e1.w1 : tensor<32x16xf32> in "e1"
  moe.param @e1.b1 : tensor<32xf32> in "e1"
  moe.param @e1.w2 : tensor<16x32xf32> in "e1"
  moe.param @e1.b2 : tensor<16xf32> in "e1"
  moe.param @head : tensor<10x16xf32>
  moe.param @bias : tensor<10xf32>

  func.func @run(%image: tensor<1x4x4xf32>) -> (tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>) attributes {moe.route_layers = array<i64: 3>, moe.token_routes} {
    %p = moe.get @patch : tensor<16x1x2x2xf32>
    %o = moe.get @offset : tensor<4x16xf32>
    %x = moe.patch_embed %image, %p, %o : tensor<1x4x4xf32>, tensor<16x1x2x2xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
    %r = moe.get @router : tensor<2x16xf32>
    %t, %g, %n, %m = moe.token_router %x weight(%r) top_k 2 priority : tensor<4x16xf32>, tensor<2x16xf32> -> tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex>, tensor<2xf32>
    %y = moe.token_experts %x took(%t, %g, %n) : tensor<4x16xf32>, tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> {
    ^bb0(%h: tensor<3x16xf32>):
      %0 = moe.get @e0.w1 : tensor<32x16xf32>
      %1 = moe.get @e0.b1 : tensor<32xf32>
      %2 = moe.get @e0.w2 : tensor<16x32xf32>
      %3 = moe.get @e0.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<3x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<3x16xf32>
    }, {
    ^bb0(%h: tensor<3x16xf32>):
      %0 = moe.get @e1.w1 : tensor<32x16xf32>
      %1 = moe.get @e1.b1 : tensor<32xf32>
      %2 = moe.get @e1.w2 : tensor<16x32xf32>
      %3 = moe.get @e1.b2 : tensor<16xf32>
      %4 = moe.mlp %h fc1(%0, %1) fc2(%2, %3) relu : tensor<3x16xf32>, tensor<32x16xf32>, tensor<32xf32>, tensor<16x32xf32>, tensor<16xf32>
      moe.yield %4 : tensor<3x16xf32>
    }
    %s = arith.addf %x, %y : tensor<4x16xf32>
    %c = moe.slice_tokens %s from 0 : tensor<4x16xf32> -> tensor<1x16xf32>
    %w = moe.get @head : tensor<10x16xf32>
    %b = moe.get @bias : tensor<10xf32>
    %l = moe.head %c weight(%w, %b) : tensor<1x16xf32>, tensor<10x16xf32>, tensor<10xf32> -> tensor<1x10xf32>
    return %l, %n, %m : tensor<1x10xf32>, tensor<2xindex>, tensor<2xf32>
  }
}
