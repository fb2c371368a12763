// Every message of the verifiers of a stem's operations.
// RUN: moe-opt %s --split-input-file --verify-diagnostics

func.func @strides(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected two strides and two paddings}}
  %0 = moe.conv %x, %w stride [1] padding [0, 0] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @channels(%x: tensor<3x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op weight takes 2 channels, but there are 3}}
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] : tensor<3x8x8xf32>, tensor<4x2x3x3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @channels_of_depthwise(%x: tensor<3x8x8xf32>, %w: tensor<3x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op weight takes 3 channels, but there are 1}}
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] depthwise : tensor<3x8x8xf32>, tensor<3x3x3x3xf32> -> tensor<3x6x6xf32>
  return
}

// -----

func.func @kernels(%x: tensor<3x8x8xf32>, %w: tensor<6x1x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected a kernel for each of 3 channels, found 6}}
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] depthwise : tensor<3x8x8xf32>, tensor<6x1x3x3xf32> -> tensor<6x6x6xf32>
  return
}

// -----

func.func @stride(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op stride must be positive, found 0}}
  %0 = moe.conv %x, %w stride [1, 0] padding [0, 0] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @padding(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected a padding from 0 to 2, found 3}}
  %0 = moe.conv %x, %w stride [1, 1] padding [3, 0] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @negative_padding(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected a padding from 0 to 2, found -1}}
  %0 = moe.conv %x, %w stride [1, 1] padding [0, -1] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @size(%x: tensor<3x2x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op a kernel of 3 does not fit in the padded map's 2}}
  %0 = moe.conv %x, %w stride [1, 1] padding [0, 0] : tensor<3x2x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x1x6xf32>
  return
}

// -----

func.func @bias(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected bias of shape [4], found 'tensor<3xf32>'}}
  %0 = moe.conv %x, %w bias(%b) stride [1, 1] padding [0, 0] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<3xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @result(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'moe.conv' op expected result of shape [4, 4, 8], found 'tensor<4x8x8xf32>'}}
  %0 = moe.conv %x, %w stride [2, 1] padding [1, 1] : tensor<3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<4x8x8xf32>
  return
}

// -----

func.func @eps(%x: tensor<4x8x8xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'moe.batch_norm' op eps must be finite and not negative}}
  %0 = moe.batch_norm %x scale(%b, %b) statistics(%b, %b) eps -1.0 : tensor<4x8x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @scale(%x: tensor<4x8x8xf32>, %b: tensor<8xf32>) {
  // expected-error@+1 {{'moe.batch_norm' op expected scale of shape [4], found 'tensor<8xf32>'}}
  %0 = moe.batch_norm %x scale(%b, %b) statistics(%b, %b) eps 1.0e-5 : tensor<4x8x8xf32>, tensor<8xf32>
  return
}

// -----

moe.param @w : tensor<4x3x2x5xf32>
moe.param @g : tensor<3xf32>
moe.param @d : tensor<4x3x2x5xf32> = {
  %w = moe.get @w : tensor<4x3x2x5xf32>
  %g = moe.get @g : tensor<3xf32>
  // expected-error@+1 {{'moe.norm_weight' op expected scale of shape [4], found 'tensor<3xf32>'}}
  %0 = moe.norm_weight %w scale(%g) variance(%g) eps 1.0e-5 : tensor<4x3x2x5xf32>, tensor<3xf32>
  moe.yield %0 : tensor<4x3x2x5xf32>
}

// -----

moe.param @w : tensor<4x3x2x5xf32>
moe.param @g : tensor<4xf32>
moe.param @d : tensor<4x3x2x5xf32> = {
  %w = moe.get @w : tensor<4x3x2x5xf32>
  %g = moe.get @g : tensor<4xf32>
  // expected-error@+1 {{'moe.norm_weight' op eps must be finite and not negative}}
  %0 = moe.norm_weight %w scale(%g) variance(%g) eps 0x7FF0000000000000 : tensor<4x3x2x5xf32>, tensor<4xf32>
  moe.yield %0 : tensor<4x3x2x5xf32>
}

// -----

moe.param @g : tensor<4xf32>
moe.param @b : tensor<3xf32>
moe.param @d : tensor<4xf32> = {
  %g = moe.get @g : tensor<4xf32>
  %b = moe.get @b : tensor<3xf32>
  // expected-error@+1 {{'moe.norm_bias' op expected bias of shape [4], found 'tensor<3xf32>'}}
  %0 = moe.norm_bias scale(%g, %g) statistics(%g, %g) eps 1.0e-5 plus %b : tensor<4xf32>, tensor<3xf32>
  moe.yield %0 : tensor<4xf32>
}

// -----

moe.param @g : tensor<4xf32>
moe.param @d : tensor<4xf32> = {
  %g = moe.get @g : tensor<4xf32>
  // expected-error@+1 {{'moe.norm_bias' op eps must be finite and not negative}}
  %0 = moe.norm_bias scale(%g, %g) statistics(%g, %g) eps -1.0 : tensor<4xf32>
  moe.yield %0 : tensor<4xf32>
}

// -----

moe.param @w : tensor<4x3xf32>
moe.param @d : tensor<3x4xf32> = {
  %w = moe.get @w : tensor<4x3xf32>
  // expected-error@+1 {{'moe.permute' op expected a permutation of 2 dimensions}}
  %0 = moe.permute %w [1, 1] : tensor<4x3xf32> -> tensor<3x4xf32>
  moe.yield %0 : tensor<3x4xf32>
}

// -----

moe.param @w : tensor<4x3xf32>
moe.param @d : tensor<3x4xf32> = {
  %w = moe.get @w : tensor<4x3xf32>
  // expected-error@+1 {{'moe.permute' op expected result of shape [4, 3], found 'tensor<3x4xf32>'}}
  %0 = moe.permute %w [0, 1] : tensor<4x3xf32> -> tensor<3x4xf32>
  moe.yield %0 : tensor<3x4xf32>
}

// -----

moe.param @w : tensor<4x3xf32>
moe.param @d : tensor<4x3xf32> = {
  %w = moe.get @w : tensor<4x3xf32>
  // expected-error@+1 {{'moe.permute' op expected a permutation of 2 dimensions}}
  %0 = moe.permute %w [0, 1, 2] : tensor<4x3xf32> -> tensor<4x3xf32>
  moe.yield %0 : tensor<4x3xf32>
}
