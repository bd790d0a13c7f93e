#include "feature/service_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "feature/expr_eval.h"

namespace ms::feature {
namespace {

constexpr std::string_view kRequest = "request.";
constexpr size_t kPartsMax = 10'000;

ExprEvaluator& evaluator() {
  thread_local ExprEvaluator of_thread;
  return of_thread;
}

class Program final : public ServiceProgram {
 public:
  const std::vector<FeatureColumn>& features() const override { return features_; }
  const std::vector<Field>& request() const override { return request_; }
  const std::vector<FeatureColumn>& results() const override { return results_; }
  const std::vector<uint32_t>& features_used() const override { return features_used_; }
  const std::vector<uint32_t>& request_used() const override { return request_used_; }
  const Inputs& inputs(size_t i) const override { return inputs_[i]; }
  std::string canonical(size_t i) const override { return graph_.canonical(derived_[i]); }

  void run(std::span<const ServiceInput> features, std::span<const ServiceInput> request, size_t rows, StringArena& arena,
           std::vector<ServiceResult>& out) const override {
    CHECK(rows <= kBatchRowsMax);
    thread_local std::vector<const Column*> inputs;
    thread_local std::vector<const std::vector<uint8_t>*> failed;
    inputs.assign(graph_.nodes().size(), nullptr);
    failed.assign(graph_.nodes().size(), nullptr);
    const auto take = [&](std::span<const ServiceInput> from, const std::vector<uint32_t>& nodes, const std::vector<uint32_t>& used) {
      for (const uint32_t i : used) inputs[nodes[i]] = &from[i].values, failed[nodes[i]] = &from[i].failed;
    };
    take(features, feature_nodes_, features_used_);
    take(request, request_nodes_, request_used_);
    evaluator().run(graph_, needed_, inputs, rows, arena, failed);
    out.resize(derived_.size());
    for (size_t i = 0; i < derived_.size(); ++i) put(evaluator().at(derived_[i]), results_[i].type, rows, out[i]);
  }

  std::string error_reason(size_t i, size_t row) const override {
    const uint16_t error = evaluator().at(derived_[i]).error(row);
    return error == 0 ? std::string() : failure_reason(graph_, error - 1u);
  }

 private:
  friend class ServiceCompiler;

  static void put(const ExprColumn& from, const Type& type, size_t rows, ServiceResult& to) {
    to.values.reset(type, rows);
    to.statuses.assign(rows, Status::kNull);
    for (size_t r = 0; r < rows; ++r) {
      if (from.error(r) != 0) to.statuses[r] = Status::kError;
      if (from.error(r) != 0 || !from.valid(r)) continue;
      to.statuses[r] = Status::kPresent;
      to.values.set_valid(r);
      switch (type.kind) {
        case TypeKind::kBool: to.values.bools[r] = from.b(r); break;
        case TypeKind::kInt64:
        case TypeKind::kTimestamp: to.values.ints[r] = from.i(r); break;
        case TypeKind::kFloat64: to.values.floats[r] = from.f(r); break;
        case TypeKind::kDecimal: to.values.decimals[r] = from.d(r); break;
        default: to.values.strings[r] = from.s(r);
      }
    }
  }

  ExprGraph graph_;
  std::vector<bool> needed_;
  std::vector<uint32_t> feature_nodes_, request_nodes_, derived_;
  std::vector<uint32_t> features_used_, request_used_;
  std::vector<Inputs> inputs_;
  std::vector<FeatureColumn> features_, results_;
  std::vector<Field> request_;
};

class ServiceCompiler {
 public:
  explicit ServiceCompiler(DefinitionPlace& place) : place_(place), out_(std::make_shared<Program>()) {}

  Result<std::shared_ptr<const ServiceProgram>> run(std::span<const FeatureColumn> features, std::span<const Field> request, const ServiceProgram::Derived& derived) {
    out_->features_.assign(features.begin(), features.end());
    out_->request_.assign(request.begin(), request.end());
    for (const FeatureColumn& f : features) {
      out_->feature_nodes_.push_back(out_->graph_.add_field(f.name, f.type));
      names_[f.name] = out_->feature_nodes_.back();
    }
    for (size_t i = 0; i < request.size(); ++i) {
      const std::string name = std::string(kRequest) + request[i].name;
      const std::string part = fmt::format("request[{}]", i);
      if (request[i].name.empty()) return fail(part, 0, "a request field has no name");
      if (names_.contains(name)) return fail(part, 0, fmt::format("'{}' is the name of a feature or of another request field", name));
      out_->request_nodes_.push_back(out_->graph_.add_field(name, request[i].type));
      names_[name] = out_->request_nodes_.back();
    }
    for (size_t i = 0; i < derived.size(); ++i) TRY(add(i, derived));
    for (const uint32_t node : out_->derived_) {
      out_->graph_.reach(node, out_->needed_);
      std::vector<bool> of_one;
      out_->graph_.reach(node, of_one);
      of_one.resize(out_->graph_.nodes().size());
      out_->inputs_.push_back({used(out_->feature_nodes_, of_one), used(out_->request_nodes_, of_one)});
    }
    out_->needed_.resize(out_->graph_.nodes().size());
    out_->features_used_ = used(out_->feature_nodes_, out_->needed_);
    out_->request_used_ = used(out_->request_nodes_, out_->needed_);
    return out_;
  }

 private:
  Unexpected fail(std::string part, size_t column, const std::string& message) {
    place_ = {std::move(part), column};
    return invalid(message);
  }

  Result<> add(size_t i, const ServiceProgram::Derived& derived) {
    const auto& [name, text] = derived[i];
    const std::string part = fmt::format("derived[{}]", i), shown = "derived." + name;
    if (name.empty()) return fail(part, 0, "a derived feature has no name");
    if (names_.contains(name)) return fail(part, 0, fmt::format("derived feature '{}' has the name of another feature", name));
    const auto id = out_->graph_.add(text, names_, shown);
    if (!id) {
      const std::string known = why_unknown(i, derived, id.error().column);
      return fail(part, id.error().column, fmt::format("{}, column {}: {}", shown, id.error().column, known.empty() ? id.error().message : known));
    }
    if (out_->graph_.nodes().size() > kPartsMax) return fail(part, 0, "the service's expressions have more than 10,000 parts");
    if (parts(*id) > kPartsMax)
      return fail(part, 0, fmt::format("derived feature '{}' has more than 10,000 parts, with those of the derived features that it uses", name));
    names_[name] = *id;
    out_->derived_.push_back(*id);
    out_->results_.push_back({.name = name, .type = out_->graph_.node(*id).type});
    return {};
  }

  // A name that means something, but nothing that the expression may use; empty: that is not what is wrong at `column`.
  std::string why_unknown(size_t i, const ServiceProgram::Derived& derived, size_t column) const {
    const std::string& text = derived[i].second;
    if (column == 0 || column > text.size()) return {};
    const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; };
    const auto end = std::find_if_not(text.begin() + static_cast<ptrdiff_t>(column - 1), text.end(), is_part);
    const std::string name(text.begin() + static_cast<ptrdiff_t>(column - 1), end);
    if (names_.contains(name)) return {};
    if (name == derived[i].first) return fmt::format("'{}' cannot be computed from itself", name);
    for (size_t later = i + 1; later < derived.size(); ++later)
      if (derived[later].first == name) return fmt::format("'{0}' comes later; put it before '{1}', which uses it", name, derived[i].first);
    if (names_.contains(std::string(kRequest) + name)) return fmt::format("there is no feature '{0}'; the field of the request is 'request.{0}'", name);
    return {};
  }

  // Of a node written out in full, as canonical() does: shared parts count each time.
  uint64_t parts(uint32_t id) {
    for (uint32_t node = static_cast<uint32_t>(parts_.size()); node <= id; ++node) {  // arguments come before
      uint64_t sum = 1;
      for (const uint32_t argument : out_->graph_.node(node).args) sum = std::min<uint64_t>(sum + parts_[argument], kPartsMax + 1);
      parts_.push_back(sum);
    }
    return parts_[id];
  }

  static std::vector<uint32_t> used(const std::vector<uint32_t>& nodes, const std::vector<bool>& needed) {
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < nodes.size(); ++i)
      if (needed[nodes[i]]) out.push_back(i);
    return out;
  }

  DefinitionPlace& place_;
  std::shared_ptr<Program> out_;
  ExprGraph::Names names_;
  std::vector<uint64_t> parts_;  // by node
};

}  // namespace

void ServiceInput::set(size_t row, const FeatureValue& value) {
  if (value.is_null) {
    if (value.status != Status::kError && value.status != Status::kOverflow) return;
    if (failed.empty()) failed.assign(kBatchRowsMax, 0);
    failed[row] = 1;
    return;
  }
  values.set_valid(row);
  switch (values.type.kind) {
    case TypeKind::kBool: values.bools[row] = value.i != 0 ? 1 : 0; break;
    case TypeKind::kInt64:
    case TypeKind::kTimestamp: values.ints[row] = value.i; break;
    case TypeKind::kFloat64: values.floats[row] = value.f; break;
    case TypeKind::kDecimal: values.decimals[row] = answer_decimal(value.text); break;
    default: values.strings[row] = value.text;
  }
}

Result<std::shared_ptr<const ServiceProgram>> ServiceProgram::compile(std::span<const FeatureColumn> features, std::span<const Field> request,
                                                                      const Derived& derived, DefinitionPlace* place) {
  DefinitionPlace ignored;
  return ServiceCompiler(place ? *place : ignored).run(features, request, derived);
}

}  // namespace ms::feature
