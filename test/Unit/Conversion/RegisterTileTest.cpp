//===- RegisterTileTest.cpp - The cost model of matrix products -----------===//

#include "moe/Conversion/RegisterTile.h"

#include "moe/Dialect/MoE.h"

#include <gtest/gtest.h>

using namespace mlir::moe;

namespace {

const CpuLevel &level(llvm::StringRef name) {
  const CpuLevel *found = findCpuLevel(name);
  EXPECT_NE(found, nullptr) << name.str();
  return *found;
}

/// Accumulators, the weight's vectors and one broadcast.
int64_t registers(int64_t rows, int64_t panels, const CpuLevel &cpu) {
  int64_t vectors = panels * kPanel / cpu.lanes;
  return partsOfDepth(rows, panels, cpu) * rows * vectors + vectors + 1;
}

/// The share of the multiply-adds' own time in the tiles' time, if a step takes
/// as long as the slowest of its multiply-adds, its loads (two a cycle each)
/// and a multiply-add's latency, which parts of k share.
double efficiency(int64_t rows, int64_t panels, const CpuLevel &cpu) {
  RegisterTile tile = chooseRegisterTile(rows, panels, cpu);
  int64_t perPanel = kPanel / cpu.lanes, time = 0;
  for (int64_t r = 0; r < rows; r += tile.rows)
    for (int64_t p = 0; p < panels; p += tile.panels) {
      int64_t tileRows = std::min(tile.rows, rows - r);
      int64_t tilePanels = std::min(tile.panels, panels - p);
      int64_t vectors = tilePanels * perPanel;
      int64_t parts = partsOfDepth(tileRows, tilePanels, cpu);
      time += std::max(
          {tileRows * vectors, tileRows + vectors, (8 + parts - 1) / parts});
    }
  return double(rows * panels * perPanel) / time;
}

TEST(RegisterTile, FitsTheRegisters) {
  for (const CpuLevel &cpu : cpuLevels())
    for (int64_t rows = 1; rows <= 200; ++rows)
      for (int64_t panels = 1; panels <= 48; ++panels) {
        RegisterTile tile = chooseRegisterTile(rows, panels, cpu);
        EXPECT_GE(tile.rows, 1);
        EXPECT_GE(tile.panels, 1);
        EXPECT_LE(tile.rows, rows);
        EXPECT_LE(tile.panels, panels);
        // The tile and the smaller ones that are left over.
        for (int64_t r : {tile.rows, rows % tile.rows})
          for (int64_t p : {tile.panels, panels % tile.panels})
            if (r > 0 && p > 0)
              EXPECT_LE(registers(r, p, cpu), cpu.registers)
                  << cpu.name.str() << " " << rows << " x " << panels;
      }
}

TEST(RegisterTile, LeavesNoPoorRemainderInTheModelsShapes) {
  // Tokens of 224/32 and 224/16, channels of the paper's widths.
  for (int64_t rows : {49, 50, 196, 197})
    for (int64_t panels : {4, 6, 12, 16, 18, 24, 36, 48, 72, 96}) {
      EXPECT_GE(efficiency(rows, panels, level("x86-64-v4")), 0.95)
          << rows << " x " << panels;
      EXPECT_GE(efficiency(rows, panels, level("x86-64-v3")), 0.94)
          << rows << " x " << panels;
    }
}

TEST(RegisterTile, SevenRowsOfPatchesTakeTheirTimeOnly) {
  // An image of 224/32 has rows of seven patches: tiles of 4 and of 3, the
  // second in two parts.
  for (int64_t panels : {4, 6, 12, 24})
    for (const char *name : {"x86-64-v4", "x86-64-v3"})
      EXPECT_GE(efficiency(7, panels, level(name)), 0.99) << name << panels;
}

TEST(RegisterTile, OneRowIsAStreamInParts) {
  // Eight multiply-adds are under way at any time, 16 of NEON: one vector of
  // AVX-512 makes a panel, two of AVX2, four of SSE and NEON.
  for (auto [name, parts] : {std::pair<const char *, int64_t>{"x86-64-v4", 8},
                             {"x86-64-v3", 4},
                             {"x86-64", 2},
                             {"armv8-a", 4}}) {
    RegisterTile tile = chooseRegisterTile(1, 48, level(name));
    EXPECT_EQ(tile.rows, 1);
    EXPECT_EQ(tile.panels, 1);
    EXPECT_EQ(partsOfDepth(1, 1, level(name)), parts) << name;
  }
}

TEST(RegisterTile, PartsAreForSmallTilesThatLeaveRoom) {
  EXPECT_EQ(partsOfDepth(9, 3, level("x86-64-v4")), 1);
  EXPECT_EQ(partsOfDepth(2, 3, level("x86-64-v4")), 2);
  // Six of sixteen registers hold sums, or twice that; eight are enough.
  EXPECT_EQ(partsOfDepth(3, 1, level("x86-64-v3")), 2);
  EXPECT_EQ(partsOfDepth(4, 1, level("x86-64-v3")), 1);
}

TEST(RegisterTile, EqualTilesLoadLess) {
  // 9 x 3 and 13 x 2 both keep the multipliers busy; the first reads the
  // weight less often.
  RegisterTile tile = chooseRegisterTile(50, 12, level("x86-64-v4"));
  EXPECT_EQ(tile.rows, 9);
  EXPECT_EQ(tile.panels, 3);
}

TEST(RegisterTile, LanesOfTheInputLeaveRoomForMostSums) {
  // 24 of 32 registers hold sums; the others six rows of the input and two
  // vectors of the weight, whatever remains of the rows.
  const CpuLevel &cpu = level("armv8-a");
  constexpr ProductKind kind = ProductKind::ByLane;
  for (int64_t panels : {4, 6, 12, 16, 18, 36, 48})
    for (int64_t rows : {50, 196, 197}) {
      RegisterTile tile = chooseRegisterTile(rows, panels, cpu, kind);
      EXPECT_EQ(tile.rows, 6) << rows << " x " << panels;
      EXPECT_EQ(tile.panels, 1);
    }
  EXPECT_EQ(partsOfDepth(6, 1, cpu, kind), 1);
  // Four multiply-adds a cycle, of a latency of four.
  EXPECT_EQ(partsOfDepth(4, 1, cpu, kind), 1);
  EXPECT_EQ(partsOfDepth(3, 1, cpu, kind), 2);
  EXPECT_EQ(partsOfDepth(1, 1, cpu, kind), 4);
}

TEST(RegisterTile, PairsBeginAtEvenRows) {
  const CpuLevel &cpu = level("armv8.6-a");
  for (int64_t panels : {1, 2, 4, 12})
    for (int64_t rows = 2; rows <= 60; ++rows) {
      RegisterTile tile =
          chooseRegisterTile(rows, panels, cpu, ProductKind::Pairs);
      EXPECT_TRUE(tile.rows % 2 == 0 || tile.rows == rows)
          << rows << " x " << panels << ": " << tile.rows;
    }
  EXPECT_EQ(chooseRegisterTile(50, 12, cpu, ProductKind::Pairs).rows, 6);
}

TEST(RegisterTile, ProductsWithoutTheInstructionTakeRegisters) {
  constexpr ProductKind kind = ProductKind::Columns;
  EXPECT_EQ(chooseRegisterTile(50, 12, level("armv8-a+dotprod"), kind).rows, 3);
  EXPECT_EQ(chooseRegisterTile(50, 12, level("armv8-a"), kind).rows, 2);
}

TEST(Prefetch, CoversTheNextPanels) {
  for (int64_t panels : {1, 2, 3, 8})
    for (int64_t tiles : {2, 3, 6, 10, 49}) {
      int64_t lanes = planPrefetch(panels, tiles);
      EXPECT_GE(tiles * lanes, panels * 16);
      // Not a line more than needed in any step.
      EXPECT_LT((lanes - 16) * tiles, panels * 16);
      EXPECT_TRUE(lanes < 16 || lanes % 16 == 0) << lanes;
    }
}

TEST(Prefetch, LinesOfWideColumnsHaveFewerLanes) {
  EXPECT_EQ(planPrefetch(1, 2, 64), 8);
  EXPECT_EQ(planPrefetch(3, 4, 64), 16);
  EXPECT_EQ(planPrefetch(3, 4, 32), 12);
}

TEST(Prefetch, ASingleTileIsAStream) { EXPECT_EQ(planPrefetch(8, 1), 0); }

} // namespace
