#include "codec/compression.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace ms {
namespace {

constexpr size_t kFirstRoom = 64u << 10;
constexpr std::array<uint8_t, 16> kJavaSnappyHeader = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
constexpr size_t kJavaSnappyBlock = 32u << 10;

Unexpected malformed(Compression codec) { return corruption(fmt::format("malformed {} data", to_string(codec))); }
Unexpected too_large(Compression codec, size_t bytes_max) {
  return fail(ErrorKind::kExhausted, fmt::format("{} data decompresses to more than {} bytes", to_string(codec), bytes_max));
}

// Returns `size` and not the callback's argument: libstdc++ 12 passes the rounded capacity there.
void resize_uncleared(std::string& out, size_t size) {
  out.resize_and_overwrite(size, [size](char*, size_t) { return size; });
}

// Output that grows by doubling up to the bound, without clearing what will be overwritten.
class Output {
 public:
  Output(std::string& out, Compression codec, size_t bytes_max) : out_(out), codec_(codec), bytes_max_(bytes_max) {
    out_.clear();
    grow(std::max(kFirstRoom, out_.capacity()));
  }
  char* room() { return out_.data() + used_; }
  size_t room_bytes() const { return out_.size() - used_; }
  void take(size_t count) { used_ += count; }
  // Makes room when there is none. One byte over the bound is allowed so that "exactly full" differs from "more".
  Result<> more() {
    if (used_ > bytes_max_) return too_large(codec_, bytes_max_);
    if (room_bytes() == 0) grow(out_.size() * 2);
    return {};
  }
  Result<> finish() {
    if (used_ > bytes_max_) return too_large(codec_, bytes_max_);
    out_.resize(used_);
    return {};
  }

 private:
  void grow(size_t wanted) {
    const size_t size = std::min(wanted, bytes_max_ + 1);
    resize_uncleared(out_, size);
  }
  std::string& out_;
  Compression codec_;
  size_t bytes_max_;
  size_t used_ = 0;
};

Result<> gunzip(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return internal("inflateInit2 failed");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, inflateEnd);
  Output output(out, Compression::kGzip, bytes_max);
  stream.next_in = const_cast<uint8_t*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  for (;;) {
    TRY(output.more());
    const auto room = static_cast<uInt>(std::min<size_t>(output.room_bytes(), UINT32_MAX));
    stream.next_out = reinterpret_cast<uint8_t*>(output.room());
    stream.avail_out = room;
    const int result = inflate(&stream, Z_NO_FLUSH);
    output.take(room - stream.avail_out);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return output.finish();
      if (inflateReset(&stream) != Z_OK) return malformed(Compression::kGzip);
    } else if (result != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return malformed(Compression::kGzip);
    }
  }
}

Result<> unsnap_block(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  const char* data = reinterpret_cast<const char*>(in.data());
  size_t size = 0;
  if (!snappy::GetUncompressedLength(data, in.size(), &size)) return malformed(Compression::kSnappy);
  if (size > bytes_max - std::min(bytes_max, out.size())) return too_large(Compression::kSnappy, bytes_max);
  // Snappy cannot expand more than about 64 times (3 bytes make at most 64), so a lying length reserves nothing.
  if (size / 64 > in.size()) return malformed(Compression::kSnappy);
  const size_t before = out.size();
  resize_uncleared(out, before + size);
  if (!snappy::RawUncompress(data, in.size(), out.data() + before)) return malformed(Compression::kSnappy);
  return {};
}

Result<> unsnap(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  out.clear();
  if (in.size() < kJavaSnappyHeader.size() || !std::equal(in.begin(), in.begin() + 8, kJavaSnappyHeader.begin()))
    return unsnap_block(in, bytes_max, out);
  in = in.subspan(kJavaSnappyHeader.size());
  while (!in.empty()) {
    if (in.size() < 4) return malformed(Compression::kSnappy);
    const uint32_t size = uint32_t{in[0]} << 24 | uint32_t{in[1]} << 16 | uint32_t{in[2]} << 8 | in[3];
    in = in.subspan(4);
    if (size > in.size()) return malformed(Compression::kSnappy);
    TRY(unsnap_block(in.first(size), bytes_max, out));
    in = in.subspan(size);
  }
  return {};
}

Result<> unlz4(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) return internal("no lz4 context");
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(raw, LZ4F_freeDecompressionContext);
  Output output(out, Compression::kLz4, bytes_max);
  for (;;) {
    TRY(output.more());
    size_t room = output.room_bytes(), taken = in.size();
    const size_t hint = LZ4F_decompress(context.get(), output.room(), &room, in.data(), &taken, nullptr);
    if (LZ4F_isError(hint)) return malformed(Compression::kLz4);
    output.take(room);
    in = in.subspan(taken);
    if (hint == 0 && in.empty()) return output.finish();
    if (taken == 0 && room == 0 && output.room_bytes() > 0) return malformed(Compression::kLz4);
  }
}

Result<> unzstd(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return internal("no zstd context");
  Output output(out, Compression::kZstd, bytes_max);
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  for (;;) {
    TRY(output.more());
    ZSTD_outBuffer target{output.room(), output.room_bytes(), 0};
    const size_t before = source.pos;
    const size_t hint = ZSTD_decompressStream(context.get(), &target, &source);
    if (ZSTD_isError(hint)) return malformed(Compression::kZstd);
    output.take(target.pos);
    if (hint == 0 && source.pos == source.size) return output.finish();
    if (source.pos == before && target.pos == 0 && output.room_bytes() > 0) return malformed(Compression::kZstd);
  }
}

Result<std::string> gzip(std::span<const uint8_t> in) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return internal("deflateInit2 failed");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, deflateEnd);
  std::string out(deflateBound(&stream, in.size()), '\0');
  stream.next_in = const_cast<uint8_t*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<uint8_t*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return internal("deflate failed");
  out.resize(stream.total_out);
  return out;
}

std::string snap(std::span<const uint8_t> in) {
  std::string out(reinterpret_cast<const char*>(kJavaSnappyHeader.data()), kJavaSnappyHeader.size());
  std::string block;
  for (; !in.empty(); in = in.subspan(std::min(in.size(), kJavaSnappyBlock))) {
    snappy::Compress(reinterpret_cast<const char*>(in.data()), std::min(in.size(), kJavaSnappyBlock), &block);
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(block.size() >> shift));
    out += block;
  }
  return out;
}

Result<std::string> lz4(std::span<const uint8_t> in) {
  std::string out(LZ4F_compressFrameBound(in.size(), nullptr), '\0');
  const size_t size = LZ4F_compressFrame(out.data(), out.size(), in.data(), in.size(), nullptr);
  if (LZ4F_isError(size)) return internal("lz4 failed");
  out.resize(size);
  return out;
}

Result<std::string> zstd(std::span<const uint8_t> in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), in.data(), in.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size)) return internal("zstd failed");
  out.resize(size);
  return out;
}

}  // namespace

std::string_view to_string(Compression codec) {
  switch (codec) {
    case Compression::kNone: return "none";
    case Compression::kGzip: return "gzip";
    case Compression::kSnappy: return "snappy";
    case Compression::kLz4: return "lz4";
    case Compression::kZstd: return "zstd";
  }
  return "unknown";
}

Result<> decompress(Compression codec, std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  if (in.size() > UINT32_MAX) return malformed(codec);
  switch (codec) {
    case Compression::kNone:
      if (in.size() > bytes_max) return too_large(codec, bytes_max);
      out.assign(reinterpret_cast<const char*>(in.data()), in.size());
      return {};
    case Compression::kGzip: return gunzip(in, bytes_max, out);
    case Compression::kSnappy: return unsnap(in, bytes_max, out);
    case Compression::kLz4: return unlz4(in, bytes_max, out);
    case Compression::kZstd: return unzstd(in, bytes_max, out);
  }
  return corruption("unknown compression");
}

Result<std::string> compress(Compression codec, std::span<const uint8_t> in) {
  if (in.size() > INT32_MAX) return invalid("more than 2 GiB in one batch");
  switch (codec) {
    case Compression::kNone: return std::string(reinterpret_cast<const char*>(in.data()), in.size());
    case Compression::kGzip: return gzip(in);
    case Compression::kSnappy: return snap(in);
    case Compression::kLz4: return lz4(in);
    case Compression::kZstd: return zstd(in);
  }
  return invalid("unknown compression");
}

}  // namespace ms
