// "Did you mean ...": the candidate closest to a misspelt word.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ms {

// The candidate with the smallest edit distance to `word`, ignoring ASCII case; empty when none is near enough
// (more than a third of the word's length, at least 2, apart) or the word is longer than 200 bytes.
std::string nearest(std::string_view word, std::span<const std::string> candidates);
// "; did you mean 'x'?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace ms
