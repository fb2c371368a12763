//===- PlanWorkspace.cpp - Place all buffers in one workspace -------------===//

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/Parts.h"
#include "moe/Import/ImportModel.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::moe {
#define GEN_PASS_DEF_PLANWORKSPACE
#include "moe/Conversion/Passes.h.inc"
} // namespace mlir::moe

using namespace mlir;
using namespace mlir::moe;

namespace {

/// A buffer, the ops (numbered in program order) between which it is in use,
/// and where it lies.
struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes, first, last;
  int64_t offset = 0;
};

constexpr int64_t kAlignment = 64;

/// The most that all buffers together may have: no sum of offset and size is
/// too large for an integer.
constexpr int64_t kMaxBytes = int64_t(1) << 60;

/// The size of a buffer in whole cache lines; nothing for one that has no place
/// in the workspace.
std::optional<int64_t> sizeInBytes(MemRefType type) {
  if (!type.hasStaticShape() || !type.getLayout().isIdentity() ||
      type.getMemorySpace() || !type.getElementType().isIntOrIndexOrFloat())
    return std::nullopt;
  int64_t width =
      type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  int64_t bytes = llvm::divideCeil(width, 8);
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(bytes, size, bytes) || bytes > kMaxBytes)
      return std::nullopt;
  return llvm::alignTo(bytes, kAlignment);
}

/// The parts of the model, one after the other.
class Steps {
public:
  /// The next op in program order.
  void add(Operation *op) {
    StringRef part = isPure(op) ? StringRef() : partOf(op->getLoc());
    if (!part.empty() && (names.empty() || names.back() != part))
      names.push_back(part);
    stepOf.push_back(std::max<int64_t>(names.size(), 1) - 1);
  }
  /// What is written down of a plan.
  DictionaryAttr describe(ArrayRef<Buffer> buffers, Builder &b) const {
    SmallVector<Attribute> list;
    for (const Buffer &buffer : buffers) {
      auto number = [&](StringRef name, int64_t value) {
        return b.getNamedAttr(name, b.getI64IntegerAttr(value));
      };
      list.push_back(b.getDictionaryAttr(
          {b.getNamedAttr("name",
                          b.getStringAttr(partOf(buffer.alloc->getLoc()))),
           number("bytes", buffer.bytes), number("offset", buffer.offset),
           number("first", stepOf[buffer.first]),
           number("last", stepOf[buffer.last])}));
    }
    return b.getDictionaryAttr(
        {b.getNamedAttr("steps", b.getStrArrayAttr(names)),
         b.getNamedAttr("buffers", b.getArrayAttr(list))});
  }

private:
  SmallVector<StringRef> names;
  SmallVector<int64_t> stepOf; ///< by the op's number
};

/// Offsets for the buffers, the largest first, each at the lowest place that no
/// buffer alive at the same time takes. Returns the end of the last one.
int64_t assignOffsets(MutableArrayRef<Buffer> buffers, int64_t start) {
  SmallVector<Buffer *> order =
      llvm::map_to_vector(buffers, [](Buffer &buffer) { return &buffer; });
  // Of equal ones, the first in the program.
  llvm::sort(order, [](Buffer *a, Buffer *b) {
    return std::pair(-a->bytes, a) < std::pair(-b->bytes, b);
  });
  int64_t end = start;
  SmallVector<Buffer *> placed;
  for (Buffer *buffer : order) {
    // Those in the way, from the lowest on: take the first gap.
    SmallVector<Buffer *> inTheWay =
        llvm::filter_to_vector(placed, [&](Buffer *other) {
          return other->first <= buffer->last && buffer->first <= other->last;
        });
    llvm::sort(inTheWay,
               [](Buffer *a, Buffer *b) { return a->offset < b->offset; });
    int64_t offset = start;
    for (Buffer *other : inTheWay) {
      if (offset + buffer->bytes <= other->offset)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    end = std::max(end, offset + buffer->bytes);
    placed.push_back(buffer);
  }
  return end;
}

struct PlanWorkspace : moe::impl::PlanWorkspaceBase<PlanWorkspace> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.getName() != kRunFunction || function.isExternal())
      return;
    DenseMap<Operation *, int64_t> number;
    int64_t count = 0;
    Steps steps;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      number[op] = count++;
      steps.add(op);
    });
    // The number of the last op inside `op`.
    auto endOf = [&](Operation *op) {
      int64_t end = number[op];
      op->walk([&](Operation *inner) { end = std::max(end, number[inner]); });
      return end;
    };

    BufferViewFlowAnalysis views(function);
    SmallVector<Buffer> buffers;
    int64_t total = 0;
    WalkResult result = function.walk([&](memref::AllocOp alloc) {
      std::optional<int64_t> bytes = sizeInBytes(alloc.getType());
      if (!bytes) {
        alloc.emitOpError("cannot be planned: expected a static shape of "
                          "numbers in plain memory");
        return WalkResult::interrupt();
      }
      total += *bytes;
      if (total > kMaxBytes) {
        alloc.emitOpError("cannot be planned: too large");
        return WalkResult::interrupt();
      }
      // In use from the first op on that does something with it, which may come
      // long after the buffer.
      int64_t first = std::numeric_limits<int64_t>::max(), last = number[alloc];
      for (Value alias : views.resolve(alloc.getResult())) {
        for (Operation *user : alias.getUsers()) {
          // Used in a loop that it lives longer than: needed until its end.
          Operation *scope = user;
          for (Operation *op = user; !op->isAncestor(alloc->getParentOp());
               op = op->getParentOp())
            scope = op;
          last = std::max(last, endOf(scope));
          if (!isa<ViewLikeOpInterface>(user))
            first = std::min(first, number[scope]);
        }
      }
      first = std::min(first, last);
      buffers.push_back({alloc, *bytes, first, last});
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();

    ImplicitLocOpBuilder b(function.getLoc(), function);
    // The routes are an argument so far, behind image and logits.
    Value routes =
        function.getNumArguments() > 2 ? function.getArgument(2) : Value();
    auto routesType = routes ? dyn_cast<MemRefType>(routes.getType()) : nullptr;
    std::optional<int64_t> start =
        routesType ? sizeInBytes(routesType) : std::nullopt;
    if (routes && !start) {
      function.emitOpError() << "expected memory for the routes as the third "
                                "argument, found "
                             << routes.getType();
      return signalPassFailure();
    }
    int64_t bytes =
        std::max(assignOffsets(buffers, start.value_or(0)), kAlignment);
    if (function->getParentOp()->hasAttr(kPartsAttr))
      function->setAttr(kWorkspaceAttr, steps.describe(buffers, b));
    auto type = MemRefType::get({bytes}, b.getI8Type());
    if (failed(function.insertArgument(function.getNumArguments(), type, {},
                                       function.getLoc())))
      return signalPassFailure();
    Value workspace = function.getArguments().back();

    auto view = [&](MemRefType as, int64_t offset) -> Value {
      Value start = arith::ConstantIndexOp::create(b, offset);
      return memref::ViewOp::create(b, as, workspace, start, ValueRange());
    };
    b.setInsertionPointToStart(&function.front());
    if (routes) {
      routes.replaceAllUsesWith(view(cast<MemRefType>(routes.getType()), 0));
      if (failed(function.eraseArgument(2)))
        return signalPassFailure();
      function->setAttr(kRoutesOffsetAttr, b.getI64IntegerAttr(0));
    }
    for (Buffer &buffer : buffers) {
      b.setInsertionPoint(buffer.alloc);
      buffer.alloc.replaceAllUsesWith(
          view(buffer.alloc.getType(), buffer.offset));
      buffer.alloc.erase();
    }
  }
};

} // namespace
