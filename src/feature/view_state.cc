#include "feature/view_state.h"

#include <bit>
#include <cmath>

#include "base/check.h"
#include "feature/state_impl.h"

namespace ms::feature {

std::unique_ptr<ViewState> ViewState::make(std::shared_ptr<const ViewProgram> program) {
  auto specs = program->specs();
  const bool retracts = program->retracts();
  return std::make_unique<StateImpl>(std::move(specs), retracts, std::move(program));
}

std::unique_ptr<ViewState> ViewState::make(std::vector<FeatureSpec> specs, bool retracts) {
  return std::make_unique<StateImpl>(std::move(specs), retracts, nullptr);
}

StateImpl::StateImpl(std::vector<FeatureSpec> specs, bool retracts, std::shared_ptr<const ViewProgram> program)
    : program_(std::move(program)), layout_(StateLayout::compile(std::move(specs), retracts)), window_features_(layout_.windows.size()), step_of_window_(layout_.windows.size()),
      step_features_(layout_.steps.size()),
      tiles_(layout_), packer_(layout_), scratch_(layout_.row.stride), forward_plan_(layout_) {
  for (size_t i = 0; i < layout_.steps.size(); ++i) step_of_window_[layout_.steps[i].window].push_back(i);
  for (size_t i = 0; i < layout_.features.size(); ++i) {
    const FeaturePlan& plan = layout_.features[i];
    (plan.step < 0 ? window_features_[plan.window] : step_features_[static_cast<size_t>(plan.step)]).push_back(i);
  }
  rules_ = TileRules::at(layout_, INT64_MIN);
  raw_horizon_ = layout_.raw_horizon(INT64_MIN);
}

StateImpl::~StateImpl() {
  for (size_t i = 0; i < table_.size(); ++i) drop(table_.at(i));
}

void StateImpl::drop(Entity& e) {
  drop_pack(e);
  tiles_.clear(e);
  drop_forward(e);
  drop_run(e);
}

void StateImpl::drop_run(Entity& e) {
  if (e.rows != nullptr) --run_count_;
  delete e.rows;
  e.rows = nullptr;
}

void StateImpl::drop_forward(Entity& e) {
  if (e.forward != nullptr) --forward_count_;
  delete e.forward;
  e.forward = nullptr;
}

void StateImpl::relieve_forward(Entity& e) {
  if (e.forward == nullptr || !e.forward->is_crowded() || e.forward->time() >= rules_.now) return;
  CHECK(e.forward->advance(e, rules_.now, std::max(rules_.now, e.forward->limit())));
}

void StateImpl::trim_run(Entity& e, size_t most) {
  RowRun& run = *e.rows;
  const int64_t keep = layout_.keeps_rows() ? raw_horizon_ : INT64_MAX;
  size_t dead = 0;
  for (most = std::min(most, run.folded()); dead < most && row_time(run.row(dead)) < keep; ++dead) {}
  if (e.forward != nullptr && e.forward->first_row_needed() < run.dropped() + dead) {
    // A key that is no longer asked must not hold its rows for ever.
    if (run.size() > 4096 && run.lower_bound(keep) > run.size() / 2) {
      drop_forward(e);
    } else {
      dead = static_cast<size_t>(e.forward->first_row_needed() - run.dropped());
    }
  }
  if (dead > 0) run.drop_front(dead);
}

RowRun& StateImpl::run_of(Entity& e) {
  if (e.rows == nullptr) {
    e.rows = new RowRun(layout_.row);
    ++run_count_;
  }
  return *e.rows;
}

void StateImpl::advance(int64_t now) {
  if (now <= rules_.now) return;
  rules_ = TileRules::at(layout_, now);
  raw_horizon_ = layout_.raw_horizon(now);
}

void StateImpl::pack(const PreparedRows& rows, size_t i, uint64_t* row) const {
  const RowLayout& layout = layout_.row;
  row[0] = static_cast<uint64_t>(rows.event_times_us[i]);
  row[1] = static_cast<uint64_t>(rows.offsets[i]);
  row[2] = static_cast<uint64_t>(rows.partition);
  std::fill_n(row + 3, layout.bit_words, 0);
  const auto set = [row](size_t bit) { row[3 + bit / 64] |= uint64_t{1} << (bit % 64); };
  for (size_t f = 0; f < layout.filters; ++f) {
    if (rows.filters[f][i] != 0) set(f);
  }
  for (size_t a = 0; a < layout.arguments.size(); ++a) {
    const RowLayout::Argument& argument = layout.arguments[a];
    if (!argument.used) continue;
    const Column& column = rows.arguments[a];
    uint64_t* to = row + argument.at;
    *to = 0;
    if (argument_words(argument.type) == 2) to[1] = 0;
    if (!column.valid(i)) continue;
    set(layout.filters + a);
    switch (argument.type) {
      case TypeKind::kBool: *to = column.bools[i] != 0 ? 1 : 0; break;
      case TypeKind::kInt64:
      case TypeKind::kTimestamp: *to = static_cast<uint64_t>(column.ints[i]); break;
      case TypeKind::kFloat64:
        *to = std::isnan(column.floats[i]) ? kQuietNan : std::bit_cast<uint64_t>(column.floats[i]);
        break;
      case TypeKind::kDecimal:
        to[0] = static_cast<uint64_t>(column.decimals[i]), to[1] = static_cast<uint64_t>(column.decimals[i] >> 64);
        break;
      case TypeKind::kString:
      case TypeKind::kList:
      case TypeKind::kVector:
      case TypeKind::kMap:
        to[0] = std::bit_cast<uint64_t>(column.strings[i].data()), to[1] = column.strings[i].size();
        break;
    }
  }
}

void StateImpl::fold(Entity& e) {
  if (e.rows == nullptr) return;
  RowRun& run = *e.rows;
  for (size_t i = run.folded(); i < run.size() && row_time(run.row(i)) < rules_.now; run.set_folded(++i)) {
    const uint64_t* row = run.row(i);
    if (e.forward != nullptr) e.forward->add_pending(row);
    if (row_time(row) < rules_.horizon && !layout_.has_lifetime) continue;
    add_passed(e, row);
  }
  relieve_forward(e);
  trim_run(e, run.size());
  if (run.size() == 0 && e.forward == nullptr) drop_run(e);
}

void StateImpl::add_passed(Entity& e, const uint64_t* row) {
  if (!add_packed(e, row)) add_row(layout_, tiles_.words_for(e, row_time(row), rules_), row);
}

void StateImpl::apply_row(Entity& e, const uint64_t* row) {
  if (e.rows != nullptr && e.rows->folded() < e.rows->size()) fold(e);
  const int64_t et = row_time(row);
  if (et >= rules_.now) {
    if (e.forward != nullptr && !e.forward->is_ahead(row)) drop_forward(e);
    run_of(e).insert(row);
    return;
  }
  // What is in no raw row could never leave an exact window again.
  if (e.forward != nullptr && layout_.has_exact && et < raw_horizon_) drop_forward(e);
  if (add_packed(e, row)) return;
  uint64_t* words = tiles_.words_for(e, et, rules_);
  if (e.forward != nullptr && !e.forward->is_ahead(row)) drop_forward(e);
  if (e.forward != nullptr) e.forward->add(row);
  relieve_forward(e);
  add_row(layout_, words, row);
  if (!layout_.keeps_rows() || et < raw_horizon_) return;
  RowRun& run = run_of(e);
  run.insert(row);
  run.set_folded(run.folded() + 1);
  trim_run(e, 4);
}

// Rows touch memory far apart: a slot of the table, an entity, its newest tile, its pending rows and running totals. Each is on its way
// some rows before it is looked at.
AppliedRows StateImpl::apply(const PreparedRows& rows, std::span<const uint32_t> which, Instant now) {
  CHECK(rows.partition >= 0 && (rows.retracts.empty() || layout_.retracts));
  advance(now.us);
  constexpr size_t kAhead = 16, kRing = 64;
  std::array<Entity*, kRing> ring;
  const size_t count = which.size();
  const auto load_slot = [&](size_t k) {
    if (k < count) table_.prefetch(rows.table_hashes[which[k]]);
  };
  const auto load_entity = [&](size_t k) {
    if (k >= count) return;
    Entity* e = ring[k % kRing] = table_.candidate(rows.table_hashes[which[k]]);
    if (e != nullptr) __builtin_prefetch(e, 1);
  };
  const auto load_tile = [&](size_t k) {
    if (k >= count) return;
    const Entity* e = ring[k % kRing];
    if (e == nullptr) return;
    if (e->has_pack()) __builtin_prefetch(e->pack, 1), __builtin_prefetch(e->pack + 64, 1);
    if (e->tile_count > 0) tiles_.prefetch_newest(*e);
    if (e->rows != nullptr) __builtin_prefetch(e->rows);
    if (e->forward != nullptr) Forward::prefetch_object(e->forward);
  };
  const auto load_totals = [&](size_t k) {
    const Entity* e = k < count ? ring[k % kRing] : nullptr;
    if (e == nullptr) return;
    if (e->rows != nullptr) e->rows->prefetch_newest();
    if (e->forward != nullptr) e->forward->prefetch_totals();
  };
  for (size_t k = 0; k < std::min(count, 3 * kAhead); ++k) load_slot(k);
  for (size_t k = 0; k < std::min(count, 2 * kAhead); ++k) load_entity(k);
  for (size_t k = 0; k < std::min(count, kAhead); ++k) load_tile(k);
  AppliedRows out;
  for (size_t k = 0; k < count; ++k) {
    load_slot(k + 3 * kAhead);
    load_entity(k + 2 * kAhead);
    load_tile(k + kAhead);
    load_totals(k + kAhead / 2);
    const uint32_t i = which[k];
    if (rows.event_times_us[i] < rules_.horizon && !layout_.has_lifetime) {
      ++out.beyond_horizon;
      continue;
    }
    if (layout_.retracts && !rows.retracts.empty() && rows.retracts[i] != PreparedRows::kEvent) {
      retract(rows, i, out);
      continue;
    }
    Entity* e = ring[k % kRing];
    if (e == nullptr || e->hash != rows.table_hashes[i] || e->key() != rows.keys[i]) e = &table_.find_or_add(rows.table_hashes[i], rows.keys[i]);
    pack(rows, i, scratch_.data());
    apply_row(*e, scratch_.data());
  }
  return out;
}

void StateImpl::prefetch(uint64_t table_hash) const {
  if (const Entity* e = table_.candidate(table_hash)) __builtin_prefetch(e);
}

void StateImpl::maintain(Instant now, size_t entities_max) {
  constexpr size_t kAhead = 8;
  advance(now.us);
  for (size_t n = std::min(entities_max, table_.size()); n > 0; --n) {
    if (maintained_ >= table_.size()) maintained_ = 0;
    if (maintained_ + kAhead < table_.size()) tiles_.prefetch_headers(table_.at(maintained_ + kAhead));
    Entity& e = table_.at(maintained_++);
    fold(e);
    if (e.has_pack()) {
      if (!in_reach(pack_header(e.pack).newest_us)) drop_pack(e);
      continue;
    }
    tiles_.compact(e, rules_);
    if (e.tile_count == 0) tiles_.clear(e);
  }
}

size_t StateImpl::resident_bytes() const {
  size_t bytes = table_.bytes() + tiles_.bytes() + packs_.bytes() + (forward_batch_ == nullptr ? 0 : forward_batch_->bytes());
  if (run_count_ == 0 && forward_count_ == 0 && !layout_.has_boxes) return bytes;
  for (size_t i = 0; i < table_.size(); ++i) {
    const Entity& e = table_.at(i);
    if (e.rows != nullptr) bytes += e.rows->bytes();
    if (e.forward != nullptr) bytes += e.forward->bytes();
    for (size_t k = 0; k < e.tile_count && layout_.has_boxes; ++k) bytes += box_bytes(layout_, tiles_.tile(e, k) + 1);
  }
  return bytes;
}

}  // namespace ms::feature
