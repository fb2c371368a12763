//===- MergeExperts.cpp - One body for experts that are alike -------------===//

#include "moe/Transforms/OneModule.h"
#include "moe/Transforms/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::moe {
#define GEN_PASS_DEF_MERGEEXPERTS
#include "moe/Transforms/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

/// Whether two bodies are the same but for the parameters that they get. The
/// ops of `other` that correspond to those of `first` are in the same order.
static bool isAlike(Block &first, Block &other) {
  IRMapping map;
  map.map(first.getArguments(), other.getArguments());
  auto left = first.begin(), right = other.begin();
  for (; left != first.end() && right != other.end(); ++left, ++right) {
    if (left->getName() != right->getName() || left->getNumRegions() != 0 ||
        left->getResultTypes() != right->getResultTypes() ||
        left->getNumOperands() != right->getNumOperands())
      return false;
    // Entries of tables must be of the same one: there are no tables of tables.
    auto get = dyn_cast<GetOp>(*left);
    if ((!get || get.getExpert()) &&
        left->getAttrDictionary() != right->getAttrDictionary())
      return false;
    for (auto [a, b] : llvm::zip(left->getOperands(), right->getOperands()))
      if (map.lookupOrDefault(a) != b)
        return false;
    map.map(left->getResults(), right->getResults());
  }
  return left == first.end() && right == other.end();
}

static void merge(RoutedOpInterface op, SymbolTable &symbols) {
  Block &first = op.getExpertRegions().front().front();
  for (Region &body : op.getExpertRegions().drop_front())
    if (!isAlike(first, body.front()))
      return;

  OpBuilder builder(op);
  OperationState state(op->getLoc(), op->getName(), op->getOperands(),
                       op->getResultTypes(), op->getAttrs());
  state.addAttribute("indexed", builder.getI64IntegerAttr(op.getExpertCount()));
  state.addRegion();
  Operation *merged = builder.create(state);
  Block *body = builder.createBlock(
      &merged->getRegion(0), {},
      {first.getArgument(0).getType(), builder.getIndexType()},
      {op->getLoc(), op->getLoc()});
  IRMapping map;
  map.map(first.getArgument(0), body->getArgument(0));

  SmallVector<Block::iterator> peers;
  for (Region &region : op.getExpertRegions())
    peers.push_back(region.front().begin());
  for (Operation &inner : first) {
    auto get = dyn_cast<GetOp>(inner);
    SmallVector<Attribute> names;
    if (get)
      for (Block::iterator peer : peers)
        names.push_back(cast<GetOp>(*peer).getParamAttr());
    if (get && !llvm::all_equal(names)) {
      OpBuilder::InsertionGuard guard(builder);
      ParamOp last = symbols.lookup<ParamOp>(
          cast<FlatSymbolRefAttr>(names.back()).getAttr());
      builder.setInsertionPointAfter(last);
      auto table = ParamTableOp::create(
          builder, get.getLoc(),
          builder.getStringAttr(get.getParam() + ".table"),
          builder.getArrayAttr(names), TypeAttr::get(get.getType()));
      symbols.insert(table);
      builder.setInsertionPointToEnd(body);
      map.map(get.getResult(),
              GetOp::create(builder, get.getLoc(), get.getType(),
                            table.getSymName(), body->getArgument(1))
                  .getResult());
    } else {
      builder.clone(inner, map);
    }
    for (Block::iterator &peer : peers)
      ++peer;
  }
  op->replaceAllUsesWith(merged);
  op->erase();
}

namespace {
struct MergeExperts : moe::impl::MergeExpertsBase<MergeExperts> {
  void runOnOperation() override {
    if (failed(verifyOneModule(getOperation())))
      return signalPassFailure();
    SymbolTable symbols(getOperation());
    getOperation().walk([&](RoutedOpInterface op) {
      if (!op.isMerged())
        merge(op, symbols);
    });
  }
};
} // namespace
