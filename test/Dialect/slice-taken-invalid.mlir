// RUN: moe-opt %s --split-input-file --verify-diagnostics

// Constraint 1
func.func @taken(%t: tensor<2x4xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected taken tokens of shape [2, 3], found 'tensor<2x4xindex>'}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 1 : tensor<2x4xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
  return
}

// -----

func.func @counts(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<3xindex>) {
  // expected-error@+1 {{expected counts of shape [2], found 'tensor<3xindex>'}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 1 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<3xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
  return
}

// -----

// Constraint 2
func.func @first(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{cannot keep 1 tokens from -1}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from -1 count 1 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
  return
}

// -----

func.func @none(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{cannot keep 0 tokens from 0}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 0 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<2xindex>
  return
}

// -----

// Constraint 3
func.func @kept(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected kept tokens of shape [2, 3], found 'tensor<2x4xindex>'}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 4 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x4xindex>, tensor<2x4xf32>, tensor<2xindex>
  return
}

// -----

func.func @kept_gates(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected kept gates of shape [2, 1], found 'tensor<2x3xf32>'}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 1 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x3xf32>, tensor<2xindex>
  return
}

// -----

func.func @kept_counts(%t: tensor<2x3xindex>, %g: tensor<2x3xf32>, %n: tensor<2xindex>) {
  // expected-error@+1 {{expected kept counts of shape [2], found 'tensor<1xindex>'}}
  %0, %1, %2 = moe.slice_taken %t, %g, %n from 0 count 1 : tensor<2x3xindex>, tensor<2x3xf32>, tensor<2xindex> -> tensor<2x1xindex>, tensor<2x1xf32>, tensor<1xindex>
  return
}
