// Derived features of sampled replies, computed again from what their views' answers were derived to be.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "catalog/catalog.h"
#include "feature/value.h"
#include "online/samples.h"

namespace ms::replay {

// One thread. `samples` outlive it.
class DerivedCheck {
 public:
  DerivedCheck(const catalog::CatalogSnapshot& catalog, const std::vector<online::Sample>& samples);

  // What a view's answers in a sample were derived to be; `lost`: those that may need records that are gone. Views that are not added
  // (a gap, a version that is not defined any more) leave what is computed from them unknown.
  void add(uint32_t sample, const catalog::ViewEntry& view, const feature::FeatureRow& row, const std::vector<bool>& lost);

  struct Counts {
    uint64_t values = 0;         // compared
    uint64_t not_checkable = 0;  // computed from a value that may need records that are gone
    uint64_t forgotten = 0;      // samples of service versions that are not known any more
  };
  // Derives and compares. `differs` is called with the sample, the name of the feature and both values, as people read them.
  using Differs = std::function<Result<>(uint32_t sample, const std::string& feature, const std::string& served, const std::string& again)>;
  Result<Counts> run(const Differs& differs);

 private:
  enum class Known : uint8_t { kNo, kLost, kYes };
  struct Input {
    Known known = Known::kNo;
    feature::FeatureValue value;
  };
  struct Row {
    uint32_t sample = 0;
    std::vector<Input> inputs;  // by feature of the program
  };
  struct Service {
    std::shared_ptr<const catalog::ServiceEntry> entry;
    std::vector<Row> rows;
  };
  Result<> compare(const Service& service, size_t first, size_t count, const Differs& differs);

  const std::vector<online::Sample>& samples_;
  std::vector<Service> services_;
  std::vector<std::pair<uint32_t, uint32_t>> place_;  // by sample: service, row; UINT32_MAX: it has no derived features
  StringArena arena_;
  Counts counts_;
};

// "12.5 PRESENT (bits 4029000000000000) at 2026-01-01T00:00:00.000000Z"
std::string value_text(const online::DecodedValue& value);
bool same(const online::DecodedValue& a, const online::DecodedValue& b);  // type, status, time and value, to the last bit

}  // namespace ms::replay
