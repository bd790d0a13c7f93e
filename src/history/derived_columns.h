// Derived features of a training set, block by block: from the answers of its features and the spine's request columns.
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include "feature/service_program.h"
#include "history/derive.h"
#include "history/table.h"

namespace ms::history {

class DerivedColumns {
 public:
  struct Input {
    const Answers* answers = nullptr;
    size_t feature = 0;  // number among the chosen features of `answers`
  };
  // `inputs`: by feature of the program. `request`: the spine's column of each field. Spine and answers outlive it.
  DerivedColumns(std::shared_ptr<const feature::ServiceProgram> program, std::vector<Input> inputs, const Table& spine, std::vector<size_t> request,
                 unsigned threads, std::stop_token stop);
  ~DerivedColumns();

  // Computes the chunks below `chunk_end` whose inputs have just been answered; those of earlier calls can no longer be read.
  // Errors: kCancelled.
  Result<> derive_until(size_t chunk_end);

  // As Answers has them: of kChunkRows rows (or the spine's last), feature number `i` of the program's results. A value that was
  // computed from one that is not known is null with Answers::kGap.
  void values(size_t chunk, size_t i, uint64_t* bits, uint8_t* flags) const;
  void values(size_t chunk, size_t i, uint64_t* bits) const;
  bool has_nulls(size_t i) const;
  void texts(size_t chunk, size_t i, std::string_view* texts, uint8_t* flags) const;
  void event_times(size_t chunk, size_t i, int64_t* us) const;  // kNoEventTime

 private:
  struct Chunk;
  void derive(size_t chunk, Chunk& out) const;
  const Chunk& at(size_t chunk) const { return *chunks_[chunk - first_]; }

  const std::shared_ptr<const feature::ServiceProgram> program_;
  const std::vector<Input> inputs_;
  const Table& spine_;
  const std::vector<size_t> request_;
  const unsigned threads_;
  const std::stop_token stop_;
  size_t first_ = 0;  // of chunks_
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace ms::history
