// Images by number: some are kept, the others are loaded by threads ahead of their use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "images/image.h"

namespace svtune {

struct ImageCacheOptions {
  std::size_t ahead = 64;  // images loaded before they are asked for, at most
  int threads = 1;         // that load; started by the first expect() that has something to load
};

// take() and expect() are called by one thread at a time.
class ImageCache {
 public:
  using Load = std::function<Image(std::size_t index)>;

  // `kept`: one for each number. `load` is called by several threads.
  ImageCache(std::vector<std::optional<Image>> kept, Load load, ImageCacheOptions options);
  ~ImageCache();
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  // Calls `use` with the image. Throws what `load` throws.
  void take(std::size_t index, const std::function<void(const Image&)>& use);
  // The images that will be asked for, in this order; replaces what was expected before.
  void expect(std::span<const std::uint32_t> coming);

 private:
  struct Slot {
    bool ready = false;
    Image image;
    std::exception_ptr error;
  };

  void work();
  std::optional<Image> wait_for(std::size_t index);

  const std::vector<std::optional<Image>> kept_;
  const Load load_;
  const ImageCacheOptions options_;
  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::deque<std::uint32_t> coming_;  // not begun
  std::unordered_map<std::size_t, Slot> slots_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace svtune
