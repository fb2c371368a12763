//===- HostModel.cpp - A model compiled and run on this machine -----------===//

#include "moe/Driver/HostModel.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Signals.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace mlir::moe;

namespace fs = llvm::sys::fs;

/// Adds the numbers of a `.npy` that a binary has written: version 1.0, a
/// matrix of little-endian f32.
static bool readLogits(StringRef path, LogitRows &rows) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return false;
  StringRef data = (*buffer)->getBuffer();
  constexpr size_t lengthAt = 8, headerAt = 10;
  if (data.size() < headerAt)
    return false;
  size_t start = headerAt + uint8_t(data[lengthAt]) +
                 (size_t(uint8_t(data[lengthAt + 1])) << 8);
  StringRef header = data.slice(headerAt, start);
  StringRef shape = header.split("'shape': (").second.split(')').first;
  if (shape.split(',').second.trim().rtrim(',').getAsInteger(10,
                                                             rows.columns) ||
      rows.columns < 1)
    return false;
  StringRef numbers = data.substr(start);
  size_t count = numbers.size() / sizeof(float), old = rows.values.size();
  rows.values.resize(old + count);
  std::memcpy(rows.values.data() + old, numbers.data(), count * sizeof(float));
  return count > 0;
}

FailureOr<LogitRows> mlir::moe::runOnHost(CompileOptions options,
                                          ArrayRef<std::string> inputs) {
  SmallString<128> binary, logits;
  for (SmallString<128> *path : {&binary, &logits}) {
    if (std::error_code code = fs::createTemporaryFile("moe", "tmp", *path))
      return report(options.spec, "temporary file", code.message());
    llvm::sys::RemoveFileOnSignal(*path);
  }
  llvm::scope_exit remove([&] {
    for (StringRef path : {StringRef(binary), StringRef(logits)}) {
      fs::remove(path);
      llvm::sys::DontRemoveFileOnSignal(path);
    }
  });
  options.output = std::string(binary);
  options.kind = EmitKind::Exe;
  options.triple =
      llvm::Triple(llvm::Triple::normalize(llvm::sys::getProcessTriple()));
  options.cpus = {"native"};
  options.showWarnings = false;
  if (failed(compile(options)))
    return failure();

  // Images in one run; a tensor is an option of its own. What begins with a
  // dash is a file too.
  SmallVector<SmallVector<std::string>> runs(1);
  for (const std::string &input : inputs) {
    std::string file = (StringRef(input).starts_with("-") ? "./" : "") + input;
    if (StringRef(file).ends_with(".npy"))
      runs.push_back({"--tensor", file});
    else
      runs.front().push_back(file);
  }
  LogitRows rows;
  for (ArrayRef<std::string> files : runs) {
    if (files.empty())
      continue;
    SmallVector<StringRef> command{binary, "--logits", logits};
    llvm::append_range(command, files);
    std::string message;
    std::optional<StringRef> redirects[] = {StringRef(), StringRef(),
                                            std::nullopt};
    int status = llvm::sys::ExecuteAndWait(binary, command, std::nullopt,
                                           redirects, 0, 0, &message);
    // The binary has said what was wrong with its input.
    if (status == 1)
      return failure();
    if (status != 0)
      return report(
          options.spec, "model for this machine",
          "cannot be run: " +
              (message.empty() ? "exit code " + Twine(status).str() : message));
    if (!readLogits(logits, rows))
      return report(options.spec, "model for this machine", "gave no logits");
  }
  return rows;
}

FailureOr<std::vector<double>>
mlir::moe::calibrate(const CompileOptions &options,
                     ArrayRef<std::string> inputs) {
  CompileOptions observing = options;
  std::vector<int64_t> tokens;
  observing.observed = &tokens;
  FailureOr<LogitRows> rows = runOnHost(observing, inputs);
  if (failed(rows))
    return failure();
  constexpr double percentile = 0.999;
  std::vector<double> scales;
  int64_t first = 0;
  bool isDead = false;
  for (int64_t count : tokens) {
    std::vector<float> values;
    for (int64_t i = 0; i < rows->rows(); ++i)
      llvm::append_range(values, rows->row(i).slice(first, count));
    first += count;
    if (llvm::any_of(values, [](float v) { return !std::isfinite(v); }))
      return report(options.spec, "calibration",
                    "an input leads to numbers that are not finite");
    llvm::sort(values);
    size_t place = size_t(std::ceil(percentile * values.size())) - 1;
    // Tokens of zeros have no scale; any will do if they stay zero.
    constexpr double least = 1e-30;
    isDead |= values[place] < least;
    scales.push_back(values[place] < least ? 1.0 : double(values[place]));
  }
  if (isDead)
    (void)report(options.spec, "calibration",
                 "the inputs of some products are all zero; their scale is 1",
                 InputError::Severity::Warning);
  return scales;
}
