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

static bool fits(int64_t rows, int64_t panels, const CpuLevel &cpu,
                 ProductKind kind, int64_t parts = 1) {
  int64_t vectors = panels * registersPerPanel(cpu);
  int64_t accumulators = parts * rows * vectors;
  // The weight's vectors and one broadcast; without multiply-add, the product
  // needs a register of its own.
  int64_t others = vectors + 1 + (cpu.fma ? 0 : 1);
  // A vector of each row, the weight's that is multiplied and the next.
  if (kind == ProductKind::ByLane)
    others = rows + 2;
  // The other halves, and the mask that cuts them out.
  if (kind == ProductKind::Widening)
    others += vectors + 1;
  // Pairs of rows; each vector of the weight is two of half as many columns.
  if (kind == ProductKind::Pairs) {
    accumulators = parts * ((rows + 1) / 2 * 2) * vectors;
    others = (rows + 1) / 2 + 2 * vectors;
  }
  return accumulators + others <= cpu.registers;
}

static constexpr int64_t latency = 4; // cycles, of a multiply-add

int64_t mlir::moe::partsOfDepth(int64_t rows, int64_t panels,
                                const CpuLevel &cpu, ProductKind kind) {
  int64_t sums = rows * panels * registersPerPanel(cpu);
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
  int64_t halves = kind == ProductKind::Widening ? 2 : 1;
  int64_t arithmetic = halves * rows * vectors * (cpu.fma ? 1 : 2);
  if (kind == ProductKind::Widening)
    arithmetic += halves * vectors;
  int64_t loads = vectors + halves * rows;
  if (kind == ProductKind::ByLane)
    loads = vectors + (rows + cpu.lanes - 1) / cpu.lanes;
  if (kind == ProductKind::Pairs) {
    // Half as many instructions as dot products, and one to arrange each vector
    // of the weight.
    arithmetic = rows / 2 * vectors + rows % 2 * vectors + vectors;
    loads = vectors + (rows + 1) / 2;
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

int64_t mlir::moe::planPrefetch(int64_t panels, int64_t tiles) {
  // A single tile reads the weight as a stream, which the CPU foresees.
  if (tiles < 2)
    return 0;
  int64_t lanes = (panels * kPanel + tiles - 1) / tiles;
  // Beyond a line, only whole lines.
  if (lanes > kPanel)
    lanes = (lanes + kPanel - 1) / kPanel * kPanel;
  return lanes;
}
