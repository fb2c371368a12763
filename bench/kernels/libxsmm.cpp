//===- libxsmm.cpp - The product by libxsmm -------------------------------===//
//
// libxsmm's matrices are by columns, so it computes the transposed product:
// its A is our B, and the other way round.
//
//===----------------------------------------------------------------------===//

#include "bench.h"

#include <libxsmm.h>

#include <algorithm>

namespace {

/// How libxsmm is used: B in panels of `width` columns, one kernel call for
/// each panel and each block of `depth` rows of it.
struct Form {
  int64_t width, depth;
  /// Whether the panels were packed before, else they are columns of B.
  bool packed;
  /// Whether kernels prefetch the next panel to the second-level cache.
  bool prefetch;
};

class Libxsmm : public Method {
public:
  Libxsmm(const Problem &problem, Form how,
          std::shared_ptr<const Copies> weights)
      : problem(problem), how(how), weights(std::move(weights)) {
    for (int64_t column = 0; column < problem.n; column += how.width)
      for (int64_t row = 0; row < problem.k; row += how.depth)
        if (!addCall(column, row))
          return;
  }

  /// Whether libxsmm has code for all calls.
  bool isSupported() const { return supported; }

  std::string form() const override {
    if (how.width >= problem.n && how.depth >= problem.k)
      return "whole";
    std::string text = how.packed ? "panels " : "columns ";
    text += std::to_string(how.width);
    if (how.depth < problem.k)
      text += ", k " + std::to_string(how.depth);
    return text + (how.prefetch ? ", prefetch" : "");
  }

  size_t copies() const override { return weights->count(); }

  void run(size_t copy) override {
    const float *b = (*weights)[copy];
    const float *a = problem.a.get();
    float *c = problem.c.get();
    for (const Call &call : calls)
      call.kernel(b + call.b, a + call.a, c + call.c, b + call.next, a + call.a,
                  c + call.c);
  }

private:
  struct Call {
    libxsmm_smmfunction kernel;
    /// Where its part of each matrix begins, and that of the next call.
    int64_t a, b, c, next;
  };

  bool addCall(int64_t column, int64_t row) {
    int64_t width = std::min(how.width, problem.n - column);
    int64_t depth = std::min(how.depth, problem.k - row);
    libxsmm_blasint ldb = how.packed ? width : problem.ldb;
    libxsmm_blasint lda = problem.lda, ldc = problem.ldc;
    float alpha = 1, beta = row ? 1 : 0;
    int flags = LIBXSMM_GEMM_FLAG_NONE;
    int prefetch =
        how.prefetch ? LIBXSMM_GEMM_PREFETCH_AL2 : LIBXSMM_GEMM_PREFETCH_NONE;
    libxsmm_smmfunction kernel =
        libxsmm_smmdispatch(width, problem.m, depth, &ldb, &lda, &ldc, &alpha,
                            &beta, &flags, &prefetch);
    supported = kernel != nullptr;
    int64_t b = how.packed ? column * problem.k + row * width
                           : column + row * problem.ldb;
    if (!calls.empty())
      calls.back().next = b;
    calls.push_back({kernel, row, b, column, b});
    return supported;
  }

  const Problem &problem;
  Form how;
  std::shared_ptr<const Copies> weights;
  std::vector<Call> calls;
  bool supported = false;
};

void addMethod(Methods &methods, const Problem &problem, Form form,
               const std::shared_ptr<const Copies> &weights) {
  auto method = std::make_unique<Libxsmm>(problem, form, weights);
  if (method->isSupported())
    methods.push_back(std::move(method));
}

/// B as it is.
std::shared_ptr<const Copies> copyRows(const Problem &problem,
                                       size_t workingSet) {
  size_t floats = problem.k * problem.ldb;
  return std::make_shared<Copies>(floats, workingSet, [&](float *to) {
    std::copy_n(problem.b.get(), floats, to);
  });
}

} // namespace

Methods libxsmmMethods(const Problem &problem, size_t workingSet) {
  constexpr int64_t widths[] = {16, 32, 64}, block = 256;
  Methods methods;
  auto rows = copyRows(problem, workingSet);
  addMethod(methods, problem, {problem.n, problem.k, false, false}, rows);
  for (int64_t width : widths) {
    std::shared_ptr<const Copies> panels = rows;
    bool packed = problem.isWeight();
    if (packed)
      panels = std::make_shared<Copies>(
          packPanels(problem, width, /*padded=*/false, workingSet));
    addMethod(methods, problem, {width, problem.k, packed, false}, panels);
    if (packed)
      addMethod(methods, problem, {width, problem.k, packed, true}, panels);
    if (problem.k > block)
      addMethod(methods, problem, {width, block, packed, false}, panels);
  }
  return methods;
}

std::string libxsmmTarget() { return libxsmm_get_target_arch(); }
