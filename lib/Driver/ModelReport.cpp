//===- ModelReport.cpp - What --report tells of a compilation -------------===//

#include "ModelReport.h"

#include "moe/Conversion/Passes.h"
#include "moe/Target/CodeGen.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace mlir::moe;

ReportData mlir::moe::beginReport(const ModelSpec &spec,
                                  const CompiledModel &compiled,
                                  const llvm::Triple &triple) {
  ReportData data;
  data.spec = spec;
  data.target = triple.str();
  data.precision = compiled.precision;
  data.multiplyAdds = compiled.multiplyAdds;
  // Of experts that differ, the one with the most work.
  auto work = [](const auto &part) {
    return std::pair(part.multiplyAdds + part.multiplyAddsPerToken,
                     part.bytes + part.bytesPerToken);
  };
  for (const ModelPart &part : compiled.parts) {
    ReportPart next{part.name,         part.layer, part.kind,
                    part.multiplyAdds, part.bytes, part.multiplyAddsPerToken,
                    part.bytesPerToken};
    auto known = llvm::find_if(data.parts, [&](const ReportPart &other) {
      return other.name == part.name;
    });
    if (known == data.parts.end())
      data.parts.push_back(next);
    else if (work(*known) < work(next))
      *known = next;
  }
  return data;
}

LogicalResult mlir::moe::addProfiles(ReportData &data,
                                     ArrayRef<std::string> paths,
                                     InputErrorSink sink) {
  for (const std::string &path : paths) {
    auto file = llvm::MemoryBuffer::getFile(path);
    if (!file) {
      sink({InputError::Severity::Error, path, "file",
            "cannot open: " + file.getError().message()});
      return failure();
    }
    if (failed(addProfile(data, path, (*file)->getBuffer(), sink)))
      return failure();
  }
  return success();
}

void mlir::moe::addWorkspace(ReportData &data, func::FuncOp run) {
  auto plan = run->getAttrOfType<DictionaryAttr>(kWorkspaceAttr);
  if (!plan)
    return;
  data.workspaceBytes =
      cast<MemRefType>(run.getArgumentTypes().back()).getNumElements();
  for (auto step : plan.getAs<ArrayAttr>("steps").getAsRange<StringAttr>())
    data.steps.push_back(step.str());
  for (auto buffer :
       plan.getAs<ArrayAttr>("buffers").getAsRange<DictionaryAttr>()) {
    auto number = [&](StringRef name) {
      return buffer.getAs<IntegerAttr>(name).getInt();
    };
    data.buffers.push_back({buffer.getAs<StringAttr>("name").str(),
                            number("bytes"), number("offset"), number("first"),
                            number("last")});
  }
}

llvm::Error mlir::moe::addCode(ReportData &data, const CompiledModel &compiled,
                               StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(object);
  if (!file)
    return file.takeError();
  if (!file->getBinary()->isELF())
    return llvm::Error::success();
  for (const Variant &variant : compiled.variants)
    data.variants.push_back({variant.level->name.str(), 0});
  for (const llvm::object::SectionRef &section :
       file->getBinary()->sections()) {
    if (!section.isText())
      continue;
    llvm::Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    auto own = llvm::find_if(data.variants, [&](const ReportVariant &variant) {
      return *name == codeSection(variant.name);
    });
    int64_t size = section.getSize();
    (own == data.variants.end() ? data.commonCodeBytes : own->codeBytes) +=
        size;
  }
  return llvm::Error::success();
}
