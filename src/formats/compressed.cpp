// Byte sources over POSIX read(), zlib and zstd.
#include "formats/compressed.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/lfs_pointer.h"

namespace svtune {
namespace {

constexpr std::size_t kInputBytes = 1 << 18;
// Larger windows need `zstd --long`, and this much memory to read.
constexpr int kMaxWindowLog = 27;

// Raw bytes of a descriptor with a look-ahead for the magic number.
class RawInput {
 public:
  RawInput(int fd, bool owned, std::string name)
      : fd_(fd), owned_(owned), name_(std::move(name)), buffer_(kInputBytes) {
    while (size_ < 4 && refill_more()) {
    }
  }
  ~RawInput() {
    if (owned_) ::close(fd_);
  }
  RawInput(const RawInput&) = delete;
  RawInput& operator=(const RawInput&) = delete;

  std::string_view pending() const { return {buffer_.data() + begin_, size_ - begin_}; }
  void consume(std::size_t count) { begin_ += count; }
  // More bytes behind an empty pending(); false at the end.
  bool refill() {
    begin_ = size_ = 0;
    return refill_more();
  }
  std::size_t read_direct(char* into, std::size_t size) {
    while (true) {
      const ssize_t got = ::read(fd_, into, size);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw FileError(name_, std::string("cannot read: ") + strerror(errno));
    }
  }
  const std::string& name() const { return name_; }

 private:
  bool refill_more() {
    const std::size_t got = read_direct(buffer_.data() + size_, buffer_.size() - size_);
    size_ += got;
    return got > 0;
  }

  int fd_;
  bool owned_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

[[noreturn]] void throw_truncated(const std::string& name, const char* kind) {
  throw FileError(name, std::string(kind) + " stream ends too early",
                  "the file is truncated: copy or download it again");
}

[[noreturn]] void throw_damaged(const std::string& name, const char* kind, const char* reason) {
  throw FileError(name, std::string(kind) + " stream is damaged: " + reason,
                  "copy or download the file again");
}

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(std::unique_ptr<RawInput> input) : input_(std::move(input)) {}
  const std::string& name() const override { return input_->name(); }
  std::size_t read(std::span<char> into) override {
    std::size_t done = std::min(into.size(), input_->pending().size());
    std::memcpy(into.data(), input_->pending().data(), done);
    input_->consume(done);
    while (done < into.size()) {
      const std::size_t got = input_->read_direct(into.data() + done, into.size() - done);
      if (got == 0) break;
      done += got;
    }
    return done;
  }

 private:
  std::unique_ptr<RawInput> input_;
};

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<RawInput> input) : input_(std::move(input)) {
    if (::inflateInit2(&stream_, 15 + 16) != Z_OK) throw RunError("zlib cannot be initialised");
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }
  const std::string& name() const override { return input_->name(); }

  std::size_t read(std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size() && !ended_) {
      if (input_->pending().empty() && !input_->refill()) {
        if (inside_) throw_truncated(name(), "gzip");
        ended_ = true;
        break;
      }
      done += step(into.subspan(done));
    }
    return done;
  }

 private:
  std::size_t step(std::span<char> into) {
    const std::string_view pending = input_->pending();
    if (!inside_ && !starts_member(pending)) {
      ended_ = true;  // zeros or rubbish after the last member are ignored, as gzip does
      return 0;
    }
    inside_ = true;
    const auto room = static_cast<uInt>(std::min<std::size_t>(into.size(), 1U << 30));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(pending.data()));
    stream_.avail_in = static_cast<uInt>(pending.size());
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = room;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    input_->consume(pending.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_ = false;
      ::inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw_damaged(name(), "gzip", stream_.msg != nullptr ? stream_.msg : ::zError(result));
    }
    return room - stream_.avail_out;
  }

  static bool starts_member(std::string_view bytes) {
    return bytes[0] == '\x1f' && (bytes.size() < 2 || bytes[1] == '\x8b');
  }

  std::unique_ptr<RawInput> input_;
  z_stream stream_{};
  bool inside_ = true;
  bool ended_ = false;
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<RawInput> input)
      : input_(std::move(input)), context_(::ZSTD_createDCtx(), ::ZSTD_freeDCtx) {
    if (!context_) throw RunError("zstd cannot be initialised");
    ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  const std::string& name() const override { return input_->name(); }

  std::size_t read(std::span<char> into) override {
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (out.pos < out.size) {
      if (input_->pending().empty() && !input_->refill()) {
        // What is left inside the decoder must come out before the stream may end.
        const std::size_t before = out.pos;
        if (inside_) decode({}, out);
        if (out.pos > before) continue;
        if (inside_) throw_truncated(name(), "zstd");
        break;
      }
      input_->consume(decode(input_->pending(), out));
    }
    return out.pos;
  }

 private:
  std::size_t decode(std::string_view bytes, ZSTD_outBuffer& out) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    const std::size_t result = ::ZSTD_decompressStream(context_.get(), &out, &in);
    if (::ZSTD_isError(result) != 0) throw_damaged(name(), "zstd", ::ZSTD_getErrorName(result));
    inside_ = result != 0;
    return in.pos;
  }

  std::unique_ptr<RawInput> input_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
  bool inside_ = true;
};

std::unique_ptr<RawInput> open_raw(const std::filesystem::path& path) {
  if (path == "-") return std::make_unique<RawInput>(STDIN_FILENO, false, "standard input");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    throw FileError(path.string(), std::string("cannot open: ") + std::strerror(error),
                    hint_of_errno(error));
  }
  struct stat info{};
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(fd);
    throw FileError(path.string(), "is a directory, need a file", "Give one of its files.");
  }
  return std::make_unique<RawInput>(fd, true, path.string());
}

}  // namespace

Compression compression_of(std::string_view start) {
  if (start.starts_with("\x1f\x8b")) return Compression::kGzip;
  // pzstd starts its files with a skippable frame (magic 0x184D2A50 to 5F).
  const bool skippable =
      start.size() >= 4 && (start[0] & 0xF0) == 0x50 && start.substr(1).starts_with("\x2a\x4d\x18");
  return skippable || start.starts_with("\x28\xb5\x2f\xfd") ? Compression::kZstd
                                                            : Compression::kNone;
}

std::unique_ptr<ByteSource> open_byte_source(const std::filesystem::path& path) {
  std::unique_ptr<RawInput> input = open_raw(path);
  refuse_lfs_pointer(input->pending(), path);
  switch (compression_of(input->pending())) {
    case Compression::kGzip:
      return std::make_unique<GzipSource>(std::move(input));
    case Compression::kZstd:
      return std::make_unique<ZstdSource>(std::move(input));
    case Compression::kNone:
      break;
  }
  return std::make_unique<PlainSource>(std::move(input));
}

}  // namespace svtune
