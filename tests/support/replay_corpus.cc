// usage: X_fuzz CORPUS_DIR      (builds without libFuzzer; run by ctest)
//
// Runs a fuzzer's target once over each file of its regression corpus, and over the near neighbours of each: every file
// cut short and with one byte turned over, at its first places. A missing or empty corpus is an error: nothing is skipped.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kNeighbours = 16;  // of each kind, per file

// In a block of exactly its size, so that the address sanitizer sees a read past the end.
void run(const std::vector<uint8_t>& bytes) {
  const auto block = std::make_unique_for_overwrite<uint8_t[]>(bytes.size());
  std::ranges::copy(bytes, block.get());
  LLVMFuzzerTestOneInput(block.get(), bytes.size());
}

void run_with_neighbours(const std::vector<uint8_t>& bytes) {
  run(bytes);
  for (size_t at = 0; at < bytes.size() && at < kNeighbours; ++at) {
    std::vector<uint8_t> other = bytes;
    other[at] ^= 0x81;
    run(other);
    run({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(bytes.size() * at / kNeighbours)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "%s: there is no corpus folder %s\n", argv[0], argc > 1 ? argv[1] : "");
    return 1;
  }
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::printf("%s\n", entry.path().filename().c_str());  // the last one shown is the one that crashed
    std::fflush(stdout);
    std::ifstream in(entry.path(), std::ios::binary);
    run_with_neighbours({std::istreambuf_iterator<char>(in), {}});
    ++files;
  }
  if (files == 0) std::fprintf(stderr, "%s: the corpus folder %s is empty\n", argv[0], argv[1]);
  return files == 0;
}
