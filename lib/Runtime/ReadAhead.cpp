//===- ReadAhead.cpp - Experts' weights from the disk ---------------------===//

#include "ReadAhead.h"

#include "WeightPages.h"

#include <algorithm>
#include <utility>

using namespace moe::runtime;

bool ReadAhead::allocate(Message &Error) {
  if (!Wanted.allocate(Model.num_experts))
    return Error.outOfMemory();
  std::fill(Wanted.begin(), Wanted.end(), false);
  return true;
}

void ReadAhead::want(int64_t Layer, int64_t Expert) {
  const MoeWeights *End = Model.experts + Model.num_experts;
  std::pair<int64_t, int64_t> Key(Layer, Expert);
  const MoeWeights *Found = std::lower_bound(
      Model.experts, End, Key,
      [](const MoeWeights &Each, const std::pair<int64_t, int64_t> &Than) {
        return std::make_pair(Each.layer, Each.expert) < Than;
      });
  if (Found == End || Found->layer != Layer || Found->expert != Expert)
    return;
  bool &IsWanted = Wanted[Found - Model.experts];
  if (!__atomic_load_n(&IsWanted, __ATOMIC_RELAXED) &&
      !__atomic_exchange_n(&IsWanted, true, __ATOMIC_RELAXED))
    readSoon(Found->begin, Found->end);
}
