//===- RegisterTile.cpp - How a matrix product is cut into tiles ----------===//

#include "moe/Conversion/RegisterTile.h"

#include "moe/Dialect/MoE.h"

#include <algorithm>
#include <limits>

using namespace mlir::moe;

/// Registers of the CPU that one vector of 16 lanes takes.
static int64_t registersPerPanel(const CpuLevel &cpu) {
  return kPanel / cpu.lanes;
}

static bool fits(int64_t rows, int64_t panels, const CpuLevel &cpu) {
  int64_t perPanel = registersPerPanel(cpu);
  int64_t accumulators = rows * panels * perPanel;
  // The weight's vectors and one broadcast; without multiply-add, the product
  // needs a register of its own.
  int64_t others = panels * perPanel + 1 + (cpu.fma ? 0 : 1);
  return accumulators + others <= cpu.registers;
}

/// Half cycles of one step over k.
static int64_t stepCost(int64_t rows, int64_t panels, const CpuLevel &cpu) {
  constexpr int64_t latency = 4; // cycles, of a multiply-add
  int64_t vectors = panels * registersPerPanel(cpu);
  int64_t arithmetic = rows * vectors * (cpu.fma ? 1 : 2);
  int64_t loads = vectors + rows;
  return std::max({arithmetic, loads, 2 * latency});
}

RegisterTile mlir::moe::chooseRegisterTile(int64_t rows, int64_t panels,
                                           const CpuLevel &cpu) {
  RegisterTile best{1, 1};
  int64_t bestCost = std::numeric_limits<int64_t>::max();
  for (int64_t p = 1; p <= std::min(panels, cpu.registers); ++p) {
    for (int64_t r = 1; r <= rows && (fits(r, p, cpu) || (r == 1 && p == 1));
         ++r) {
      auto columnsCost = [&](int64_t panelCount) {
        int64_t cost = rows / r * stepCost(r, panelCount, cpu);
        if (rows % r)
          cost += stepCost(rows % r, panelCount, cpu);
        return cost;
      };
      int64_t cost = panels / p * columnsCost(p);
      if (panels % p)
        cost += columnsCost(panels % p);
      // At the same cost, fewer rows per tile leave smaller code; more panels
      // read the input less often.
      if (cost < bestCost || (cost == bestCost && p > best.panels)) {
        bestCost = cost;
        best = {r, p};
      }
    }
  }
  return best;
}
