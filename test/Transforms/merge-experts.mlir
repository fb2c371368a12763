// Experts that differ in their weights only get one body and tables.
// RUN: moe-opt %s --moe-merge-experts --split-input-file | FileCheck %s

moe.param @e0.w : tensor<8x8xf32> in "expert.0"
moe.param @e0.b : tensor<8xf32> in "expert.0"
moe.param @e1.w : tensor<8x8xf32> in "expert.1"
moe.param @e1.b : tensor<8xf32> in "expert.1"
moe.param @common : tensor<8x8xf32>
// CHECK-DAG: moe.param_table @e0.w.table [@e0.w, @e1.w] : tensor<8x8xf32>
// CHECK-DAG: moe.param_table @e0.b.table [@e0.b, @e1.b] : tensor<8xf32>
// CHECK-NOT: @common.table
// CHECK-LABEL: func.func @alike(
// CHECK: %[[R:.*]] = moe.experts {{.*}} indexed 2 :
// CHECK-NEXT: ^bb0(%[[T:.*]]: tensor<5x8xf32>, %[[I:.*]]: index):
// CHECK-DAG: %[[W:.*]] = moe.get @e0.w.table[%[[I]]] : tensor<8x8xf32>
// CHECK-DAG: %[[B:.*]] = moe.get @e0.b.table[%[[I]]] : tensor<8xf32>
// What all of them read needs no table.
// CHECK-DAG: %[[C:.*]] = moe.get @common : tensor<8x8xf32>
// CHECK: %[[Y:.*]] = moe.mlp %[[T]] fc1(%[[W]], %[[B]]) fc2(%[[C]], %[[B]])
// CHECK: moe.yield %[[Y]]
// CHECK-NEXT: }
// CHECK-NEXT: return %[[R]]
func.func @alike(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @e0.w : tensor<8x8xf32>
    %b = moe.get @e0.b : tensor<8xf32>
    %c = moe.get @common : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%c, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @e1.w : tensor<8x8xf32>
    %b = moe.get @e1.b : tensor<8xf32>
    %c = moe.get @common : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%c, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}

// -----

// A single expert is merged with itself.
moe.param @e0.w : tensor<8x8xf32> in "expert.0"
moe.param @e0.b : tensor<8xf32> in "expert.0"
// CHECK-LABEL: func.func @single(
// CHECK: moe.experts {{.*}} indexed 1 :
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<5x8xf32>, %{{.*}}: index):
// CHECK: moe.mlp
// CHECK-NEXT: moe.yield
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @single(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @e0.w : tensor<8x8xf32>
    %b = moe.get @e0.b : tensor<8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%w, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}

// -----

// Two experts that read the very same parameters, in turn: one body, one table
// for each of the two places.
moe.param @v : tensor<8x8xf32>
moe.param @w : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
// CHECK-DAG: moe.param_table @[[V:v.table.*]] [@v, @w]
// CHECK-DAG: moe.param_table @[[W:w.table.*]] [@w, @v]
// CHECK-LABEL: func.func @swapped(
// CHECK: indexed 2
// CHECK: ^bb0(%[[T:.*]]: tensor<5x8xf32>, %[[I:.*]]: index):
// CHECK-DAG: %[[V1:.*]] = moe.get @[[V]][%[[I]]]
// CHECK-DAG: %[[W1:.*]] = moe.get @[[W]][%[[I]]]
// CHECK: moe.mlp %[[T]] fc1(%[[V1]], %{{.*}}) fc2(%[[W1]], %{{.*}})
func.func @swapped(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %v = moe.get @v : tensor<8x8xf32>
    %w = moe.get @w : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%v, %b) fc2(%w, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %v = moe.get @w : tensor<8x8xf32>
    %w = moe.get @v : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%v, %b) fc2(%w, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}

// -----

// Regions that differ in more than their weights stay: another activation,
// another order of operands, another op, another size, one op more.
moe.param @w : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
moe.param @w16 : tensor<16x8xf32>
moe.param @b16 : tensor<16xf32>
moe.param @v16 : tensor<8x16xf32>
// CHECK-NOT: param_table
// CHECK-LABEL: func.func @activation(
// CHECK-NOT: indexed
func.func @activation(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %w = moe.get @w : tensor<8x8xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %y = moe.mlp %t fc1(%w, %b) fc2(%w, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %y = moe.mlp %t fc1(%w, %b) fc2(%w, %b) relu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
// CHECK-LABEL: func.func @operands(
// CHECK-NOT: indexed
func.func @operands(%x: tensor<5x8xf32>, %z: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %y = arith.addf %t, %t : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %y = arith.addf %t, %z : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
// CHECK-LABEL: func.func @operation(
// CHECK-NOT: indexed
func.func @operation(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %y = arith.addf %t, %t : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %y = arith.mulf %t, %t : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
// CHECK-LABEL: func.func @size(
// CHECK-NOT: indexed
func.func @size(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @w : tensor<8x8xf32>
    %b = moe.get @b : tensor<8xf32>
    %v = moe.get @w : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%v, %b) gelu
        : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @w16 : tensor<16x8xf32>
    %b = moe.get @b16 : tensor<16xf32>
    %v = moe.get @v16 : tensor<8x16xf32>
    %b2 = moe.get @b : tensor<8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%v, %b2) gelu
        : tensor<5x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8x16xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
// The third differs from the first two: all three stay.
// CHECK-LABEL: func.func @third(
// CHECK-NOT: indexed
// CHECK-COUNT-3: ^bb0
func.func @third(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>) -> tensor<5x8xf32> {
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    moe.yield %t : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    moe.yield %t : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %y = arith.addf %t, %t : tensor<5x8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}

// -----

// There is no table of tables.
moe.param @a : tensor<8x8xf32>
moe.param @b : tensor<8xf32>
moe.param_table @one [@a] : tensor<8x8xf32>
moe.param_table @other [@a] : tensor<8x8xf32>
// CHECK-LABEL: func.func @tables(
// CHECK: moe.experts
// CHECK-NOT: indexed
// CHECK: moe.get @one[
// CHECK: moe.get @other[
func.func @tables(%x: tensor<5x8xf32>, %e: tensor<1xindex>, %g: tensor<1xf32>, %i: index) -> tensor<5x8xf32> {
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.experts %x routed(%e, %g) : tensor<5x8xf32>, tensor<1xindex>, tensor<1xf32> {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @one[%i] : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%w, %b) gelu : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }, {
  ^bb0(%t: tensor<5x8xf32>):
    %w = moe.get @other[%i] : tensor<8x8xf32>
    %y = moe.mlp %t fc1(%w, %b) fc2(%w, %b) gelu : tensor<5x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8x8xf32>, tensor<8xf32>
    moe.yield %y : tensor<5x8xf32>
  }
  return %0 : tensor<5x8xf32>
}
