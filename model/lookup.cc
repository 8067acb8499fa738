#include "model/lookup.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr int kUsual = 8;
constexpr int kMost = 64;

std::uint64_t hash_of(std::span<const std::int32_t> run) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;
  std::uint64_t hash = run.size() * kOdd;
  for (const std::int32_t id : run) {
    hash = (hash ^ static_cast<std::uint32_t>(id)) * kOdd;
    hash ^= hash >> 29;
  }
  return hash;
}

std::span<const std::int32_t> run_before(std::span<const std::int32_t> ids, std::int64_t end, std::int64_t length) {
  return ids.subspan(static_cast<std::size_t>(end - length), static_cast<std::size_t>(length));
}

class LookupDrafter : public Drafter {
 public:
  void observe(Context& /*context*/, ConstMatrix /*hidden*/, std::span<const std::int32_t> /*ids*/) override {}

  std::vector<std::int32_t> propose(Context& /*context*/, std::span<const std::int32_t> ids, int count,
                                    const Pick& /*pick*/) override {
    std::vector<std::int32_t> drafted;
    const std::int64_t from = index_.follow(ids);
    if (from < 0) return drafted;
    // What repeats at a short distance goes on with the drafts themselves.
    const auto known = static_cast<std::int64_t>(ids.size());
    for (std::int64_t at = from; at < from + count; ++at) {
      drafted.push_back(at < known ? ids[static_cast<std::size_t>(at)] : drafted[static_cast<std::size_t>(at - known)]);
    }
    return drafted;
  }

 private:
  RunIndex index_;
};

}  // namespace

int LookupDrafts::reach(int frame) const { return std::clamp(frame, kUsual, kMost); }

std::unique_ptr<Drafter> LookupDrafts::start(Context& /*context*/, std::int64_t /*capacity*/) const {
  return std::make_unique<LookupDrafter>();
}

void RunIndex::add(std::span<const std::int32_t> ids, std::int64_t end) {
  for (std::int64_t length = kShortest; length <= std::min(kLongest, end); ++length) {
    ends_[hash_of(run_before(ids, end, length))] = end;
  }
}

std::int64_t RunIndex::find(std::span<const std::int32_t> ids, std::int64_t length) const {
  const auto newest = run_before(ids, static_cast<std::int64_t>(ids.size()), length);
  const auto found = ends_.find(hash_of(newest));
  if (found == ends_.end()) return -1;
  const auto before = run_before(ids, found->second, length);
  return std::equal(before.begin(), before.end(), newest.begin()) ? found->second : -1;  // hashes may collide
}

std::int64_t RunIndex::follow(std::span<const std::int32_t> ids) {
  const auto count = static_cast<std::int64_t>(ids.size());
  for (; indexed_ + 1 < count; ++indexed_) add(ids, indexed_ + 1);  // the newest run has nothing behind it
  for (std::int64_t length = std::min(kLongest, count - 1); length >= kShortest; --length) {
    const std::int64_t end = find(ids, length);
    if (end >= 0) return end;
  }
  return -1;
}

}  // namespace tessera
