//===- RegisterTile.h - How a matrix product is cut into tiles --*- C++ -*-===//

#ifndef MOE_CONVERSION_REGISTERTILE_H
#define MOE_CONVERSION_REGISTERTILE_H

#include "moe/Target/CpuTable.h"

#include <cstdint>

namespace mlir::moe {

/// The part of a result that stays in registers through the loop over k:
/// `rows` rows by `panels` panels of 16 channels.
struct RegisterTile {
  int64_t rows, panels;
};

/// What the tile's loop over k does in a step.
enum class ProductKind {
  /// Multiplies and adds vectors of the weight by one number of the input each,
  /// or by as many as one instruction sums up.
  Plain,
  /// Multiplies vectors of the weight, loaded one by one, by single lanes of
  /// the input, whose rows are loaded as vectors along k.
  ByLane,
  /// Both: takes apart weights that it multiplies by lanes of the input.
  WideningByLane,
  /// Takes weights apart, for an f32 input: two vectors of bf16 from one. (The
  /// head's of int8 are four, but it has one row, whose tile is fixed.)
  Widening,
  /// Multiplies a row, or two, by two columns of 64 bits, loaded one vector
  /// after the other.
  Columns,
  Pairs
};

/// How many parts of k a tile of this size sums side by side: more than one
/// where a single sum for each row and vector would leave multiply-adds waiting
/// for each other, and the registers have room.
int64_t partsOfDepth(int64_t rows, int64_t panels, const CpuLevel &cpu,
                     ProductKind kind = ProductKind::Plain);

/// Chooses the tile for a product with `rows` rows and `panels` panels.
///
/// A step over k loads `panels` vectors of the weight and `rows` scalars, and
/// does rows x panels multiply-adds. The tile's accumulators, the weight's
/// vectors and one broadcast must fit in the registers. Among the tiles that
/// fit, the cheapest is the one with the least time for the whole product,
/// where a step takes as long as the slower of its multiply-adds (two a cycle)
/// and its loads (two a cycle), but at least the latency of a multiply-add
/// shared by its parts of k, since each accumulator waits for its own last
/// value. The remainders of rows and panels count as the smaller tiles that
/// they are. Between tiles that are equally fast by that measure, the one that
/// loads less is taken.
///
/// Weights that are widened take the place of two vectors each, and an
/// instruction for each half.
///
/// Where rows are multiplied by pairs, a tile has an even number of them, or
/// all; a single row left over is a dot product.
///
/// A single row is another matter: it reads every weight once. Its tile is one
/// panel, which is a stream in memory; many panels at once would be streams at
/// equal places of their pages, which the cache maps to the same few lines.
RegisterTile chooseRegisterTile(int64_t rows, int64_t panels,
                                const CpuLevel &cpu,
                                ProductKind kind = ProductKind::Plain);

/// How many lanes of a panel are a line of 64 bytes if each takes `columnBits`.
inline int64_t lanesOfLine(int64_t columnBits) { return 64 * 8 / columnBits; }

/// How `panels` panels that come next are prefetched by `tiles` tiles of rows,
/// each of which makes a step over k for 16 lanes of a panel: each brings
/// in its share, evenly over all its steps. A burst would take all the places
/// where a core can wait for memory, and the loads that only go to the
/// second-level cache would queue behind it.
///
/// Returns how far each step advances, in channels; 0: nothing is prefetched.
/// If a line has 16, two steps of 8 ask for the same one: that costs less than
/// a branch.
int64_t planPrefetch(int64_t panels, int64_t tiles, int64_t columnBits = 32);

} // namespace mlir::moe

#endif // MOE_CONVERSION_REGISTERTILE_H
