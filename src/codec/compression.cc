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
constexpr size_t kGrownMax = 16u << 20;
constexpr std::array<uint8_t, 16> kJavaSnappyHeader = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
constexpr size_t kJavaSnappyBlock = 32u << 10;

Unexpected malformed(Compression codec) { return corruption(fmt::format("malformed {} data", to_string(codec))); }

// Returns `size` and not the callback's argument: libstdc++ 12 passes the rounded capacity there.
void resize_uncleared(std::string& out, size_t size) {
  out.resize_and_overwrite(size, [size](char*, size_t) { return size; });
}

// Where decompressed bytes go, up to a bound: into a text that grows by doubling, or nowhere, to learn how many there are.
// One byte over the bound is allowed, so that "exactly full" differs from "more".
class Output {
 public:
  static Output into(std::string& out, size_t bytes_max) {
    resize_uncleared(out, std::min(std::max(kFirstRoom, out.capacity()), bytes_max + 1));
    return {out, bytes_max, false};
  }
  static Output counting(std::string& scratch, size_t bytes_max) {
    resize_uncleared(scratch, kFirstRoom);
    return {scratch, bytes_max, true};
  }
  char* room() { return counts_ ? out_.data() : out_.data() + used_; }
  size_t room_bytes() const { return counts_ ? out_.size() : out_.size() - used_; }
  void take(size_t count) { used_ += count; }
  size_t used() const { return used_; }
  // Makes room when there is none. Errors: kExhausted, when there is more than the bound.
  Result<> more() {
    TRY(check());
    if (room_bytes() == 0) resize_uncleared(out_, std::min(out_.size() * 2, bytes_max_ + 1));
    return {};
  }
  Result<> finish() {
    TRY(check());
    if (!counts_) out_.resize(used_);
    return {};
  }

 private:
  Output(std::string& out, size_t bytes_max, bool counts) : out_(out), bytes_max_(bytes_max), counts_(counts) {}
  Result<> check() const {
    if (used_ > bytes_max_) return fail(ErrorKind::kExhausted, "more than its bound");
    return {};
  }

  std::string& out_;
  size_t bytes_max_;
  bool counts_;
  size_t used_ = 0;
};

Result<> gunzip(std::span<const uint8_t> in, Output& output) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return internal("inflateInit2 failed");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, inflateEnd);
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

Result<> unlz4(std::span<const uint8_t> in, Output& output) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) return internal("no lz4 context");
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(raw, LZ4F_freeDecompressionContext);
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

Result<> unzstd(std::span<const uint8_t> in, Output& output) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return internal("no zstd context");
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

// Room grows by doubling only so far. What is larger is decompressed once to learn its size and once more into room of just
// that size: a bomb costs time, never memory, and nothing is held twice while it grows.
Result<> unpack(Result<> (*codec)(std::span<const uint8_t>, Output&), std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  const auto too_much = [](const Result<>& done) { return !done && done.error().kind == ErrorKind::kExhausted; };
  const size_t grown_max = std::min(bytes_max, std::max(kGrownMax, out.capacity()));
  Output grown = Output::into(out, grown_max);
  if (const Result<> done = codec(in, grown); !too_much(done) || grown_max == bytes_max) return done;
  std::string().swap(out);
  std::string scratch;
  Output counted = Output::counting(scratch, bytes_max);
  TRY(codec(in, counted));
  out.reserve(counted.used() + 1);
  Output whole = Output::into(out, counted.used());
  return codec(in, whole);
}

// Calls use(block) for each block: of the Java client's framing, or all of `in`.
template <class Use>
Result<> each_snappy_block(std::span<const uint8_t> in, Use&& use) {
  if (in.size() < kJavaSnappyHeader.size() || !std::equal(in.begin(), in.begin() + 8, kJavaSnappyHeader.begin())) return use(in);
  in = in.subspan(kJavaSnappyHeader.size());
  while (!in.empty()) {
    if (in.size() < 4) return malformed(Compression::kSnappy);
    const uint32_t size = uint32_t{in[0]} << 24 | uint32_t{in[1]} << 16 | uint32_t{in[2]} << 8 | in[3];
    in = in.subspan(4);
    if (size > in.size()) return malformed(Compression::kSnappy);
    TRY(use(in.first(size)));
    in = in.subspan(size);
  }
  return {};
}

Result<size_t> snappy_block_size(std::span<const uint8_t> block) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(reinterpret_cast<const char*>(block.data()), block.size(), &size)) return malformed(Compression::kSnappy);
  // Snappy cannot expand more than about 64 times (3 bytes make at most 64), so a lying length reserves nothing.
  if (size / 64 > block.size()) return malformed(Compression::kSnappy);
  return size;
}

Result<> unsnap(std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  size_t all = 0, at = 0;
  TRY(each_snappy_block(in, [&](std::span<const uint8_t> block) -> Result<> {
    TRY_ASSIGN(const size_t size, snappy_block_size(block));
    if (size > bytes_max - all) return fail(ErrorKind::kExhausted, "more than its bound");
    all += size;
    return {};
  }));
  resize_uncleared(out, all);
  return each_snappy_block(in, [&](std::span<const uint8_t> block) -> Result<> {
    const char* data = reinterpret_cast<const char*>(block.data());
    if (!snappy::RawUncompress(data, block.size(), out.data() + at)) return malformed(Compression::kSnappy);
    at += *snappy_block_size(block);
    return {};
  });
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

namespace {

Result<> decompress_into(Compression codec, std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  if (in.size() > UINT32_MAX) return malformed(codec);
  switch (codec) {
    case Compression::kNone:
      if (in.size() > bytes_max) return fail(ErrorKind::kExhausted, "more than its bound");
      out.assign(reinterpret_cast<const char*>(in.data()), in.size());
      return {};
    case Compression::kGzip: return unpack(gunzip, in, bytes_max, out);
    case Compression::kSnappy: return unsnap(in, bytes_max, out);
    case Compression::kLz4: return unpack(unlz4, in, bytes_max, out);
    case Compression::kZstd: return unpack(unzstd, in, bytes_max, out);
  }
  return corruption("unknown compression");
}

}  // namespace

Result<> decompress(Compression codec, std::span<const uint8_t> in, size_t bytes_max, std::string& out) {
  Result<> done = decompress_into(codec, in, bytes_max, out);
  if (done) return done;
  std::string().swap(out);  // callers keep it for the next batch: a bomb's room must not stay
  if (done.error().kind != ErrorKind::kExhausted) return done;
  return fail(ErrorKind::kExhausted, fmt::format("{} data decompresses to more than {} bytes", to_string(codec), bytes_max));
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
