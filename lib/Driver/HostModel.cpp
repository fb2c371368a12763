//===- HostModel.cpp - A model compiled and run on this machine -----------===//

#include "moe/Driver/HostModel.h"

#include "moe/Driver/Progress.h"

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

/// The arguments of each run of a model on `inputs`: some images, or a tensor,
/// which is an option of its own. What begins with a dash is a file too.
static std::vector<std::vector<std::string>>
splitIntoRuns(ArrayRef<std::string> inputs) {
  // Few enough to show progress, and so many that starting the model does not
  // count.
  constexpr size_t imagesInRun = 16;
  std::vector<std::vector<std::string>> images, tensors;
  for (const std::string &input : inputs) {
    std::string file = (StringRef(input).starts_with("-") ? "./" : "") + input;
    if (StringRef(file).ends_with(".npy")) {
      tensors.push_back({"--tensor", file});
      continue;
    }
    if (images.empty() || images.back().size() == imagesInRun)
      images.emplace_back();
    images.back().push_back(file);
  }
  llvm::append_range(images, tensors);
  return images;
}

FailureOr<LogitRows> mlir::moe::runOnHost(CompileOptions options,
                                          ArrayRef<std::string> inputs) {
  SmallString<128> binary, logits, messages;
  for (SmallString<128> *path : {&binary, &logits, &messages}) {
    if (std::error_code code = fs::createTemporaryFile("moe", "tmp", *path))
      return report(options.spec, "temporary file", code.message());
    llvm::sys::RemoveFileOnSignal(*path);
  }
  llvm::scope_exit remove([&] {
    for (StringRef path : {binary.str(), logits.str(), messages.str()}) {
      fs::remove(path);
      llvm::sys::DontRemoveFileOnSignal(path);
    }
  });
  options.output = std::string(binary);
  options.kind = EmitKind::Exe;
  options.triple =
      llvm::Triple(llvm::Triple::normalize(llvm::sys::getProcessTriple()));
  options.cpus = {"native"};
  options.experts = ExpertsMode::Mmap;
  options.reportPath.clear();
  options.depfile.clear();
  options.showWarnings = false;
  if (failed(compile(options)))
    return failure();

  LogitRows rows;
  bool isWrong = false;
  size_t done = 0;
  for (ArrayRef<std::string> files : splitIntoRuns(inputs)) {
    Progress::step("run on files, " + Twine(done) + " of " +
                       Twine(inputs.size()),
                   double(done) / inputs.size());
    SmallVector<StringRef> command{binary, "--logits", logits};
    llvm::append_range(command, files);
    std::string message;
    // The messages go through this process, which erases its progress first. It
    // also empties the file, which is only opened for the next run.
    std::error_code code;
    llvm::raw_fd_ostream(messages, code);
    if (code)
      return report(options.spec, "temporary file", code.message());
    std::optional<StringRef> redirects[] = {StringRef(), StringRef(),
                                            messages.str()};
    int status = llvm::sys::ExecuteAndWait(binary, command, std::nullopt,
                                           redirects, 0, 0, &message);
    if (auto said = llvm::MemoryBuffer::getFile(messages))
      llvm::errs() << (*said)->getBuffer();
    done += files.front() == "--tensor" ? 1 : files.size();
    // The binary has said what was wrong with its input.
    isWrong |= status == 1;
    if (isWrong)
      continue;
    if (status != 0)
      return report(
          options.spec, "model for this machine",
          "cannot be run: " +
              (message.empty() ? "exit code " + Twine(status).str() : message));
    if (!readLogits(logits, rows))
      return report(options.spec, "model for this machine", "gave no logits");
  }
  if (isWrong)
    return failure();
  return rows;
}

FailureOr<std::vector<double>>
mlir::moe::calibrate(const CompileOptions &options,
                     ArrayRef<std::string> inputs) {
  CompileOptions observing = options;
  std::vector<int64_t> tokens;
  observing.observed = &tokens;
  Progress::Part part("calibration");
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
