// Memory for state that is touched at random: in huge pages where it is large and the kernel gives them, since a miss of the
// address cache costs more than a miss of the data's.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace ms::feature {

inline constexpr size_t kHugePage = size_t{2} << 20;

struct FreePages {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Pages = std::unique_ptr<T[], FreePages>;

// `bytes`, a multiple of 64, aligned to 64; from 2 MiB on, when a multiple of that, in huge pages. Not initialised.
void* allocate_pages(size_t bytes);

inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

}  // namespace ms::feature
