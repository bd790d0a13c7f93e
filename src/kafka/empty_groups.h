// Since when groups have had no members, also over restarts: named entries of the log, GROUP -> milliseconds since 1970.
//
// The entries are written by the check for expired offsets, not when the last member leaves, so groups that come and go write
// nothing. An entry is gone from the disk before the group has a member again. So whatever is lost or not known makes a group look
// empty for a shorter time only: offsets may be kept longer than they must, never shorter.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/runtime.h"
#include "kafka/alive_count.h"
#include "log/log.h"

namespace ms::kafka {

// On one event loop, `thread`. What waits for the log holds `alive`.
class EmptyGroups {
 public:
  EmptyGroups(log::Log& log, io::IoThread& thread, std::shared_ptr<AliveCount> alive);

  void left(const std::string& group, int64_t now_ms);  // it has no members; if that was known, nothing new
  // Of a group without members; now, if it is not known.
  int64_t since(const std::string& group, int64_t now_ms);

  // Somebody wants to join: `then(true)` runs when no entry says that the group is empty, at once if none does. `then(false)`: the
  // log could not be told.
  using Then = std::move_only_function<void(bool)>;
  void enter(const std::string& group, Then then);

  // Writes what is known of groups `with_offsets`, and forgets the others. Does not wait.
  void record(const std::set<std::string, std::less<>>& with_offsets);

 private:
  void forget(std::vector<std::string> groups);
  void forgotten(const std::vector<std::string>& groups, bool done);

  log::Log& log_;
  io::IoThread& thread_;
  const std::shared_ptr<AliveCount> alive_;
  std::map<std::string, int64_t, std::less<>> unrecorded_;
  std::map<std::string, int64_t, std::less<>> recorded_;              // every group that the log can have an entry of
  std::map<std::string, std::vector<Then>, std::less<>> forgetting_;  // and who waits for it
};

}  // namespace ms::kafka
