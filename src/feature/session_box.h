// The sessions of a tile's rows: runs with at most a gap between neighbours, each with its totals. Merging joins runs that touch.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "feature/box.h"

namespace ms::feature {

class SessionBox final : public Box {
 public:
  // A run of rows and what it adds up to (words of SlotExtra::inner).
  struct Run {
    int64_t first = 0, last = 0;  // event times
    uint64_t* words = nullptr;
  };

  SessionBox() = default;
  ~SessionBox() override;
  SessionBox(const SessionBox&) = delete;
  SessionBox& operator=(const SessionBox&) = delete;

  void add_row(const Slot& slot, const RowLayout& layout, const uint64_t* row) override;
  void merge(const Slot& slot, const Box& other) override;
  void save(const Slot& slot, ByteWriter& out) const override;
  bool load(const Slot& slot, const RowLayout& layout, ByteReader& in) override;
  size_t bytes() const override;

  const std::vector<Run>& runs() const { return runs_; }  // ascending, more than a gap apart

 private:
  // The run that [first, last] joins, made or grown; its neighbours within the gap become part of it.
  Run& run_for(const SlotExtra& extra, int64_t first, int64_t last);
  void drop(const Run& run);

  std::shared_ptr<const SlotSet> inner_;
  std::vector<Run> runs_;
};

// The run that a session window at t means; null: none.
const SessionBox::Run* session_at(std::span<const SessionBox::Run> runs, const Window& window, int64_t t);

}  // namespace ms::feature
