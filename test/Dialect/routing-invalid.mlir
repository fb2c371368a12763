// RUN: moe-opt %s --split-input-file --verify-diagnostics

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x4xf32>) {
  // expected-error@+1 {{'moe.expert_choice' op expected weight of shape [2, 8], found 'tensor<2x4xf32>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x4xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{expected bias of shape [2], found 'tensor<3xf32>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w, %b) : tensor<6x8xf32>, tensor<2x8xf32>, tensor<3xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{an expert cannot take 7 of 6 tokens}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x7xindex>, tensor<2x7xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected gates of shape [2, 6], found 'tensor<3x6xf32>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<3x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected taken tokens of shape [2, 6], found 'tensor<2x5xindex>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x5xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected counts of shape [2], found 'tensor<3xindex>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<3xindex>, tensor<2xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %w: tensor<2x8xf32>) {
  // expected-error@+1 {{expected mean gates of shape [2], found 'tensor<1xf32>'}}
  %t, %g, %n, %m = moe.expert_choice %h weight(%w) : tensor<6x8xf32>, tensor<2x8xf32> -> tensor<2x6xindex>, tensor<2x6xf32>, tensor<2xindex>, tensor<1xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %mu: tensor<4x2x3xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{'moe.slot_logits' op expected mu of shape [8, 2, 3], found 'tensor<4x2x3xf32>'}}
  %l = moe.slot_logits %h mu(%mu) scale(%s) : tensor<6x8xf32>, tensor<4x2x3xf32>, tensor<1xf32> -> tensor<6x6xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %mu: tensor<8x2x3xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{expected scale of shape [1], found 'tensor<2xf32>'}}
  %l = moe.slot_logits %h mu(%mu) scale(%s) : tensor<6x8xf32>, tensor<8x2x3xf32>, tensor<2xf32> -> tensor<6x6xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %mu: tensor<8x2x3xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{expected logits of shape [6, 6], found 'tensor<6x5xf32>'}}
  %l = moe.slot_logits %h mu(%mu) scale(%s) : tensor<6x8xf32>, tensor<8x2x3xf32>, tensor<1xf32> -> tensor<6x5xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %l: tensor<5x4xf32>) {
  // expected-error@+1 {{'moe.soft_dispatch' op expected logits of shape [6, 4], found 'tensor<5x4xf32>'}}
  %z = moe.soft_dispatch %h, %l : tensor<6x8xf32>, tensor<5x4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%h: tensor<6x8xf32>, %l: tensor<6x4xf32>) {
  // expected-error@+1 {{expected result of shape [4, 8], found 'tensor<6x8xf32>'}}
  %z = moe.soft_dispatch %h, %l : tensor<6x8xf32>, tensor<6x4xf32> -> tensor<6x8xf32>
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{'moe.slot_experts' op 4 experts do not divide the 6 slots}}
  %o = moe.slot_experts %z indexed 4 : tensor<6x8xf32> {
  ^bb0(%x: tensor<1x8xf32>, %e: index):
    moe.yield %x : tensor<1x8xf32>
  }
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{0 experts do not divide the 6 slots}}
  %o = moe.slot_experts %z indexed 0 : tensor<6x8xf32> {
  ^bb0(%x: tensor<1x8xf32>, %e: index):
    moe.yield %x : tensor<1x8xf32>
  }
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{0 experts do not divide the 6 slots}}
  "moe.slot_experts"(%z) : (tensor<6x8xf32>) -> tensor<6x8xf32>
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{'indexed' needs one region, found 2}}
  %o = moe.slot_experts %z indexed 2 : tensor<6x8xf32> {
  ^bb0(%x: tensor<3x8xf32>, %e: index):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<3x8xf32>, %e: index):
    moe.yield %x : tensor<3x8xf32>
  }
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{region 1 must take ('tensor<3x8xf32>')}}
  %o = moe.slot_experts %z : tensor<6x8xf32> {
  ^bb0(%x: tensor<3x8xf32>):
    moe.yield %x : tensor<3x8xf32>
  }, {
  ^bb0(%x: tensor<6x8xf32>):
    moe.yield %x : tensor<6x8xf32>
  }
  return
}

// -----

func.func @f(%z: tensor<6x8xf32>) {
  // expected-error@+1 {{region 0 must yield a 'tensor<3x8xf32>'}}
  %o = moe.slot_experts %z indexed 2 : tensor<6x8xf32> {
  ^bb0(%x: tensor<3x8xf32>, %e: index):
    moe.yield %z : tensor<6x8xf32>
  }
  return
}

// -----

func.func @f(%c: tensor<6x6xf32>) {
  // expected-error@+1 {{'moe.slot_gates' op 4 experts do not divide the 6 slots}}
  %n, %g = moe.slot_gates %c : tensor<6x6xf32> -> tensor<4xindex>, tensor<4xf32>
  return
}

// -----

func.func @f(%c: tensor<6x6xf32>) {
  // expected-error@+1 {{expected counts of shape [3], found 'tensor<2xindex>'}}
  %n, %g = moe.slot_gates %c : tensor<6x6xf32> -> tensor<2xindex>, tensor<3xf32>
  return
}

// -----

func.func @f(%c: tensor<6x4xf32>, %o: tensor<3x8xf32>) {
  // expected-error@+1 {{'moe.soft_combine' op expected outputs of shape [4, 8], found 'tensor<3x8xf32>'}}
  %y = moe.soft_combine %c, %o : tensor<6x4xf32>, tensor<3x8xf32> -> tensor<6x8xf32>
  return
}

// -----

func.func @f(%c: tensor<6x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error@+1 {{expected result of shape [6, 8], found 'tensor<4x8xf32>'}}
  %y = moe.soft_combine %c, %o : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

moe.param @mu : tensor<4x2x3xf32>
moe.param @scale : tensor<1xf32>
moe.param @keys : tensor<6x8xf32> = {
  %0 = moe.get @mu : tensor<4x2x3xf32>
  %1 = moe.get @scale : tensor<1xf32>
  // expected-error@+1 {{'moe.slot_keys' op expected mu of shape [8, 2, 3], found 'tensor<4x2x3xf32>'}}
  %2 = moe.slot_keys %0, %1 : tensor<4x2x3xf32>, tensor<1xf32> -> tensor<6x8xf32>
  moe.yield %2 : tensor<6x8xf32>
}

// -----

moe.param @mu : tensor<8x2x3xf32>
moe.param @scale : tensor<3xf32>
moe.param @keys : tensor<6x8xf32> = {
  %0 = moe.get @mu : tensor<8x2x3xf32>
  %1 = moe.get @scale : tensor<3xf32>
  // expected-error@+1 {{expected scale of shape [1], found 'tensor<3xf32>'}}
  %2 = moe.slot_keys %0, %1 : tensor<8x2x3xf32>, tensor<3xf32> -> tensor<6x8xf32>
  moe.yield %2 : tensor<6x8xf32>
}

// -----

moe.param @mu : tensor<8x2x3xf32>
moe.param @scale : tensor<1xf32>
moe.param @keys : tensor<5x8xf32> = {
  %0 = moe.get @mu : tensor<8x2x3xf32>
  %1 = moe.get @scale : tensor<1xf32>
  // expected-error@+1 {{expected result of shape [6, 8], found 'tensor<5x8xf32>'}}
  %2 = moe.slot_keys %0, %1 : tensor<8x2x3xf32>, tensor<1xf32> -> tensor<5x8xf32>
  moe.yield %2 : tensor<5x8xf32>
}
