// RUN: moe-opt %s -split-input-file -verify-diagnostics --convert-moe-to-linalg

// expected-error @below {{has no function @run}}
module {
}

// -----

func.func @run(%image: tensor<1x2x2xf32>, %w: tensor<16x1x2x2xf32>, %b: tensor<16xf32>) -> tensor<1x16xf32> {
  // expected-error @below {{cannot be lowered: a weight is no moe.get}}
  %x = moe.patch_embed %image, %w, %b : tensor<1x2x2xf32>, tensor<16x1x2x2xf32>, tensor<16xf32> -> tensor<1x16xf32>
  return %x : tensor<1x16xf32>
}

// -----

// expected-error @below {{must take an image and return logits and a pair per router}}
func.func @run() {
  return
}

// -----

// expected-error @below {{needs one entry of moe.route_layers for each pair of experts and gates}}
func.func @run(%image: tensor<1x2x2xf32>) -> (tensor<1x16xf32>, tensor<1xindex>, tensor<1xf32>) {
  %0 = arith.constant dense<0.0> : tensor<1x16xf32>
  %1 = arith.constant dense<0> : tensor<1xindex>
  %2 = arith.constant dense<0.0> : tensor<1xf32>
  return %0, %1, %2 : tensor<1x16xf32>, tensor<1xindex>, tensor<1xf32>
}
