//===- WeightPages.h - How the kernel maps the weights ----------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_WEIGHTPAGES_H
#define MOE_LIB_RUNTIME_WEIGHTPAGES_H

#include "moe/Runtime/Model.h"

namespace moe {
namespace runtime {

/// Tells the kernel how to read and map the weights; before the first
/// inference. A page fault maps up to 2 MiB of what lies in one piece in the
/// page cache, within one mapping, and that decides how fast a process starts.
/// Hence: pieces as large as possible, but a mapping of its own for each
/// expert, so that no fault reaches into experts that are not used. Where the
/// kernel does not know that advice, nothing is lost but time.
void prepareWeights(const MoeModel &Model);

/// As prepareWeights, but brings all weights into memory before it returns.
void preloadWeights(const MoeModel &Model);

/// Has the kernel begin to read what is mapped there.
void readSoon(const char *Begin, const char *End);

/// Brings what is mapped there into memory. False, with errno, if some of it
/// cannot be read.
bool populate(const char *Begin, const char *End);

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_WEIGHTPAGES_H
