// The card of a program that is linked to what trails_cuda.so is made of.
//
// May touch: src/core/placement/card.h.
#pragma once

#include <memory>

#include "core/placement/card.h"
#include "trails/error.h"

extern "C" trails::Card *trails_cuda_open(int contract_version);

namespace trails::bench {

inline std::unique_ptr<Card> OpenCard() {
  std::unique_ptr<Card> card(trails_cuda_open(kCardContractVersion));
  if (!card) throw Error(ErrorKind::kInternal, "the card's contract has another version");
  return card;
}

}  // namespace trails::bench
