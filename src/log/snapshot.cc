#include "log/snapshot.h"

#include "base/crc32c.h"

namespace ms::log {
namespace {
constexpr uint32_t kMagic = 0x5053534D;  // "MSSP"
constexpr uint32_t kVersion = 1;
uint32_t crc_of(std::string_view text) { return crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()}); }
}  // namespace

Result<> write_snapshot(FileSystem& fs, const std::string& path, uint64_t frame, uint64_t first_segment, std::string_view state) {
  ByteWriter out;
  out.u32(kMagic), out.u32(kVersion), out.u64(frame), out.u64(first_segment), out.bytes(state);
  out.u32(crc_of(out.str()));
  return write_file_atomically(fs, path, out.str());
}

Result<std::optional<Snapshot>> read_snapshot(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const bool there, fs.exists(path));
  if (!there) return std::nullopt;
  TRY_ASSIGN(const std::string bytes, read_file(fs, path));
  const auto refuse = [&](ErrorKind kind, const char* why) { return fail(kind, path + ": " + why); };
  if (bytes.size() < 28 || crc_of(std::string_view(bytes).substr(0, bytes.size() - 4)) != load_le<uint32_t>(bytes.data() + bytes.size() - 4))
    return refuse(ErrorKind::kCorruption, "the metadata snapshot is damaged; restore it from a copy");
  ByteReader in(bytes);
  if (in.u32() != kMagic) return refuse(ErrorKind::kCorruption, "not a metadata snapshot");
  if (in.u32() != kVersion) return refuse(ErrorKind::kUnsupported, "written by a newer version");
  Snapshot out;
  out.frame = in.u64(), out.first_segment = in.u64();
  auto state = MetaState::decode(std::string_view(bytes).substr(24, bytes.size() - 28));
  if (!state) return Unexpected(state.error().within(path));
  out.state = std::move(*state);
  return out;
}

}  // namespace ms::log
