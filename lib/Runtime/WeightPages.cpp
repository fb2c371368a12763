//===- WeightPages.cpp - How the kernel maps the weights ------------------===//

#include "WeightPages.h"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

using namespace moe::runtime;

static constexpr uintptr_t LargePage = 2 << 20;
/// A process may have 65530 mappings unless the system says otherwise; beyond
/// this many experts, neighbours share one.
static constexpr int64_t MaxMappings = 16384;

static void advise(const char *Begin, const char *End, int Advice) {
  madvise(const_cast<char *>(Begin), End - Begin, Advice);
}

static const char *largePageBegin(const char *At) {
  return reinterpret_cast<const char *>(reinterpret_cast<uintptr_t>(At) &
                                        -LargePage);
}

static void prepareShared(const MoeWeights &Shared) {
  // What is in front of them in their first large page is small and needed.
  advise(largePageBegin(Shared.begin), Shared.end, MADV_HUGEPAGE);
  // A large page at a time, and nothing that is behind them.
  advise(largePageBegin(Shared.begin), Shared.end, MADV_RANDOM);
  // The kernel reads a file ahead in the pieces that it began with, and it
  // began before the advice. A step over what it has read begins anew.
  for (const char *At = Shared.begin; At < Shared.end; At += LargePage)
    static_cast<void>(*static_cast<const volatile char *>(At));
}

static void separateExperts(const MoeModel &Model) {
  int64_t Count = Model.num_experts;
  if (Count == 0 || !Model.experts)
    return;
  // Mappings that differ in a flag stay apart. With two flags by turns each
  // expert differs from the next, and the first and the last one from what is
  // around them. Neither flag means anything here: dumps leave out pages that a
  // file has, and this process has no children. Both are refused for small
  // experts where pages are larger than their alignment; those share pages
  // anyway.
  int64_t PerMapping = (Count + MaxMappings - 1) / MaxMappings;
  bool IsOdd = false;
  for (int64_t I = 0; I < Count; I += PerMapping, IsOdd = !IsOdd)
    advise(Model.experts[I].begin,
           Model.experts[std::min(I + PerMapping, Count) - 1].end,
           IsOdd ? MADV_DONTFORK : MADV_DONTDUMP);
  // Before main all of it was one mapping, and a fault next to the experts
  // brought in 64 KiB of small ones.
  advise(Model.experts[0].begin, Model.experts[Count - 1].end, MADV_DONTNEED);
  // Nothing is read around a page that is missing: see ReadAhead.
  advise(Model.experts[0].begin, Model.experts[Count - 1].end, MADV_RANDOM);
}

void moe::runtime::readSoon(const char *Begin, const char *End) {
  advise(Begin, End, MADV_WILLNEED);
}

bool moe::runtime::populate(const char *Begin, const char *End) {
  // madvise starts at a page.
  size_t Page = sysconf(_SC_PAGESIZE);
  const char *At = reinterpret_cast<const char *>(
      reinterpret_cast<uintptr_t>(Begin) & -Page);
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
  if (madvise(const_cast<char *>(At), End - At, MADV_POPULATE_READ) == 0)
    return true;
  if (errno != EINVAL)
    return false;
  // Linux before 5.14.
  for (; At < End; At += Page)
    static_cast<void>(*static_cast<const volatile char *>(At));
  return true;
}

void moe::runtime::preloadWeights(const MoeModel &Model) {
  auto preload = [](const char *Begin, const char *End) {
    advise(largePageBegin(Begin), End, MADV_HUGEPAGE);
    // What cannot be read is a signal when it is used, as without preloading.
    static_cast<void>(populate(Begin, End));
  };
  if (Model.shared)
    preload(Model.shared->begin, Model.shared->end);
  if (Model.experts && Model.num_experts > 0)
    preload(Model.experts[0].begin, Model.experts[Model.num_experts - 1].end);
}

void moe::runtime::prepareWeights(const MoeModel &Model) {
  // Reading the shared weights must not reach into an expert.
  separateExperts(Model);
  if (Model.shared)
    prepareShared(*Model.shared);
}
