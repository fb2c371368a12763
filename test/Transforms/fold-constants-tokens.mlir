// Class token, position embedding and the patches' bias become one table.
// RUN: moe-opt %s --moe-fold-constants --split-input-file | FileCheck %s

moe.param @w : tensor<8x3x4x4xf32>
moe.param @b : tensor<8xf32>
moe.param @pos : tensor<1x5x8xf32>
moe.param @cls : tensor<1x1x8xf32>
// CHECK: moe.param @pos.table : tensor<5x8xf32> = {
// CHECK-DAG: %[[P:.*]] = moe.get @pos :
// CHECK-DAG: %[[C:.*]] = moe.get @cls :
// CHECK-DAG: %[[B:.*]] = moe.get @b :
// CHECK: %[[T:.*]] = moe.token_table %[[P]] bias(%[[B]]) tokens(%[[C]])
// CHECK: moe.yield %[[T]]
// CHECK-LABEL: func.func @class_token(
// CHECK-SAME: %[[I:.*]]: tensor
// CHECK-DAG: %[[W:.*]] = moe.get @w :
// CHECK-DAG: %[[T:.*]] = moe.get @pos.table :
// CHECK: %[[X:.*]] = moe.patch_embed %[[I]], %[[W]], %[[T]] prefix 1
// CHECK-NEXT: return %[[X]]
func.func @class_token(%i: tensor<3x8x8xf32>) -> tensor<5x8xf32> {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.patch_embed %i, %w, %b : tensor<3x8x8xf32>, tensor<8x3x4x4xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %c = moe.get @cls : tensor<1x1x8xf32>
  %1 = moe.class_token %0, %c : tensor<4x8xf32>, tensor<1x1x8xf32> -> tensor<5x8xf32>
  %p = moe.get @pos : tensor<1x5x8xf32>
  %2 = moe.position %1, %p : tensor<5x8xf32>, tensor<1x5x8xf32>
  return %2 : tensor<5x8xf32>
}

// -----

moe.param @w : tensor<8x3x4x4xf32>
moe.param @b : tensor<8xf32>
moe.param @pos : tensor<1x4x8xf32>
// CHECK: moe.param @pos.table : tensor<4x8xf32> = {
// CHECK:   moe.token_table %{{[a-z0-9]+}} bias(%{{[a-z0-9]+}}) : (tensor
// CHECK-LABEL: func.func @no_class_token(
// CHECK: %[[T:.*]] = moe.get @pos.table :
// CHECK: moe.patch_embed %{{.*}}, %{{.*}}, %[[T]] : {{.*}} -> tensor<4x8xf32>
// CHECK-NOT: moe.position
func.func @no_class_token(%i: tensor<3x8x8xf32>) -> tensor<4x8xf32> {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.patch_embed %i, %w, %b : tensor<3x8x8xf32>, tensor<8x3x4x4xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %p = moe.get @pos : tensor<1x4x8xf32>
  %1 = moe.position %0, %p : tensor<4x8xf32>, tensor<1x4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// All of the model's own tokens, in their order, and no bias. Positions of the
// patches alone go to the last rows.
moe.param @w : tensor<8x3x4x4xf32>
moe.param @pos : tensor<1x4x8xf32>
moe.param @cls : tensor<1x1x8xf32>
moe.param @reg : tensor<1x3x8xf32>
// CHECK: moe.param @pos.table : tensor<8x8xf32> = {
// CHECK-DAG: %[[P:.*]] = moe.get @pos :
// CHECK-DAG: %[[C:.*]] = moe.get @cls :
// CHECK-DAG: %[[R:.*]] = moe.get @reg :
// CHECK: %[[T:.*]] = moe.token_table %[[P]] tokens(%[[C]], %[[R]]) : (tensor<1x4x8xf32>, tensor<1x1x8xf32>, tensor<1x3x8xf32>) -> tensor<8x8xf32>
// CHECK-LABEL: func.func @registers(
// CHECK-SAME: %[[I:.*]]: tensor
// CHECK-DAG: %[[W:.*]] = moe.get @w :
// CHECK-DAG: %[[T:.*]] = moe.get @pos.table :
// CHECK: %[[X:.*]] = moe.patch_embed %[[I]], %[[W]], %[[T]] prefix 4
// CHECK-NEXT: return %[[X]]
func.func @registers(%i: tensor<3x8x8xf32>) -> tensor<8x8xf32> {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %0 = moe.patch_embed %i, %w : tensor<3x8x8xf32>, tensor<8x3x4x4xf32> -> tensor<4x8xf32>
  %p = moe.get @pos : tensor<1x4x8xf32>
  %1 = moe.position %0, %p : tensor<4x8xf32>, tensor<1x4x8xf32>
  %r = moe.get @reg : tensor<1x3x8xf32>
  %2 = moe.class_token %1, %r : tensor<4x8xf32>, tensor<1x3x8xf32> -> tensor<7x8xf32>
  %c = moe.get @cls : tensor<1x1x8xf32>
  %3 = moe.class_token %2, %c : tensor<7x8xf32>, tensor<1x1x8xf32> -> tensor<8x8xf32>
  return %3 : tensor<8x8xf32>
}

// -----

// Between registers and class token, positions are those of the rows behind.
moe.param @w : tensor<8x3x4x4xf32>
moe.param @pos : tensor<1x6x8xf32>
moe.param @cls : tensor<1x1x8xf32>
moe.param @reg : tensor<1x2x8xf32>
// CHECK: moe.token_table %{{.*}} tokens(%{{.*}}, %{{.*}}) : (tensor<1x6x8xf32>, tensor<1x1x8xf32>, tensor<1x2x8xf32>) -> tensor<7x8xf32>
// CHECK-LABEL: func.func @between(
// CHECK: moe.patch_embed {{.*}} prefix 3
func.func @between(%i: tensor<3x8x8xf32>) -> tensor<7x8xf32> {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %0 = moe.patch_embed %i, %w : tensor<3x8x8xf32>, tensor<8x3x4x4xf32> -> tensor<4x8xf32>
  %r = moe.get @reg : tensor<1x2x8xf32>
  %1 = moe.class_token %0, %r : tensor<4x8xf32>, tensor<1x2x8xf32> -> tensor<6x8xf32>
  %p = moe.get @pos : tensor<1x6x8xf32>
  %2 = moe.position %1, %p : tensor<6x8xf32>, tensor<1x6x8xf32>
  %c = moe.get @cls : tensor<1x1x8xf32>
  %3 = moe.class_token %2, %c : tensor<6x8xf32>, tensor<1x1x8xf32> -> tensor<7x8xf32>
  return %3 : tensor<7x8xf32>
}

// -----

// The patches, or the tokens without their positions, have another reader.
moe.param @w : tensor<8x3x4x4xf32>
moe.param @b : tensor<8xf32>
moe.param @pos : tensor<1x5x8xf32>
moe.param @cls : tensor<1x1x8xf32>
// CHECK-NOT: token_table
// CHECK-LABEL: func.func @patches_read_twice(
// CHECK: moe.patch_embed
// CHECK: moe.class_token
// CHECK: moe.position
func.func @patches_read_twice(%i: tensor<3x8x8xf32>) -> (tensor<5x8xf32>, tensor<4x8xf32>) {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.patch_embed %i, %w, %b : tensor<3x8x8xf32>, tensor<8x3x4x4xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %c = moe.get @cls : tensor<1x1x8xf32>
  %1 = moe.class_token %0, %c : tensor<4x8xf32>, tensor<1x1x8xf32> -> tensor<5x8xf32>
  %p = moe.get @pos : tensor<1x5x8xf32>
  %2 = moe.position %1, %p : tensor<5x8xf32>, tensor<1x5x8xf32>
  return %2, %0 : tensor<5x8xf32>, tensor<4x8xf32>
}
// CHECK-LABEL: func.func @tokens_read_twice(
// CHECK: moe.class_token
// CHECK: moe.position
func.func @tokens_read_twice(%i: tensor<3x8x8xf32>) -> (tensor<5x8xf32>, tensor<5x8xf32>) {
  %w = moe.get @w : tensor<8x3x4x4xf32>
  %b = moe.get @b : tensor<8xf32>
  %0 = moe.patch_embed %i, %w, %b : tensor<3x8x8xf32>, tensor<8x3x4x4xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %c = moe.get @cls : tensor<1x1x8xf32>
  %1 = moe.class_token %0, %c : tensor<4x8xf32>, tensor<1x1x8xf32> -> tensor<5x8xf32>
  %p = moe.get @pos : tensor<1x5x8xf32>
  %2 = moe.position %1, %p : tensor<5x8xf32>, tensor<1x5x8xf32>
  return %2, %1 : tensor<5x8xf32>, tensor<5x8xf32>
}
