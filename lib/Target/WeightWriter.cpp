//===- WeightWriter.cpp - Weight sections ---------------------------------===//

#include "moe/Target/WeightWriter.h"

#include "moe/Conversion/Passes.h"
#include "moe/Dialect/MoE.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::moe;

namespace {

/// Evaluates parameters. Values live as long as the recipe that asks for them.
class Evaluator {
public:
  Evaluator(ModuleOp module, const WeightFiles &files)
      : symbols(module.getOperation()), files(files) {}

  std::vector<float> evaluate(ParamOp param) {
    if (!param.isDerived()) // checkWeights accepted the files.
      return files.read(param.getSymName());
    DenseMap<Value, std::vector<float>> values;
    for (Operation &op : param.getRecipe().front()) {
      if (auto yield = dyn_cast<YieldOp>(op))
        return std::move(values[yield.getValue()]);
      if (auto get = dyn_cast<GetOp>(op)) {
        values[get] = evaluate(symbols.lookup<ParamOp>(get.getParam()));
        continue;
      }
      SmallVector<ArrayRef<float>> operands;
      for (Value operand : op.getOperands())
        operands.push_back(values.find(operand)->second);
      auto type = cast<RankedTensorType>(op.getResult(0).getType());
      std::vector<float> result(type.getNumElements());
      cast<WeightExprOpInterface>(op).evaluate(operands, result);
      values[op.getResult(0)] = std::move(result);
    }
    llvm_unreachable("a recipe ends in a yield");
  }

private:
  SymbolTable symbols;
  const WeightFiles &files;
};

/// Writes `values`, which numbers of type `To` can hold, and returns how many
/// bytes they are. Little-endian on both sides: so are all targets and hosts
/// that the compiler runs on.
template <typename To>
size_t writeNumbers(ArrayRef<float> values, llvm::raw_ostream &os,
                    function_ref<To(float)> convert) {
  std::vector<To> numbers(values.size());
  llvm::transform(values, numbers.begin(), convert);
  size_t bytes = numbers.size() * sizeof(To);
  os.write(reinterpret_cast<const char *>(numbers.data()), bytes);
  return bytes;
}

/// How many bytes writeAs writes.
int64_t bytesOf(ParamOp param) {
  RankedTensorType type = param.getTensorType();
  return type.getNumElements() * type.getElementTypeBitWidth() / 8;
}

size_t writeAs(Type type, ArrayRef<float> values, llvm::raw_ostream &os) {
  if (type.isInteger(8))
    return writeNumbers<int8_t>(values, os,
                                [](float value) { return int8_t(value); });
  if (type.isInteger(32))
    return writeNumbers<int32_t>(values, os,
                                 [](float value) { return int32_t(value); });
  if (type.isBF16())
    // The upper half of the f32; the recipe has rounded.
    return writeNumbers<uint16_t>(values, os, [](float value) {
      return uint16_t(llvm::bit_cast<uint32_t>(value) >> 16);
    });
  return writeNumbers<float>(values, os, [](float value) { return value; });
}

} // namespace

std::vector<WeightSection>
mlir::moe::writeWeights(ModuleOp module, const WeightFiles &files,
                        llvm::raw_ostream &os,
                        function_ref<void(int64_t, int64_t)> show) {
  llvm::MapVector<StringRef, SmallVector<ParamOp>> bySection;
  for (auto param : module.getOps<ParamOp>())
    if (param.getOffset())
      bySection[param.getSectionName()].push_back(param);

  Evaluator evaluator(module, files);
  std::vector<WeightSection> sections;
  int64_t position = 0, size = 0;
  for (auto &[name, params] : bySection) {
    llvm::sort(params, [](ParamOp a, ParamOp b) {
      return *a.getOffset() < *b.getOffset();
    });
    size += *params.back().getOffset() + bytesOf(params.back());
  }
  for (auto &[name, params] : bySection) {
    WeightSection section{name.str(), weightSymbol(module, name), position, 0};
    for (ParamOp param : params) {
      os.write_zeros(*param.getOffset() - section.size);
      section.size =
          *param.getOffset() + writeAs(param.getTensorType().getElementType(),
                                       evaluator.evaluate(param), os);
      show(position + section.size, size);
    }
    position += section.size;
    sections.push_back(std::move(section));
  }
  return sections;
}
