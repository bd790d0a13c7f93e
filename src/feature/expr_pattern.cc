#include <re2/re2.h>

#include "feature/expr_text.h"

namespace ms::feature {

struct TextPattern::Impl {
  explicit Impl(const std::string& pattern, const re2::RE2::Options& options) : re(pattern, options) {}
  re2::RE2 re;
};

TextPattern::TextPattern(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TextPattern::~TextPattern() = default;

std::expected<std::shared_ptr<const TextPattern>, std::string> TextPattern::compile(const std::string& pattern) {
  if (pattern.size() > kPatternBytesMax) return std::unexpected("it is longer than 1,000 bytes");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(int64_t{1} << 20);
  auto impl = std::make_unique<Impl>(pattern, options);
  if (!impl->re.ok()) return std::unexpected(impl->re.error());
  return std::shared_ptr<const TextPattern>(new TextPattern(std::move(impl)));
}

bool TextPattern::matches(std::string_view text) const { return re2::RE2::PartialMatch({text.data(), text.size()}, impl_->re); }

bool TextPattern::matches_whole(std::string_view text) const { return re2::RE2::FullMatch({text.data(), text.size()}, impl_->re); }

OrNull<std::string_view> TextPattern::extract(std::string_view text) const {
  re2::StringPiece groups[2];
  const int wanted = impl_->re.NumberOfCapturingGroups() > 0 ? 1 : 0;
  if (!impl_->re.Match({text.data(), text.size()}, 0, text.size(), re2::RE2::UNANCHORED, groups, wanted + 1)) return std::nullopt;
  const re2::StringPiece& found = groups[wanted];
  if (found.data() == nullptr) return std::nullopt;
  return std::string_view(found.data(), found.size());
}

}  // namespace ms::feature
