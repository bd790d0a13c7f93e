// A list, vector or map in a record: from its JSON text to the bytes of packed_value.h. Both ways through a record use it, so what
// is checked here is what stands between the brackets; where they are is checked by the two against each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json_columns.h"
#include "codec/json_reader.h"
#include "codec/packed_value.h"

namespace ms {

// One thread at a time; keeps its buffers. Elements are scalars, so there is no depth; memory is linear in the text.
class JsonNested {
 public:
  // `text`: an array or object from its bracket on, UTF-8. The packed bytes, good until the next call; nullopt: it is no such value,
  // and reason() says why ("json: field 'tags[3]' is a number, not string").
  std::optional<std::string_view> decode(const JsonField& field, std::string_view text);
  const std::string& reason() const { return reason_; }

 private:
  struct Member {
    std::string_view name;
    size_t at = 0;  // its place among all
    PackedElement value;
  };
  bool vector(JsonReader& in, const Type& type);
  bool list(JsonReader& in, const Type& type);
  bool map(JsonReader& in, const Type& type);
  bool element(JsonReader& in, const Type& type, PackedElement& out);
  bool number(std::string_view token, const Type& type, PackedElement& out);
  bool text(std::string_view text, const Type& type, PackedElement& out);
  bool refuse(std::string what) { return fault_ = std::move(what), false; }

  JsonTime time_ = JsonTime::kMillis;
  StringArena arena_;
  std::string out_, fault_, where_, reason_;
  std::vector<Member> members_;
};

}  // namespace ms
