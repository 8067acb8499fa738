#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tessera {

/// Base of every exception the library throws. `what()` says what happened, where, and what to do;
/// `reason()` is a stable word for machines (`{"status":"error","reason":…}`).
class Error : public std::runtime_error {
 public:
  Error(std::string reason, const std::string& message) : std::runtime_error(message), reason_(std::move(reason)) {}
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::string reason_;
};

/// A caller broke a contract of the API: a shape, a range, an option.
class ArgumentError : public Error {
 public:
  explicit ArgumentError(const std::string& message) : Error("bad_argument", message) {}
};

/// A checkpoint that is missing, malformed, incomplete, or of a family this build does not know.
class CheckpointError : public Error {
 public:
  explicit CheckpointError(const std::string& message) : Error("bad_checkpoint", message) {}
};

/// Input data that is bad in itself: a media file, a codes file. The rest of a batch can go on.
class InputError : public Error {
 public:
  using Error::Error;
};

/// The machine could not do it: a full disk, no such device, not enough memory.
class ResourceError : public Error {
 public:
  using Error::Error;
};

/// The caller asked to stop (see Context::set_interrupt).
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted", "interrupted") {}
};

}  // namespace tessera
