// The operations of lower precision, with each of their optional parts: parse,
// print, parse.
// RUN: moe-opt %s | moe-opt | FileCheck %s
// RUN: moe-opt %s --mlir-print-op-generic | moe-opt | FileCheck %s
// RUN: moe-opt %s --emit-bytecode | moe-opt | FileCheck %s

moe.param @w : tensor<20x12xf32>
moe.param @b : tensor<60xf32>
moe.param @kernel : tensor<20x3x2x2xf32>

// CHECK: moe.param @w.bf16 : tensor<20x12xbf16> in "blocks.0.expert.0" at 64 = {
// CHECK:   moe.round %{{.*}} : tensor<20x12xf32> -> tensor<20x12xbf16>
moe.param @w.bf16 : tensor<20x12xbf16> in "blocks.0.expert.0" at 64 = {
  %0 = moe.get @w : tensor<20x12xf32>
  %1 = moe.round %0 : tensor<20x12xf32> -> tensor<20x12xbf16>
  moe.yield %1 : tensor<20x12xbf16>
}

// All dimensions but the first count as one.
// CHECK: moe.param @kernel.bf16
// CHECK:   moe.round %{{.*}} : tensor<20x3x2x2xf32> -> tensor<20x12xbf16>
moe.param @kernel.bf16 : tensor<20x12xbf16> = {
  %0 = moe.get @kernel : tensor<20x3x2x2xf32>
  %1 = moe.round %0 : tensor<20x3x2x2xf32> -> tensor<20x12xbf16>
  moe.yield %1 : tensor<20x12xbf16>
}

// CHECK: moe.param @w.int8 : tensor<20x12xi8> = {
// CHECK:   moe.quantize_rows %{{.*}} : tensor<20x12xf32> -> tensor<20x12xi8>
moe.param @w.int8 : tensor<20x12xi8> = {
  %0 = moe.get @w : tensor<20x12xf32>
  %1 = moe.quantize_rows %0 : tensor<20x12xf32> -> tensor<20x12xi8>
  moe.yield %1 : tensor<20x12xi8>
}

// CHECK: moe.param @kernel.int8
// CHECK:   moe.quantize_rows %{{.*}} : tensor<20x3x2x2xf32> -> tensor<20x12xi8>
moe.param @kernel.int8 : tensor<20x12xi8> = {
  %0 = moe.get @kernel : tensor<20x3x2x2xf32>
  %1 = moe.quantize_rows %0 : tensor<20x3x2x2xf32> -> tensor<20x12xi8>
  moe.yield %1 : tensor<20x12xi8>
}

// CHECK: moe.param @w.scales : tensor<20xf32> = {
// CHECK:   moe.row_scales %{{.*}} by 3.125000e-02 : tensor<20x12xf32> -> tensor<20xf32>
moe.param @w.scales : tensor<20xf32> = {
  %0 = moe.get @w : tensor<20x12xf32>
  %1 = moe.row_scales %0 by 0.03125 : tensor<20x12xf32> -> tensor<20xf32>
  moe.yield %1 : tensor<20xf32>
}

// CHECK: moe.param @kernel.scales
// CHECK:   moe.row_scales %{{.*}} by 1.000000e+00 : tensor<20x3x2x2xf32> -> tensor<20xf32>
moe.param @kernel.scales : tensor<20xf32> = {
  %0 = moe.get @kernel : tensor<20x3x2x2xf32>
  %1 = moe.row_scales %0 by 1.0 : tensor<20x3x2x2xf32> -> tensor<20xf32>
  moe.yield %1 : tensor<20xf32>
}

// Sums are i32, in lanes like a bias.
// CHECK: moe.param @w.excess : tensor<2x16xi32> = {
// CHECK:   %[[S:.*]] = moe.row_sums %{{.*}} by -128 : tensor<20x12xi8> -> tensor<20xi32>
// CHECK:   moe.pad_channels %[[S]] group 10 : tensor<20xi32> -> tensor<2x16xi32>
moe.param @w.excess : tensor<2x16xi32> = {
  %0 = moe.get @w.int8 : tensor<20x12xi8>
  %1 = moe.row_sums %0 by -128 : tensor<20x12xi8> -> tensor<20xi32>
  %2 = moe.pad_channels %1 group 10 : tensor<20xi32> -> tensor<2x16xi32>
  moe.yield %2 : tensor<2x16xi32>
}

// CHECK: moe.param @lanes.bf16
// CHECK:   moe.pad_channels %{{.*}} group 12 : tensor<20x12xbf16> -> tensor<20x1x16xbf16>
moe.param @lanes.bf16 : tensor<20x1x16xbf16> = {
  %0 = moe.get @w.bf16 : tensor<20x12xbf16>
  %1 = moe.pad_channels %0 group 12 : tensor<20x12xbf16> -> tensor<20x1x16xbf16>
  moe.yield %1 : tensor<20x1x16xbf16>
}

// CHECK: moe.param @lanes.int8
// CHECK:   moe.pad_channels %{{.*}} group 6 : tensor<20x12xi8> -> tensor<20x2x16xi8>
moe.param @lanes.int8 : tensor<20x2x16xi8> = {
  %0 = moe.get @w.int8 : tensor<20x12xi8>
  %1 = moe.pad_channels %0 group 6 : tensor<20x12xi8> -> tensor<20x2x16xi8>
  moe.yield %1 : tensor<20x2x16xi8>
}

// Two or four inputs side by side for each channel; 1 is not printed.
// CHECK: moe.param @packed.bf16
// CHECK:   moe.pack_panels %{{.*}} groups(10, 12) interleave 2 : tensor<20x12xbf16> -> tensor<2x8x32xbf16>
moe.param @packed.bf16 : tensor<2x8x32xbf16> = {
  %0 = moe.get @w.bf16 : tensor<20x12xbf16>
  %1 = moe.pack_panels %0 groups(10, 12) interleave 2 : tensor<20x12xbf16> -> tensor<2x8x32xbf16>
  moe.yield %1 : tensor<2x8x32xbf16>
}

// CHECK: moe.param @packed.int8
// CHECK:   moe.pack_panels %{{.*}} groups(20, 6) interleave 4 : tensor<20x12xi8> -> tensor<2x8x64xi8>
moe.param @packed.int8 : tensor<2x8x64xi8> = {
  %0 = moe.get @w.int8 : tensor<20x12xi8>
  %1 = moe.pack_panels %0 groups(20, 6) interleave 4 : tensor<20x12xi8> -> tensor<2x8x64xi8>
  moe.yield %1 : tensor<2x8x64xi8>
}

// CHECK: moe.param @packed.plain
// CHECK:   moe.pack_panels %{{.*}} groups(20, 0) : tensor<20x12xi8> -> tensor<2x12x16xi8>
moe.param @packed.plain : tensor<2x12x16xi8> = {
  %0 = moe.get @w.int8 : tensor<20x12xi8>
  %1 = moe.pack_panels %0 groups(20, 0) interleave 1 : tensor<20x12xi8> -> tensor<2x12x16xi8>
  moe.yield %1 : tensor<2x12x16xi8>
}

// A part of a bias.
// CHECK: moe.param @b.key
// CHECK:   moe.slice_rows %{{.*}} from 20 : tensor<60xf32> -> tensor<20xf32>
moe.param @b.key : tensor<20xf32> = {
  %0 = moe.get @b : tensor<60xf32>
  %1 = moe.slice_rows %0 from 20 : tensor<60xf32> -> tensor<20xf32>
  moe.yield %1 : tensor<20xf32>
}

// CHECK: moe.param_table @table [@kernel.bf16, @w.bf16] : tensor<20x12xbf16>
moe.param_table @table [@kernel.bf16, @w.bf16] : tensor<20x12xbf16>

// CHECK-LABEL: func.func @parameters(
// CHECK-SAME: %[[E:.*]]: index)
func.func @parameters(%e: index) {
  // CHECK: moe.get @w.int8 : tensor<20x12xi8>
  %0 = moe.get @w.int8 : tensor<20x12xi8>
  // CHECK: moe.get @table[%[[E]]] : tensor<20x12xbf16>
  %1 = moe.get @table[%e] : tensor<20x12xbf16>
  // CHECK: moe.weights @table[%[[E]]] : memref<20x12xbf16>
  %2 = moe.weights @table[%e] : memref<20x12xbf16>
  // CHECK: moe.weights @w.int8 : memref<20x12xi8>
  %3 = moe.weights @w.int8 : memref<20x12xi8>
  // CHECK: moe.weights @w.excess : memref<2x16xi32>
  %4 = moe.weights @w.excess : memref<2x16xi32>
  return
}

// CHECK-LABEL: func.func @embed(
func.func @embed(%image: tensor<3x8x16xf32>, %p: tensor<4x64xf32>,
                 %t4: tensor<4x64xf32>, %t6: tensor<6x64xf32>) {
  // CHECK: moe.patches %{{.*}} size 4, 8 : tensor<3x8x16xf32> -> tensor<4x96xbf16>
  %0 = moe.patches %image size 4, 8 : tensor<3x8x16xf32> -> tensor<4x96xbf16>
  // CHECK: moe.patches %{{.*}} size 8, 16 : tensor<3x8x16xf32> -> tensor<1x384xf32>
  %1 = moe.patches %image size 8, 16 : tensor<3x8x16xf32> -> tensor<1x384xf32>
  // CHECK: moe.place_tokens %{{.*}}, %{{.*}} prefix 2 : tensor<4x64xf32>, tensor<6x64xf32>
  %2 = moe.place_tokens %p, %t6 prefix 2 : tensor<4x64xf32>, tensor<6x64xf32>
  // CHECK: moe.place_tokens %{{.*}}, %{{.*}} prefix 0 : tensor<4x64xf32>, tensor<4x64xf32>
  %3 = moe.place_tokens %p, %t4 prefix 0 : tensor<4x64xf32>, tensor<4x64xf32>
  return
}

// CHECK-LABEL: func.func @linear(
func.func @linear(%x: tensor<5x12xf32>, %w: tensor<20x12xf32>, %b: tensor<20xf32>,
                  %xb: tensor<5x12xbf16>, %wb: tensor<20x12xbf16>,
                  %xi: tensor<5x12xi8>, %wi: tensor<20x12xi8>) {
  // CHECK: moe.linear %{{.*}} weight(%{{.*}}) bias(%{{.*}}) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xf32>, tensor<20xf32> -> tensor<5x20xf32>
  %0 = moe.linear %x weight(%w) bias(%b) groups(20, 12)
      : tensor<5x12xf32>, tensor<20x12xf32>, tensor<20xf32> -> tensor<5x20xf32>
  // CHECK: moe.linear %{{.*}} weight(%{{.*}}) bias(%{{.*}}) groups(10, 4) : tensor<5x12xbf16>, tensor<20x12xbf16>, tensor<20xf32> -> tensor<5x20xf32>
  %1 = moe.linear %xb weight(%wb) bias(%b) groups(10, 4)
      : tensor<5x12xbf16>, tensor<20x12xbf16>, tensor<20xf32> -> tensor<5x20xf32>
  // CHECK: moe.linear %{{[a-z0-9]+}} weight(%{{[a-z0-9]+}}) groups(20, 12) : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  %2 = moe.linear %xb weight(%wb) groups(20, 12)
      : tensor<5x12xbf16>, tensor<20x12xbf16> -> tensor<5x20xf32>
  // CHECK: moe.linear %{{[a-z0-9]+}} offset 128 weight(%{{[a-z0-9]+}}) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  %3 = moe.linear %xi offset 128 weight(%wi) groups(20, 12)
      : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  // An offset of 0 is not printed.
  // CHECK: moe.linear %{{[a-z0-9]+}} weight(%{{[a-z0-9]+}}) groups(20, 12) : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  %4 = moe.linear %xi offset 0 weight(%wi) groups(20, 12)
      : tensor<5x12xi8>, tensor<20x12xi8> -> tensor<5x20xi32>
  // Only the weight is of integers: sums of f32, a bias as for f32.
  // CHECK: moe.linear %{{[a-z0-9]+}} weight(%{{[a-z0-9]+}}) groups(20, 12) : tensor<5x12xf32>, tensor<20x12xi8> -> tensor<5x20xf32>
  %5 = moe.linear %x weight(%wi) groups(20, 12)
      : tensor<5x12xf32>, tensor<20x12xi8> -> tensor<5x20xf32>
  // CHECK: moe.linear %{{.*}} weight(%{{.*}}) bias(%{{.*}}) groups(10, 4) : tensor<5x12xf32>, tensor<20x12xi8>, tensor<20xf32> -> tensor<5x20xf32>
  %6 = moe.linear %x weight(%wi) bias(%b) groups(10, 4)
      : tensor<5x12xf32>, tensor<20x12xi8>, tensor<20xf32> -> tensor<5x20xf32>
  return
}

// CHECK-LABEL: func.func @quantize(
func.func @quantize(%x: tensor<5x12xf32>) {
  // CHECK: %{{.*}}, %{{.*}} = moe.quantize %{{[a-z0-9]+}} offset 128 : tensor<5x12xf32> -> tensor<5x12xi8>, tensor<5xf32>
  %q, %s = moe.quantize %x offset 128 : tensor<5x12xf32> -> tensor<5x12xi8>, tensor<5xf32>
  // CHECK: moe.quantize %{{.*}} scale 3.125000e-02 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>{{$}}
  %p = moe.quantize %x scale 0.03125 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  // The least and the largest that f32 can hold with their inverses.
  // CHECK: moe.quantize %{{.*}} scale 2.940000e-39 offset 128 : tensor<5x12xf32> -> tensor<5x12xi8>{{$}}
  %l = moe.quantize %x scale 2.94e-39 offset 128 : tensor<5x12xf32> -> tensor<5x12xi8>
  // CHECK: moe.quantize %{{.*}} scale 3.400000e+38 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>{{$}}
  %m = moe.quantize %x scale 3.4e+38 offset 0 : tensor<5x12xf32> -> tensor<5x12xi8>
  return
}

// CHECK-LABEL: func.func @dequantize(
func.func @dequantize(%a: tensor<5x20xi32>, %s: tensor<5xf32>, %v: tensor<20xf32>,
                      %b: tensor<20xf32>, %f: tensor<5x20xf32>) {
  // CHECK: moe.dequantize %{{.*}} rows(%{{.*}}) columns(%{{.*}}) bias(%{{.*}}) group 20 : (tensor<5x20xi32>, tensor<5xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  %0 = moe.dequantize %a rows(%s) columns(%v) bias(%b) group 20
      : (tensor<5x20xi32>, tensor<5xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  // CHECK: moe.dequantize %{{[a-z0-9]+}} rows(%{{[a-z0-9]+}}) columns(%{{[a-z0-9]+}}) group 10 : (tensor<5x20xi32>, tensor<5xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  %1 = moe.dequantize %a rows(%s) columns(%v) group 10
      : (tensor<5x20xi32>, tensor<5xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  // CHECK: moe.dequantize %{{[a-z0-9]+}} columns(%{{[a-z0-9]+}}) bias(%{{[a-z0-9]+}}) group 20 : (tensor<5x20xi32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  %2 = moe.dequantize %a columns(%v) bias(%b) group 20
      : (tensor<5x20xi32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  // CHECK: moe.dequantize %{{[a-z0-9]+}} columns(%{{[a-z0-9]+}}) group 20 : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<5x20xf32>
  %3 = moe.dequantize %a columns(%v) group 20
      : (tensor<5x20xi32>, tensor<20xf32>) -> tensor<5x20xf32>
  // Sums of f32, where only the weight was of integers.
  // CHECK: moe.dequantize %{{[a-z0-9]+}} columns(%{{[a-z0-9]+}}) bias(%{{[a-z0-9]+}}) group 20 : (tensor<5x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  %4 = moe.dequantize %f columns(%v) bias(%b) group 20
      : (tensor<5x20xf32>, tensor<20xf32>, tensor<20xf32>) -> tensor<5x20xf32>
  return
}

// CHECK-LABEL: func.func @collect(
func.func @collect(%s: tensor<5xf32>, %t: tensor<12xf32>) {
  // CHECK: moe.collect %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<5xf32>, tensor<12xf32>, tensor<5xf32> -> tensor<1x22xf32>
  %0 = moe.collect %s, %t, %s : tensor<5xf32>, tensor<12xf32>, tensor<5xf32> -> tensor<1x22xf32>
  // CHECK: moe.collect %{{[a-z0-9]+}} : tensor<12xf32> -> tensor<1x12xf32>
  %1 = moe.collect %t : tensor<12xf32> -> tensor<1x12xf32>
  return
}

// CHECK-LABEL: func.func @activate(
func.func @activate(%x: tensor<5x12xf32>) {
  // CHECK: moe.activate %{{.*}} gelu : tensor<5x12xf32>
  %0 = moe.activate %x gelu : tensor<5x12xf32>
  // CHECK: moe.activate %{{.*}} gelu_tanh : tensor<5x12xf32>
  %1 = moe.activate %x gelu_tanh : tensor<5x12xf32>
  // CHECK: moe.activate %{{.*}} quick_gelu : tensor<5x12xf32>
  %2 = moe.activate %x quick_gelu : tensor<5x12xf32>
  // CHECK: moe.activate %{{.*}} relu : tensor<5x12xf32>
  %3 = moe.activate %x relu : tensor<5x12xf32>
  // CHECK: moe.activate %{{.*}} silu : tensor<5x12xf32>
  %4 = moe.activate %x silu : tensor<5x12xf32>
  return
}

// Fewer tokens may ask than answer.
// CHECK-LABEL: func.func @attend(
func.func @attend(%q: tensor<1x12xf32>, %k: tensor<5x12xf32>, %v: tensor<5x12xf32>) {
  // CHECK: moe.attend %{{.*}}, %{{.*}}, %{{.*}} heads 3 scale 2.500000e-01 : tensor<1x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  %0 = moe.attend %q, %k, %v heads 3 scale 0.25
      : tensor<1x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  // CHECK: moe.attend %{{.*}}, %{{.*}}, %{{.*}} heads 12 scale 1.000000e+00 : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  %1 = moe.attend %k, %k, %v heads 12 scale 1.0
      : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return
}

// CHECK-LABEL: func.func @dot(
func.func @dot(%s: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>,
               %t: vector<4xi32>, %c: vector<16xi8>, %d: vector<16xi8>) {
  // CHECK: moe.dot %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} : vector<16xf32>, vector<32xbf16>
  %0 = moe.dot %s, %a, %b : vector<16xf32>, vector<32xbf16>
  // CHECK: moe.dot %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} unsigned : vector<4xi32>, vector<16xi8>
  %1 = moe.dot %t, %c, %d unsigned : vector<4xi32>, vector<16xi8>
  // CHECK: moe.dot %{{.*}}, %{{.*}}, %{{[a-z0-9]+}} : vector<4xi32>, vector<16xi8>
  %2 = moe.dot %t, %c, %d : vector<4xi32>, vector<16xi8>
  return
}
