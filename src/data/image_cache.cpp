#include "data/image_cache.h"

#include <algorithm>
#include <utility>

namespace svtune {

ImageCache::ImageCache(std::vector<std::optional<Image>> kept, Load load, ImageCacheOptions options)
    : kept_(std::move(kept)), load_(std::move(load)), options_(options) {}

ImageCache::~ImageCache() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ImageCache::expect(std::span<const std::uint32_t> coming) {
  const std::scoped_lock lock(mutex_);
  coming_.clear();
  std::vector<bool> wanted(kept_.size());
  for (const std::uint32_t index : coming) {
    if (kept_.at(index)) continue;
    wanted[index] = true;
    if (!slots_.contains(index)) coming_.push_back(index);
  }
  std::erase_if(slots_, [&](const auto& slot) { return slot.second.ready && !wanted[slot.first]; });
  if (coming_.empty()) return;
  for (int i = static_cast<int>(threads_.size()); i < options_.threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
  room_.notify_all();
}

void ImageCache::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    room_.wait(lock,
               [&] { return stopped_ || (!coming_.empty() && slots_.size() < options_.ahead); });
    if (stopped_) return;
    const std::size_t index = coming_.front();
    coming_.pop_front();
    if (!slots_.try_emplace(index).second) continue;
    lock.unlock();
    Slot loaded;
    loaded.ready = true;
    try {
      loaded.image = load_(index);
    } catch (...) {
      loaded.error = std::current_exception();
    }
    lock.lock();
    slots_[index] = std::move(loaded);
    ready_.notify_all();
  }
}

// The image when some thread has begun to load it.
std::optional<Image> ImageCache::wait_for(std::size_t index) {
  std::unique_lock lock(mutex_);
  if (!slots_.contains(index)) {
    const auto place = std::ranges::find(coming_, static_cast<std::uint32_t>(index));
    if (place != coming_.end()) coming_.erase(place);
    return std::nullopt;
  }
  ready_.wait(lock, [&] { return slots_.at(index).ready; });
  Slot slot = std::move(slots_.at(index));
  slots_.erase(index);
  room_.notify_all();
  if (slot.error) std::rethrow_exception(slot.error);
  return std::move(slot.image);
}

void ImageCache::take(std::size_t index, const std::function<void(const Image&)>& use) {
  if (kept_.at(index)) {
    use(*kept_[index]);
  } else if (const std::optional<Image> loaded = wait_for(index)) {
    use(*loaded);
  } else {
    use(load_(index));
  }
}

}  // namespace svtune
