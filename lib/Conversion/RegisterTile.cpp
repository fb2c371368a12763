//===- RegisterTile.cpp - How a matrix product is cut into tiles ----------===//

#include "moe/Conversion/RegisterTile.h"

#include "moe/Dialect/MoE.h"

#include <algorithm>
#include <limits>
#include <utility>

using namespace mlir::moe;

/// Registers of the CPU that one vector of 16 lanes takes.
static int64_t registersPerPanel(const CpuLevel &cpu) {
  return kPanel / cpu.lanes;
}

/// Vectors of sums that a tile has.
static int64_t numSums(int64_t rows, int64_t panels, const CpuLevel &cpu,
                       ProductKind kind) {
  int64_t vectors = panels * registersPerPanel(cpu);
  switch (kind) {
  case ProductKind::Columns: // two halves of each column
    return 2 * rows * vectors;
  case ProductKind::Pairs:
    return (rows + 1) / 2 * 2 * vectors;
  default:
    return rows * vectors;
  }
}

/// Registers for what is multiplied.
static int64_t numFactors(int64_t rows, int64_t panels, const CpuLevel &cpu,
                          ProductKind kind) {
  int64_t vectors = panels * registersPerPanel(cpu);
  switch (kind) {
  case ProductKind::Plain:
    // The weight's vectors and one broadcast; without multiply-add, the product
    // needs a register of its own.
    return vectors + 1 + (cpu.fma ? 0 : 1);
  case ProductKind::Widening:
    // The other halves, and the mask that cuts them out.
    return 2 * vectors + 2;
  case ProductKind::ByLane:
    // A vector of each row, the weight's that is multiplied and the next.
    return rows + 2;
  case ProductKind::WideningByLane:
    // Two vectors of weights, what they are taken apart into, and the mask.
    return rows + 5;
  case ProductKind::Columns: {
    // Without the instruction, products in vectors of 16 bits.
    int64_t products = cpu.dotInt8 ? 0 : 8;
    return rows + 2 + products;
  }
  case ProductKind::Pairs:
    return (rows + 1) / 2 + 2;
  }
  llvm_unreachable("unknown kind");
}

static bool fits(int64_t rows, int64_t panels, const CpuLevel &cpu,
                 ProductKind kind, int64_t parts = 1) {
  return parts * numSums(rows, panels, cpu, kind) +
             numFactors(rows, panels, cpu, kind) <=
         cpu.registers;
}

static constexpr int64_t latency = 4; // cycles, of a multiply-add

int64_t mlir::moe::partsOfDepth(int64_t rows, int64_t panels,
                                const CpuLevel &cpu, ProductKind kind) {
  int64_t sums = numSums(rows, panels, cpu, kind);
  int64_t underWay = cpu.fmaPerCycle * latency;
  int64_t parts = (underWay + sums - 1) / sums;
  while (parts > 1 && !fits(rows, panels, cpu, kind, parts))
    --parts;
  return parts;
}

/// Half cycles of one step over k.
static int64_t stepCost(int64_t rows, int64_t panels, const CpuLevel &cpu,
                        ProductKind kind) {
  int64_t vectors = panels * registersPerPanel(cpu);
  bool isWidening =
      kind == ProductKind::Widening || kind == ProductKind::WideningByLane;
  int64_t halves = isWidening ? 2 : 1;
  int64_t arithmetic = halves * rows * vectors * (cpu.fma ? 1 : 2);
  if (isWidening)
    arithmetic += halves * vectors;
  int64_t loads = vectors + halves * rows;
  if (kind == ProductKind::ByLane || kind == ProductKind::WideningByLane)
    loads = vectors + (rows + cpu.lanes - 1) / cpu.lanes;
  // Of two steps: a pair of rows takes half as many instructions as two rows.
  if (kind == ProductKind::Columns || kind == ProductKind::Pairs) {
    int64_t groups = kind == ProductKind::Pairs ? (rows + 1) / 2 : rows;
    arithmetic = 2 * groups * vectors;
    loads = 2 * vectors + groups;
  }
  int64_t parts = partsOfDepth(rows, panels, cpu, kind);
  return std::max(
      {arithmetic, loads, (halves * 2 * latency + parts - 1) / parts});
}

/// What the loads of one step cost. A panel is read again for each tile of rows
/// and comes from the second-level cache, the few rows of the input from the
/// first.
static int64_t loadCost(int64_t rows, int64_t panels, const CpuLevel &cpu) {
  constexpr int64_t secondLevel = 4;
  return secondLevel * panels * registersPerPanel(cpu) + rows;
}

RegisterTile mlir::moe::chooseRegisterTile(int64_t rows, int64_t panels,
                                           const CpuLevel &cpu,
                                           ProductKind kind) {
  if (rows == 1)
    return {1, 1};
  using Cost = std::pair<int64_t, int64_t>;
  RegisterTile best{1, 1};
  Cost bestCost{std::numeric_limits<int64_t>::max(), 0};
  for (int64_t p = 1; p <= std::min(panels, cpu.registers); ++p) {
    for (int64_t r = 1;
         r <= rows && (fits(r, p, cpu, kind) || (r == 1 && p == 1)); ++r) {
      // Pairs begin at even rows.
      if (kind == ProductKind::Pairs && r % 2 != 0 && r != rows)
        continue;
      Cost cost{0, 0};
      auto add = [&](int64_t times, int64_t tileRows, int64_t tilePanels) {
        if (times == 0 || tileRows == 0 || tilePanels == 0)
          return;
        cost.first += times * stepCost(tileRows, tilePanels, cpu, kind);
        cost.second += times * loadCost(tileRows, tilePanels, cpu);
      };
      add((panels / p) * (rows / r), r, p);
      add(panels / p, rows % r, p);
      add(rows / r, r, panels % p);
      add(1, rows % r, panels % p);
      if (cost < bestCost) {
        bestCost = cost;
        best = {r, p};
      }
    }
  }
  return best;
}

int64_t mlir::moe::planPrefetch(int64_t panels, int64_t tiles,
                                int64_t columnBits) {
  // A single tile reads the weight as a stream, which the CPU foresees.
  if (tiles < 2)
    return 0;
  // So many tiles, as a convolution has, that the panels come without waiting
  // being noticed, while each of them would ask for the same few lines again.
  if (tiles > 4 * panels * kPanel)
    return 0;
  int64_t lanes = (panels * kPanel + tiles - 1) / tiles;
  // Beyond a line, only whole lines.
  int64_t line = lanesOfLine(columnBits);
  if (lanes > line)
    lanes = (lanes + line - 1) / line * line;
  return lanes;
}
