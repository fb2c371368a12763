//===- ListParts.cpp - The parts of the model and their work --------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Parts.h"
#include "moe/Dialect/Precision.h"
#include "moe/Import/ImportModel.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::moe {
#define GEN_PASS_DEF_LISTPARTS
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// A number, and one for each token of an expert.
struct Work {
  int64_t fixed = 0, perToken = 0;

  void add(int64_t amount, bool isPerToken) {
    (isPerToken ? perToken : fixed) += amount;
  }
};

struct Part {
  Precision kind = Precision::F32;
  Work multiplyAdds, bytes;
  /// What its ops read, counted once.
  llvm::SmallDenseSet<Value> read;
};

/// Whether the parts of the ops in `op` are all the same.
bool isOnePart(Operation *op) {
  StringRef part = partOf(op->getLoc());
  return !op->walk([&](Operation *inner) {
              StringRef other = partOf(inner->getLoc());
              return other.empty() || other == part ? WalkResult::advance()
                                                    : WalkResult::interrupt();
            }).wasInterrupted();
}

/// How often `op` runs for an image or, if its part is an expert's, while that
/// expert does, as far as that is known.
int64_t timesRun(Operation *op, bool isExpert) {
  int64_t times = 1;
  for (auto loop = op->getParentOfType<scf::ForOp>(); loop;
       loop = loop->getParentOfType<scf::ForOp>()) {
    // Over experts, of which each is counted by itself.
    if (isExpert && !isOnePart(loop))
      break;
    std::optional<llvm::APInt> trips = loop.getStaticTripCount();
    times *= trips ? int64_t(trips->getZExtValue()) : 1;
  }
  return times;
}

/// What the product `op` multiplies; none if it is not one: a sum over some
/// dimension of products of its two inputs.
std::optional<Precision> kindOfProduct(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumReductionLoops() == 0)
    return std::nullopt;
  Operation *sum = op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_nonnull<arith::AddFOp, arith::AddIOp>(sum))
    return std::nullopt;
  // A variance sums squares of one value.
  bool isProduct = llvm::any_of(sum->getOperands(), [](Value operand) {
    Operation *product = operand.getDefiningOp();
    return isa_and_nonnull<arith::MulFOp, arith::MulIOp>(product) &&
           product->getOperand(0) != product->getOperand(1);
  });
  if (!isProduct)
    return std::nullopt;
  auto isAll = [&](auto test) {
    return llvm::all_of(op.getDpsInputs(), [&](Value input) {
      return test(getElementTypeOrSelf(input.getType()));
    });
  };
  if (isAll([](Type type) { return type.isInteger(8); }))
    return Precision::Int8;
  return isAll([](Type type) { return type.isBF16(); }) ? Precision::BF16
                                                        : Precision::F32;
}

/// The tensor that `value` is a slice of, or another shape.
Value wholeOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp, tensor::CastOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

WeightsOp weightsOf(Value value) {
  auto tensor = value.getDefiningOp<bufferization::ToTensorOp>();
  return tensor ? tensor.getBuffer().getDefiningOp<WeightsOp>() : WeightsOp();
}

bool isWeight(Value value) { return weightsOf(value) != nullptr; }

/// The expert whose branch `op` is in, where each has one of its own; -1 else.
int64_t expertAround(Operation *op, SymbolTable &symbols) {
  for (; op && !isa<func::FuncOp>(op); op = op->getParentOp()) {
    if (!isa<scf::IndexSwitchOp>(op->getParentOp()))
      continue;
    int64_t number = -1;
    for (Operation &other : *op->getBlock())
      other.walk([&](WeightsOp weights) {
        auto param = symbols.lookup<ParamOp>(weights.getParam());
        if (!param)
          return;
        if (auto section = expertOfSection(param.getSectionName()))
          number = section->expert;
      });
    return number;
  }
  return -1;
}

/// Whether an op of another part uses `value`, or a slice of it.
bool isUsedOutside(Value value, StringRef part) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (isa<linalg::LinalgOp>(user))
      return partOf(user->getLoc()) != part;
    // The value goes on as another tensor, or it is read.
    bool isTensor =
        llvm::any_of(user->getResultTypes(), llvm::IsaPred<RankedTensorType>);
    return !isTensor || llvm::any_of(user->getResults(), [&](Value result) {
      return isUsedOutside(result, part);
    });
  });
}

/// Elements of a tensor, those of a row if the number of rows is not known.
int64_t bytesOf(Type type, bool &isPerToken) {
  auto tensor = cast<RankedTensorType>(type);
  isPerToken = !tensor.hasStaticShape();
  int64_t elements = 1;
  for (int64_t size : tensor.getShape())
    elements *= ShapedType::isDynamic(size) ? 1 : size;
  int64_t bits =
      tensor.getElementType().isIndex() ? 64 : tensor.getElementTypeBitWidth();
  return elements * llvm::divideCeil(bits, 8);
}

struct ListParts : moe::impl::ListPartsBase<ListParts> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto run = module.lookupSymbol<func::FuncOp>(kRunFunction);
    if (!run || run.isExternal())
      return;
    SymbolTable table(module);
    symbols = &table;
    run.walk([&](linalg::LinalgOp op) {
      for (Value input : op.getDpsInputs())
        if (WeightsOp weights = weightsOf(wholeOf(input))) {
          auto param = table.lookup<ParamOp>(weights.getParam());
          if (weights.getExpert() ||
              (param && isExpertSection(param.getSectionName())))
            ofExperts.insert(partOf(op->getLoc()));
        }
    });
    run.walk<WalkOrder::PreOrder>([&](linalg::LinalgOp op) { count(op); });
    if (parts.empty())
      return;
    Builder b(module.getContext());
    SmallVector<Attribute> list;
    for (auto &[key, part] : parts) {
      auto [name, expert] = key;
      SmallVector<NamedAttribute> fields;
      auto add = [&](StringRef field, Attribute value) {
        fields.push_back(b.getNamedAttr(field, value));
      };
      auto addWork = [&](const Twine &field, const Work &work) {
        add(field.str(), b.getI64IntegerAttr(work.fixed));
        if (work.perToken)
          add((field + "_per_token").str(), b.getI64IntegerAttr(work.perToken));
      };
      int64_t layer = -1;
      StringRef block = name;
      if (block.consume_front("blocks."))
        block.split('.').first.getAsInteger(10, layer);
      add("name", b.getStringAttr(name));
      add("layer", b.getI64IntegerAttr(layer));
      if (expert >= 0)
        add("expert", b.getI64IntegerAttr(expert));
      add("kind", b.getStringAttr(precisionName(part.kind)));
      addWork("multiply_adds", part.multiplyAdds);
      addWork("bytes", part.bytes);
      list.push_back(b.getDictionaryAttr(fields));
    }
    module->setAttr(kPartsAttr, b.getArrayAttr(list));
  }

  void count(linalg::LinalgOp op) {
    StringRef name = partOf(op.getLoc());
    if (name.empty())
      return;
    Part &part = parts[{name, expertAround(op, *symbols)}];
    int64_t times = timesRun(op, ofExperts.contains(name));
    if (auto generic = dyn_cast<linalg::GenericOp>(op.getOperation()))
      if (std::optional<Precision> kind = kindOfProduct(generic)) {
        int64_t products = 1;
        bool isPerToken = false;
        for (int64_t range : op.getStaticLoopRanges()) {
          isPerToken |= ShapedType::isDynamic(range);
          products *= ShapedType::isDynamic(range) ? 1 : range;
        }
        part.multiplyAdds.add(times * products, isPerToken);
        part.kind = std::max(part.kind, *kind);
      }
    auto addBytes = [&](Type type) {
      bool isPerToken;
      int64_t bytes = bytesOf(type, isPerToken);
      part.bytes.add(times * bytes, isPerToken);
    };
    for (Value input : op.getDpsInputs()) {
      if (!isa<RankedTensorType>(input.getType()))
        continue;
      Value whole = wholeOf(input);
      Operation *maker = whole.getDefiningOp();
      bool isOwn = isa_and_nonnull<linalg::LinalgOp>(maker) &&
                   partOf(maker->getLoc()) == name;
      bool isConstant = maker && maker->hasTrait<OpTrait::ConstantLike>();
      if (!isOwn && !isConstant &&
          part.read.insert(isWeight(whole) ? input : whole).second)
        addBytes(input.getType());
    }
    for (Value result : op->getResults())
      if (isUsedOutside(result, name))
        addBytes(result.getType());
  }

  /// By name and, where experts differ, by expert; -1 else.
  llvm::MapVector<std::pair<StringRef, int64_t>, Part> parts;
  llvm::StringSet<> ofExperts; ///< names of parts
  SymbolTable *symbols = nullptr;
};

} // namespace
