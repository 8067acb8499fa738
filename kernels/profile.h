#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "kernels/context.h"

namespace tessera {

/// What operations took on the CPU, while a context has one (Context::set_profile). Time that an operation spends in
/// another is the other's.
class Profile {
 public:
  /// An operation, and products by the size of their weights.
  struct Entry {
    const char* operation;
    std::int64_t inputs = 0;
    std::int64_t outputs = 0;
    std::int64_t calls = 0;
    double seconds = 0;
    /// Multiplications with an addition; 0 where they are not what an operation spends its time on.
    double multiply_adds = 0;
    double weight_bytes = 0;  ///< that a product reads
  };

  /// In the order of their first calls.
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  /// Adds to the entry of the same operation, inputs and outputs.
  void add(const Entry& work);

 private:
  friend class Timed;
  std::vector<Entry> entries_;
  double nested_ = 0;  // seconds of the operations inside the one under way
};

/// Tells the context's profile, if it has one, of an operation that lasts as long as this object.
class Timed {
 public:
  Timed(const Context& context, const char* operation) : Timed(context, Profile::Entry{operation}) {}
  /// `work` says what is done, but for calls and seconds.
  Timed(const Context& context, const Profile::Entry& work);
  ~Timed();
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* profile_;
  Profile::Entry work_;
  double nested_before_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace tessera
