//===- ExpertFiles.cpp - Experts in files of their own --------------------===//

#include "moe/Target/ExpertFiles.h"

#include "moe/Runtime/Model.h"

#include "llvm/Support/xxhash.h"

#include <cstring>

using namespace mlir;
using namespace mlir::moe;

ExpertFile mlir::moe::describeExpertFile(StringRef model,
                                         const WeightSection &section,
                                         ArrayRef<uint8_t> weights) {
  return {(model + "." + section.name + ".bin").str(),
          llvm::xxh3_64bits(weights),
          int64_t(sizeof(MoeExpertHeader) + weights.size())};
}

void mlir::moe::writeExpertFile(const ExpertFile &file,
                                ArrayRef<uint8_t> weights,
                                llvm::raw_ostream &os) {
  MoeExpertHeader header = {};
  std::memcpy(header.magic, MOE_EXPERT_MAGIC, sizeof header.magic);
  header.id = file.id;
  header.bytes = file.bytes;
  os.write(reinterpret_cast<const char *>(&header), sizeof header);
  os.write(reinterpret_cast<const char *>(weights.data()), weights.size());
}
