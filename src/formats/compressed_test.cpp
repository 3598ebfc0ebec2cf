// Byte sources: the compressed streams are made with zlib and zstd themselves, so the content
// is known; damage must be reported, never read as a shorter file.
#include "formats/compressed.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>

#include "base/errors.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace compressed_test {

using ::testing::HasSubstr;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  out.resize(::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string sample(std::size_t lines) {
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) text += "{\"line\": " + std::to_string(i * 7919) + "}\n";
  return text;
}

std::string read_all(ByteSource& source, std::size_t chunk) {
  std::string all;
  std::string buffer(chunk, '\0');
  while (true) {
    const std::size_t got = source.read(buffer);
    all.append(buffer, 0, got);
    if (got < chunk) return all;
  }
}

class Compressed : public ::testing::Test {
 protected:
  std::string content_of(const std::string& file, std::size_t chunk = 4096) {
    write_file_atomic(directory_ / "f", file);
    return read_all(*open_byte_source(directory_ / "f"), chunk);
  }
  std::string error_of(const std::string& file) {
    try {
      content_of(file);
    } catch (const FileError& error) {
      return error.what();
    }
    return "accepted";
  }
  test::TempDirectory directory_;
};

TEST_F(Compressed, EveryKindGivesTheOriginalText) {
  const std::string text = sample(100000);
  for (const std::size_t chunk : {std::size_t{1000}, std::size_t{1} << 20}) {
    EXPECT_TRUE(content_of(text, chunk) == text);
    EXPECT_TRUE(content_of(gzip(text), chunk) == text);
    EXPECT_TRUE(content_of(zstd(text), chunk) == text);
  }
  EXPECT_TRUE(content_of(zstd(std::string(1 << 22, 'a')), 999) == std::string(1 << 22, 'a'));
}

TEST_F(Compressed, ShortAndEmptyFiles) {
  EXPECT_EQ(content_of(""), "");
  EXPECT_EQ(content_of("x"), "x");
  EXPECT_EQ(content_of(gzip("")), "");
  EXPECT_EQ(content_of(zstd("")), "");
}

TEST_F(Compressed, ConcatenatedStreamsAreOne) {
  EXPECT_EQ(content_of(gzip("ab") + gzip("cd")), "abcd");
  EXPECT_EQ(content_of(gzip("ab") + std::string(512, '\0')), "ab");
  EXPECT_EQ(content_of(zstd("ab") + zstd("cd")), "abcd");
  const std::string skippable("\x52\x2a\x4d\x18\x02\0\0\0xy", 10);
  EXPECT_EQ(content_of(skippable + zstd("cd")), "cd");
}

TEST_F(Compressed, TruncationAndDamageAreErrors) {
  const std::string text = sample(20000);
  for (const auto& [kind, whole] : {std::pair("gzip", gzip(text)), std::pair("zstd", zstd(text))}) {
    for (const std::size_t size : {std::size_t{4}, whole.size() / 2, whole.size() - 1}) {
      EXPECT_THAT(error_of(whole.substr(0, size)), HasSubstr("ends too early")) << kind << size;
    }
  }
  std::string gz = gzip(text);
  gz[gz.size() - 6] ^= 1;  // the checksum
  EXPECT_THAT(error_of(gz), HasSubstr("gzip stream is damaged: incorrect data check"));
  std::string zs = zstd(text);
  zs[4] ^= 0x08;  // a reserved bit of the frame header
  EXPECT_THAT(error_of(zs), HasSubstr("zstd stream is damaged"));
}

TEST_F(Compressed, MissingFilesAndDirectoriesAreErrors) {
  EXPECT_THROW(open_byte_source(directory_ / "none"), FileError);
  EXPECT_THROW(open_byte_source(directory_.path()), FileError);
}

TEST_F(Compressed, StandardInputIsReadAndDecompressed) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  const std::string text = sample(50000);
  std::thread writer([&] {
    const std::string packed = gzip(text);
    // Byte by byte at first: the magic number may arrive in pieces.
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(::write(ends[1], &packed[i], 1), 1);
    EXPECT_EQ(::write(ends[1], packed.data() + 3, packed.size() - 3),
              static_cast<ssize_t>(packed.size() - 3));
    ::close(ends[1]);
  });
  const auto source = open_byte_source("-");
  EXPECT_EQ(source->name(), "standard input");
  EXPECT_TRUE(read_all(*source, 1 << 16) == text);
  writer.join();
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ::close(ends[0]);
}

}  // namespace compressed_test
}  // namespace svtune
