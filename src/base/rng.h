// The only source of randomness. A test bans every other one outside base/.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace ms {

// splitmix64: the same numbers for the same seed on every machine. One thread at a time.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t bound);  // uniform in [0, bound); bound > 0
  double unit();                   // uniform in [0, 1)

 private:
  uint64_t state_;
};

uint64_t random_seed();  // from the operating system
Uuid random_uuid();      // version 4, from the operating system

}  // namespace ms
