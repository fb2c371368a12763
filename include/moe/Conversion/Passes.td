//===- Passes.td - From moe to vectors and LLVM ------------*- tablegen -*-===//

#ifndef MOE_CONVERSION_PASSES_TD
#define MOE_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertMoEToLinalg : Pass<"convert-moe-to-linalg", "::mlir::ModuleOp"> {
  let summary = "lower the moe dialect to linalg on tensors in panel layout";
  let description = [{
    Activations become tensors [tokens, panels, 16]: channels in lanes of 16, the
    missing ones zero. Weights become `moe.weights` of derived parameters in
    panel order. Every matrix product is a `linalg.generic` whose two innermost
    parallel dimensions are a panel and its lanes; what follows it (bias,
    activation, gate, residual) are element-wise generics that vectorisation
    fuses into its epilogue.

    A map [C, H, W] becomes a tensor [H, W, panels, 16]. Whoever makes it writes it
    into a larger one, within the zeros that the convolutions that read it pad with.

    The run function becomes
    `(%image, %logits, %routes: memref<Rx4xi32>) -> i32` on memory, the last only if
    there are routers: rows of block, expert, gate (the bits of an f32), tokens.
  }];
  let options = [Option<"columnBits", "column-bits", "int64_t", "32",
    "of a weight below f32, how much of a column lies together: 32, or 64 for "
    "instructions that take two columns at a time">];
  let dependentDialects = ["::mlir::moe::MoEDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::mlir::scf::SCFDialect",
    "::mlir::math::MathDialect", "::mlir::arith::ArithDialect",
    "::mlir::memref::MemRefDialect",
    "::mlir::bufferization::BufferizationDialect"];
}

def ListParts : Pass<"moe-list-parts", "::mlir::ModuleOp"> {
  let summary = "the parts of the model and their work";
  let description = [{
    Sets the module's `moe.parts`: a list, in the order of the run function, of the
    parts that its ops' locations name, each with

    - `name`, such as "blocks.3.attn.qkv"; `layer`, the block's index or -1;
      `expert`, where experts differ in more than their weights, so that a name has
      an entry for each;
    - `kind`: what its products multiply, "f32", "bf16" or "int8";
    - `multiply_adds`: of its products, lanes of padding included;
    - `bytes`: that it reads and writes at least: its weights, and activations that
      come from other parts or go to them;
    - `multiply_adds_per_token`, `bytes_per_token`: the same for each token that
      an expert takes, where that is known at run time only.

    Inside of a loop over several parts, such as that over the experts that an image
    goes to, the numbers are those of one iteration.
  }];
  let dependentDialects = [];
}

def WidenProducts : Pass<"moe-widen-products", "::mlir::func::FuncOp"> {
  let summary = "bf16 inputs as f32 where the CPU cannot multiply bf16";
  let description = [{
    On a CPU without products of bf16, the inputs of such a product become f32
    again, from before they were rounded; it fails where they were not. Its weights stay bf16 in
    memory: `moe-vectorize` widens them in registers.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64\"",
    "row of the target table: a CPU's name">];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect"];
}

def FuseRounding : Pass<"moe-fuse-rounding", "::mlir::func::FuncOp"> {
  let summary = "round values where they are made";
  let description = [{
    Fuses an element-wise generic that rounds to bf16 into the one that makes
    what it rounds, if nobody else reads that.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}

def Vectorize : Pass<"moe-vectorize", "::mlir::func::FuncOp"> {
  let summary = "tile and vectorise linalg for a target's registers";
  let description = [{
    Turns each `linalg.generic` into loops over vectors of 16 lanes. A matrix
    product becomes a loop over register tiles (rows x panels, chosen from the
    target's registers so that no poor remainder is left), whose accumulators
    live in registers through the loop over k; an element-wise generic that is
    its only reader becomes the tile's epilogue. A product with a single row is a
    loop over panels, each of which sums parts of k side by side. Where the CPU
    multiplies by a lane of a vector, the input is loaded as vectors along k. While
    a tile of several rows works, it prefetches its share of the weight's next
    panels.

    A depthwise convolution is done for some pixels of a row at a time, each panel
    by itself: taps and pixels are loaded once for all sums that they go into. The
    loops of convolutions tell LLVM not to unroll them (`llvm.loop_annotation`).

    A transposition goes through registers in blocks of 4 by 16 if the input's
    last dimension is a multiple of 4.

    A product of bf16 or i8, whose weights lie interleaved (`moe.pack_panels`),
    takes a step over k for as many inputs as lie side by side: it becomes
    `moe.dot`s on vectors of the sums' 16 lanes, or, where the CPU has them (AMX),
    products of matrix registers. If the inputs of a step are 64 bits, it becomes
    `moe.pair_dot`s on two rows if the CPU has those, else `moe.dot`s that sum each
    column in two halves; the input is arranged for them ahead, once for all
    panels. Where a product's inputs are f32, the weights are widened in registers.

    Any other generic is done in vectors if it
    has a dimension of 16 lanes, else in scalars.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64\"",
    "row of the target table: a CPU's name">];
  let dependentDialects = ["::mlir::moe::MoEDialect",
    "::mlir::amx::AMXDialect", "::mlir::memref::MemRefDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::mlir::arith::ArithDialect", "::mlir::ub::UBDialect",
    "::mlir::bufferization::BufferizationDialect"];
}

def ExpandMath : Pass<"moe-expand-math", "::mlir::func::FuncOp"> {
  let summary = "replace exp, erf, tanh, rsqrt and GELU by arithmetic";
  let description = [{
    `math.exp`, `math.erf`, `math.tanh` and `math.rsqrt` on f32 and vectors of it
    become arithmetic good to a few units in the last place, so that no call to
    libm is left and whole vectors are computed at once. GELU, an expression
    around `math.erf`, has an expansion of its own; where the CPU can look up
    lanes in a table, by a polynomial for each of sixteen intervals.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64\"",
    "row of the target table: a CPU's name">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect"];
}

def LowerDots : Pass<"moe-lower-dots", "::mlir::func::FuncOp"> {
  let summary = "moe.dot and moe.pair_dot as the CPU's instructions";
  let description = [{
    Pairs of rows: `bfmmla`, `smmla`. bf16: `vdpbf16ps`, `bfdot`. i8: `vpdpbusd`, `sdot`; where there is none,
    `pmaddwd` of even and odd numbers widened to 16 bits, or `smull`, `addp` and
    `sadalp`. Fails where the CPU cannot do it.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64\"",
    "row of the target table: a CPU's name">];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect",
    "::mlir::x86vector::X86VectorDialect"];
}

def LowerCopies : Pass<"moe-lower-copies", "::mlir::func::FuncOp"> {
  let summary = "copies of strided memory as loops";
  let description = [{
    Copies that bufferisation could not avoid and that are not of contiguous
    memory become loops: MLIR's own lowering calls its runtime library, which is
    not there.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect",
    "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def PlanWorkspace : Pass<"moe-plan-workspace", "::mlir::func::FuncOp"> {
  let summary = "place all buffers in one workspace";
  let description = [{
    Replaces every `memref.alloc` by a view of a single workspace that the caller
    brings as a new last argument `memref<Nxi8>`. Buffers whose lifetimes do not
    overlap share bytes. The routes, if there are any, come first. The function's
    `moe.routes_offset` says where. If the module has `moe.parts`, the function's
    `moe.workspace` has the plan: steps, and for each buffer the part that makes it,
    its bytes, its offset and the steps in which it is alive.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect",
    "::mlir::arith::ArithDialect"];
}

def OutlineKernels : Pass<"moe-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "one function for loop nests that are alike";
  let description = [{
    Moves each outermost loop nest of the run function into a function of its own
    and merges those that are the same but for the buffers they work on: the
    blocks of a model are alike, so code size and compile time do not grow with
    their number.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def AddPause : Pass<"moe-add-pause", "::mlir::func::FuncOp"> {
  let summary = "let a run stop in front of the first expert";
  let description = [{
    In front of the first op of the run function that reads an expert's weights, puts
    `moe.pause`. Numbers that are computed before it and used after it go through
    buffers. Nothing happens where each token has a route of its own, without
    experts, and if something else than a number or memory would have to be kept.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect",
    "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def MarkParts : Pass<"moe-mark-parts", "::mlir::ModuleOp"> {
  let summary = "say where each part of the model begins";
  let description = [{
    Puts a `moe.mark` in front of the first op of each of the module's `moe.parts`,
    as the locations of ops name them, and one at the end of the run function. A
    loop or branch over several parts has marks inside.
  }];
  let dependentDialects = ["::mlir::moe::MoEDialect",
    "::mlir::arith::ArithDialect"];
}

def AddPeakLoops : Pass<"moe-add-peak-loops", "::mlir::ModuleOp"> {
  let summary = "loops that do nothing but multiply-adds";
  let description = [{
    For each kind of product that the module's `moe.parts` have, adds a function
    `@peak_KIND(%rounds: index) -> f32` that multiplies and adds in registers as fast
    as the CPU can, and says how much in its attribute `moe.multiply_adds`, of one
    round.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64\"",
    "row of the target table: a CPU's name">];
  let dependentDialects = ["::mlir::moe::MoEDialect",
    "::mlir::amx::AMXDialect", "::mlir::func::FuncDialect",
    "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect",
    "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def ConvertToLLVM : Pass<"convert-moe-to-llvm", "::mlir::ModuleOp"> {
  let summary = "lower everything to the LLVM dialect";
  let description = [{
    Memory becomes bare pointers, `moe.weights` addresses within the weight
    sections (external symbols `MODEL_w_SECTION`), experts an index into a table
    of such addresses. With `expert-files`, an expert's weights are where a
    function `moe_expert` says that they are; it takes the number of their section
    among all experts'.
  }];
  let options = [Option<"expertFiles", "expert-files", "bool", "false",
    "experts lie in files of their own">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // MOE_CONVERSION_PASSES_TD
