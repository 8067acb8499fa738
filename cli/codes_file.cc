#include "cli/codes_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "cli/codes_array.h"
#include "cli/signals.h"
#include "kernels/error.h"
#include "media/descriptor.h"

namespace tessera::cli {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr std::size_t kMaxLine = std::size_t{1} << 30;

[[noreturn]] void unreadable(const std::string& name) {
  throw InputError("unreadable", name + ": " + std::generic_category().message(errno));
}

class LineReader final : public CodesReader {
 public:
  LineReader(media::Descriptor file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}

  bool next(CodesRecord& record) override {
    while (next_line()) {
      ++number_;
      if (line_.find_first_not_of(" \t\r") == std::string::npos) continue;
      record = parse_record(line_, where());
      return true;
    }
    return false;
  }

  [[nodiscard]] std::string where() const override { return name_ + ", line " + std::to_string(number_); }

 private:
  /// Takes the text up to the next line end, or the rest.
  bool next_line() {
    std::size_t searched = 0;
    std::size_t end = std::string::npos;
    while ((end = buffer_.find('\n', start_ + searched)) == std::string::npos) {
      searched = buffer_.size() - start_;
      if (searched > kMaxLine) give_up();
      if (!fill()) break;
    }
    if (end == std::string::npos && start_ == buffer_.size()) return false;
    const std::size_t stop = end == std::string::npos ? buffer_.size() : end;
    line_.assign(buffer_, start_, stop - start_);
    start_ = end == std::string::npos ? stop : stop + 1;
    return true;
  }

  [[noreturn]] void give_up() {
    buffer_.clear();
    start_ = 0;
    ended_ = true;
    bad_codes(name_, "a line is longer than 1 GiB");
  }

  bool fill() {
    if (ended_) return false;
    buffer_.erase(0, start_);
    start_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kBlock);
    const ssize_t got = ::read(file_.get(), buffer_.data() + before, kBlock);
    buffer_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got <= 0) check_interrupted();  // the end too may be what Ctrl-C made of the pipe
    if (got < 0 && errno != EINTR) unreadable(name_);
    ended_ = got == 0;
    return !ended_;
  }

  media::Descriptor file_;
  std::string name_;
  std::string buffer_;
  std::size_t start_ = 0;  // of what is not taken yet
  std::string line_;
  std::int64_t number_ = 0;
  bool ended_ = false;
};

/// A file that holds one record.
class ArrayReader final : public CodesReader {
 public:
  ArrayReader(const std::string& path, CodesRecord (*read)(const std::string&)) : path_(path), read_(read) {}
  bool next(CodesRecord& record) override {
    if (read_ == nullptr) return false;
    record = std::exchange(read_, nullptr)(path_);
    return true;
  }
  [[nodiscard]] std::string where() const override { return path_; }

 private:
  std::string path_;
  CodesRecord (*read_)(const std::string&);
};

bool begins(const std::string& head, const char* magic, std::size_t at) {
  return head.compare(at, std::strlen(magic), magic) == 0;
}

std::string first_bytes(int file, const std::string& path) {
  std::string head(16, '\0');
  const ssize_t got = ::pread(file, head.data(), head.size(), 0);
  if (got < 0 && errno != ESPIPE) unreadable(path);
  return head;
}

}  // namespace

std::unique_ptr<CodesReader> open_codes(const std::string& path) {
  if (path == "-") return std::make_unique<LineReader>(media::Descriptor(::dup(STDIN_FILENO)), "standard input");
  media::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) unreadable(path);
  const std::string head = first_bytes(file.get(), path);
  if (begins(head, "\x93NUMPY", 0)) return std::make_unique<ArrayReader>(path, read_npy);
  if (begins(head, "{\"", 8)) return std::make_unique<ArrayReader>(path, read_safetensors);
  return std::make_unique<LineReader>(std::move(file), path);
}

}  // namespace tessera::cli
