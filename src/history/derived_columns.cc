#include "history/derived_columns.h"

#include <algorithm>

#include "feature/service_rows.h"
#include "history/parallel.h"

namespace ms::history {
namespace {

using feature::FeatureValue;

// The answers of one feature to a chunk of questions.
struct Fetched {
  std::vector<uint64_t> bits;
  std::vector<uint8_t> flags;
  std::vector<std::string_view> texts;

  Fetched(const DerivedColumns::Input& input, bool is_bytes, size_t chunk, size_t rows) : bits(rows), flags(rows) {
    if (is_bytes) texts.resize(rows), input.answers->texts(chunk, input.feature, texts.data(), flags.data());
    else input.answers->values(chunk, input.feature, bits.data(), flags.data());
  }
  bool known(size_t row) const { return (flags[row] & Answers::kGap) == 0; }
  FeatureValue value(size_t row) const {
    FeatureValue out;
    out.status = static_cast<feature::Status>(flags[row] & Answers::kStatus);
    out.is_null = (flags[row] & Answers::kNull) != 0;
    out.i = static_cast<int64_t>(bits[row]);
    if (!texts.empty()) out.text = texts[row];
    return out;
  }
};

}  // namespace

struct DerivedColumns::Chunk {
  struct Result {
    std::vector<uint64_t> bits;
    std::vector<uint8_t> flags;
    std::vector<std::string_view> texts;
  };
  std::vector<Result> results;
  StringArena arena;
};

DerivedColumns::DerivedColumns(std::shared_ptr<const feature::ServiceProgram> program, std::vector<Input> inputs, const Table& spine,
                               std::vector<size_t> request, unsigned threads, std::stop_token stop)
    : program_(std::move(program)), inputs_(std::move(inputs)), spine_(spine), request_(std::move(request)), threads_(threads), stop_(std::move(stop)) {}
DerivedColumns::~DerivedColumns() = default;

Result<> DerivedColumns::derive_until(size_t chunk_end) {
  first_ += chunks_.size();
  chunks_.clear();
  while (first_ + chunks_.size() < chunk_end) chunks_.push_back(std::make_unique<Chunk>());
  return parallel_for(threads_, chunks_.size(), stop_, [&](size_t i, unsigned) -> Result<> {
    derive(first_ + i, *chunks_[i]);
    return {};
  });
}

void DerivedColumns::derive(size_t chunk, Chunk& out) const {
  const uint64_t first = chunk * kChunkRows;
  const size_t rows = std::min<uint64_t>(kChunkRows, spine_.rows() - first);
  std::vector<Fetched> features;
  for (const uint32_t f : program_->features_used())
    features.emplace_back(inputs_[f], feature::answer_is_bytes(program_->features()[f].type), chunk, rows);
  std::vector<Column> request(program_->request_used().size());
  for (size_t r = 0; r < request.size(); ++r) {
    const uint32_t f = program_->request_used()[r];
    spine_.fill(request_[f], program_->request()[f].type, first, rows, request[r]);
  }
  out.results.resize(program_->results().size());
  for (size_t i = 0; i < out.results.size(); ++i) {
    Chunk::Result& result = out.results[i];
    result.bits.resize(rows), result.flags.resize(rows);
    if (feature::answer_is_bytes(program_->results()[i].type)) result.texts.resize(rows);
  }
  feature::ServiceRows batch;
  for (size_t at = 0; at < rows; at += kBatchRowsMax) {
    const size_t count = std::min(kBatchRowsMax, rows - at);
    batch.begin(*program_, count);
    for (size_t u = 0; u < features.size(); ++u) {
      const uint32_t f = program_->features_used()[u];
      for (size_t i = 0; i < count; ++i)
        features[u].known(at + i) ? batch.set_feature(f, i, features[u].value(at + i)) : batch.set_unknown(f, i);
    }
    for (size_t r = 0; r < request.size(); ++r) batch.set_request(program_->request_used()[r], request[r], at);
    batch.derive(out.arena);
    for (size_t d = 0; d < out.results.size(); ++d) {
      Chunk::Result& result = out.results[d];
      for (size_t i = 0; i < count; ++i) {
        if (!batch.known(d, i)) {
          result.flags[at + i] = Answers::kNull | Answers::kGap;
          continue;
        }
        const FeatureValue value = batch.value(d, i, out.arena);
        result.flags[at + i] = static_cast<uint8_t>(static_cast<unsigned>(value.status) | (value.is_null ? Answers::kNull : 0u));
        if (result.texts.empty()) result.bits[at + i] = static_cast<uint64_t>(value.i);
        else result.texts[at + i] = value.text;
      }
    }
  }
}

void DerivedColumns::values(size_t chunk, size_t i, uint64_t* bits, uint8_t* flags) const {
  values(chunk, i, bits);
  std::ranges::copy(at(chunk).results[i].flags, flags);
}
void DerivedColumns::values(size_t chunk, size_t i, uint64_t* bits) const { std::ranges::copy(at(chunk).results[i].bits, bits); }

bool DerivedColumns::has_nulls(size_t i) const {
  return std::ranges::any_of(chunks_, [&](const auto& chunk) {
    return std::ranges::any_of(chunk->results[i].flags, [](uint8_t flags) { return (flags & Answers::kNull) != 0; });
  });
}

void DerivedColumns::texts(size_t chunk, size_t i, std::string_view* texts, uint8_t* flags) const {
  std::ranges::copy(at(chunk).results[i].texts, texts);
  std::ranges::copy(at(chunk).results[i].flags, flags);
}

void DerivedColumns::event_times(size_t chunk, size_t i, int64_t* us) const {
  std::fill_n(us, at(chunk).results[i].flags.size(), feature::kNoEventTime);
}

}  // namespace ms::history
