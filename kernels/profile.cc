#include "kernels/profile.h"

#include <algorithm>
#include <cstring>

namespace tessera {

void Profile::add(const Entry& work) {
  const auto same = [&](const Entry& entry) {
    return std::strcmp(entry.operation, work.operation) == 0 && entry.inputs == work.inputs &&
           entry.outputs == work.outputs;
  };
  const auto at = std::find_if(entries_.begin(), entries_.end(), same);
  if (at == entries_.end()) {
    entries_.push_back(work);
    return;
  }
  at->calls += work.calls;
  at->seconds += work.seconds;
  at->multiply_adds += work.multiply_adds;
  at->weight_bytes += work.weight_bytes;
}

Timed::Timed(const Context& context, const Profile::Entry& work) : profile_(context.profile()), work_(work) {
  if (profile_ == nullptr) return;
  nested_before_ = profile_->nested_;
  profile_->nested_ = 0;
  start_ = std::chrono::steady_clock::now();
}

Timed::~Timed() {
  if (profile_ == nullptr) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  work_.calls = 1;
  work_.seconds = seconds - profile_->nested_;
  profile_->nested_ = nested_before_ + seconds;
  profile_->add(work_);
}

}  // namespace tessera
