//===- MarkParts.cpp - Say where each part of the model begins ------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Parts.h"
#include "moe/Import/ImportModel.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::moe {
#define GEN_PASS_DEF_MARKPARTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Whether `op` does something, itself or inside. Views and arithmetic are as
/// good as nothing.
bool isWork(Operation *op) { return op->getNumRegions() > 0 || !isPure(op); }

/// Ops of one part, one after the other.
struct Stretch {
  int64_t part;
  SmallVector<Operation *> ops;
};

struct MarkParts : moe::impl::MarkPartsBase<MarkParts> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto run = module.lookupSymbol<func::FuncOp>(kRunFunction);
    auto list = module->getAttrOfType<ArrayAttr>(kPartsAttr);
    if (!run || run.isExternal() || !list)
      return;
    for (auto [i, part] : llvm::enumerate(list.getAsRange<DictionaryAttr>()))
      if (auto name = part.getAs<StringAttr>("name")) {
        numbers.try_emplace(name, i);
        if (auto expert = part.getAs<IntegerAttr>("expert"))
          expertNumbers[{numbers[name], expert.getInt()}] = i;
      }
    SymbolTable table(module);
    symbols = &table;
    // Later loops and branches are inside of those marked first.
    for (Block &block : run.getBody())
      mark(block);
    for (Block &block : run.getBody())
      if (auto exit = dyn_cast<func::ReturnOp>(block.getTerminator())) {
        OpBuilder b(exit);
        MarkOp::create(b, exit.getLoc(), b.getI64IntegerAttr(-1), Value());
      }
  }

  /// The parts of `op` and of all inside it.
  llvm::SmallSetVector<int64_t, 4> partsIn(Operation *op) {
    llvm::SmallSetVector<int64_t, 4> found;
    op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
      if (!isWork(inner))
        return;
      auto it = numbers.find(partOf(inner->getLoc()));
      if (it != numbers.end())
        found.insert(it->second);
    });
    return found;
  }

  void mark(Block &block) {
    SmallVector<Stretch> stretches;
    bool isBroken = true;
    for (Operation &op : block) {
      if (!isWork(&op))
        continue;
      auto parts = partsIn(&op);
      if (parts.empty())
        continue;
      if (parts.size() > 1 && op.getNumRegions() > 0) {
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            mark(inner);
        isBroken = true;
        continue;
      }
      if (isBroken || stretches.back().part != parts.front())
        stretches.push_back({parts.front(), {}});
      stretches.back().ops.push_back(&op);
      isBroken = false;
    }
    for (Stretch &stretch : stretches)
      mark(stretch);
  }

  void mark(const Stretch &stretch) {
    OpBuilder b(stretch.ops.front());
    Location loc = stretch.ops.front()->getLoc();
    Value expert;
    for (Operation *op : stretch.ops)
      for (Value operand : op->getOperands())
        if (!expert)
          expert = expertOf(operand, b, loc);
    int64_t part = stretch.part;
    // Where experts differ, each has parts of its own.
    if (expert)
      if (std::optional<int64_t> known = getConstantIntValue(expert))
        if (auto own = expertNumbers.find({part, *known});
            own != expertNumbers.end())
          part = own->second;
    MarkOp::create(b, loc, b.getI64IntegerAttr(part), expert);
  }

  /// The expert whose weights `memory` is, if it is known where `b` is.
  Value expertOf(Value memory, OpBuilder &b, Location loc) {
    Operation *op = memory.getDefiningOp();
    while (op && !isa<WeightsOp>(op) && isa<ViewLikeOpInterface>(op))
      op = op->getOperand(0).getDefiningOp();
    auto weights = dyn_cast_or_null<WeightsOp>(op);
    if (!weights)
      return {};
    if (Value expert = weights.getExpert()) {
      Operation *maker = expert.getDefiningOp();
      bool isThere = !maker || maker->getBlock() != b.getInsertionBlock() ||
                     maker->isBeforeInBlock(&*b.getInsertionPoint());
      return isThere ? expert : Value();
    }
    auto param = symbols->lookup<ParamOp>(weights.getParam());
    auto section =
        param ? expertOfSection(param.getSectionName()) : std::nullopt;
    if (!section || section->expert < 0)
      return {};
    return arith::ConstantIndexOp::create(b, loc, section->expert);
  }

  /// The first part of each name, and those of its experts.
  llvm::StringMap<int64_t> numbers;
  DenseMap<std::pair<int64_t, int64_t>, int64_t> expertNumbers;
  SymbolTable *symbols = nullptr;
};

} // namespace
