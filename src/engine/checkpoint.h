// The bytes of a checkpoint (docs/formats/checkpoint.md), and the files that hold them: DIR/state/<sequence>.checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/types.h"

namespace ms::engine {

inline constexpr uint32_t kCheckpointVersion = 1;

struct CheckpointView {
  std::string name;
  uint32_t version = 0;
  std::string identity;  // hashes of the features, joined; a checkpoint of another computation is never loaded
  std::string state;     // ViewState::save
};
struct CheckpointShard {
  std::vector<std::pair<TopicPartition, Offset>> applied;
  std::vector<CheckpointView> views;
};
struct Checkpoint {
  std::vector<CheckpointShard> shards;
  // How far the dead-letter topic of each source had been written when the offsets above were taken: letters behind
  // it are looked at again after a restart, so that none is written twice.
  std::map<std::string, Offset> dead_letter_ends;
};

std::string encode_checkpoint(const Checkpoint& checkpoint);
Result<Checkpoint> decode_checkpoint(std::string_view bytes);  // Corruption, Unsupported

// Writes the next checkpoint durably and removes all but the newest two. Asks before every part of the file whether to give up:
// then it is kTimeout, and the checkpoints are what they were.
Result<> store_checkpoint(FileSystem& fs, const std::string& dir, const Checkpoint& checkpoint, const std::function<bool()>& give_up = {});
// The newest one that can be read; a damaged one is logged and the one before it is taken. nullopt: none.
Result<std::optional<Checkpoint>> load_checkpoint(FileSystem& fs, const std::string& dir);

}  // namespace ms::engine
