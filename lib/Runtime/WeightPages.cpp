//===- WeightPages.cpp - How the kernel maps the weights ------------------===//

#include "WeightPages.h"

#include <sys/mman.h>

using namespace moe::runtime;

static constexpr uintptr_t LargePage = 2 << 20;

static void advise(const char *Begin, const char *End, int Advice) {
  madvise(const_cast<char *>(Begin), End - Begin, Advice);
}

static void prepareShared(const MoeWeights &Shared) {
  // What is in front of them in their first large page is small and needed.
  const char *Begin = reinterpret_cast<const char *>(
      reinterpret_cast<uintptr_t>(Shared.begin) & -LargePage);
  advise(Begin, Shared.end, MADV_HUGEPAGE);
  // The kernel reads a file ahead in the pieces that it began with, and it
  // began before the advice. A step over what it has read begins anew.
  for (const char *At = Shared.begin; At < Shared.end; At += LargePage)
    static_cast<void>(*static_cast<const volatile char *>(At));
}

void moe::runtime::prepareWeights(const MoeModel &Model) {
  if (Model.shared)
    prepareShared(*Model.shared);
  if (Model.num_experts == 0)
    return;
  // Mappings that differ in a flag stay apart, so every second expert gets one,
  // and the last, which other sections follow. This flag means nothing here:
  // dumps leave out pages that a file has. It is refused for small experts
  // where pages are larger than their alignment; those share pages anyway.
  for (int64_t I = Model.num_experts - 1; I >= 0; I -= 2)
    advise(Model.experts[I].begin, Model.experts[I].end, MADV_DONTDUMP);
  // What came with the sections that follow before main began.
  const MoeWeights &Last = Model.experts[Model.num_experts - 1];
  advise(Last.begin, Last.end, MADV_DONTNEED);
}
