#include "media/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

#include "kernels/error.h"
#include "media/descriptor.h"
#include "media/fault.h"

namespace tessera::media {
namespace {

constexpr std::int64_t kHead = std::int64_t{1} << 20;  // bytes of a pipe that can be read again
constexpr std::size_t kSourceBlock = std::size_t{1} << 16;

[[noreturn]] void unreadable(const std::string& name, int error) {
  fail(name, "unreadable", std::generic_category().message(error));
}

class FileSource final : public Source {
 public:
  /// `origin`: where the input begins, for a standard input that was partly read by someone else.
  FileSource(Descriptor file, std::string name, std::int64_t origin, std::int64_t size)
      : file_(std::move(file)), name_(std::move(name)), origin_(origin), size_(size) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] std::int64_t position() const override { return position_; }
  void seek(std::int64_t position) override { position_ = position; }

  std::size_t read(void* out, std::size_t bytes) override {
    std::size_t done = 0;
    while (done < bytes) {
      const ssize_t got =
          ::pread(file_.get(), static_cast<char*>(out) + done, bytes - done, static_cast<off_t>(origin_ + position_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) unreadable(name_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
      position_ += got;
    }
    return done;
  }

 private:
  Descriptor file_;
  std::string name_;
  std::int64_t origin_;
  std::int64_t size_;
  std::int64_t position_ = 0;
};

class PipeSource final : public Source {
 public:
  PipeSource(Descriptor pipe, std::string name) : pipe_(std::move(pipe)), name_(std::move(name)) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t size() const override { return -1; }
  [[nodiscard]] std::int64_t position() const override { return position_; }

  std::size_t read(void* out, std::size_t bytes) override {
    std::size_t done = replay(static_cast<char*>(out), bytes);
    while (done < bytes) {
      const ssize_t got = ::read(pipe_.get(), static_cast<char*>(out) + done, bytes - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) unreadable(name_, errno);
      if (got == 0) break;
      remember(static_cast<char*>(out) + done, got);
      done += static_cast<std::size_t>(got);
    }
    position_ += static_cast<std::int64_t>(done);
    return done;
  }

  void seek(std::int64_t position) override {
    if (position < position_ && taken_ > static_cast<std::int64_t>(head_.size())) {
      fail(name_, "unreadable", "a pipe cannot be read backwards: save it to a file first");
    }
    if (position < position_) position_ = position;
    char ignored[4096];
    while (position_ < position) {
      const auto step = std::min<std::int64_t>(sizeof ignored, position - position_);
      if (read(ignored, static_cast<std::size_t>(step)) == 0) break;
    }
  }

 private:
  std::size_t replay(char* out, std::size_t bytes) const {
    const auto kept = static_cast<std::int64_t>(head_.size());
    if (position_ >= kept || position_ >= taken_) return 0;
    const auto count = std::min<std::size_t>(bytes, static_cast<std::size_t>(kept - position_));
    std::memcpy(out, head_.data() + position_, count);
    return count;
  }

  void remember(const char* bytes, ssize_t count) {
    if (taken_ < kHead) {
      const auto kept = std::min<std::int64_t>(count, kHead - taken_);
      head_.insert(head_.end(), bytes, bytes + kept);
    }
    taken_ += count;
  }

  Descriptor pipe_;
  std::string name_;
  std::vector<char> head_;  // the first bytes, to be read again
  std::int64_t taken_ = 0;  // bytes that came out of the pipe
  std::int64_t position_ = 0;
};

std::unique_ptr<Source> file_source(Descriptor file, const std::string& name, std::int64_t origin) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) unreadable(name, errno);
  if (S_ISDIR(status.st_mode)) unreadable(name, EISDIR);
  if (!S_ISREG(status.st_mode)) return std::make_unique<PipeSource>(std::move(file), name);
  const std::int64_t size = std::max<std::int64_t>(0, status.st_size - origin);
  if (size == 0) fail(name, "empty_media", "the file is empty (0 bytes)");
  return std::make_unique<FileSource>(std::move(file), name, origin, size);
}

std::unique_ptr<Source> standard_input() {
  const std::string name = "standard input";
  Descriptor copy(::dup(STDIN_FILENO));
  if (copy.get() < 0) unreadable(name, errno);
  const off_t origin = ::lseek(copy.get(), 0, SEEK_CUR);
  return file_source(std::move(copy), name, std::max<off_t>(0, origin));
}

int open_unnamed() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = folder != nullptr && *folder != '\0' ? folder : "/tmp";
  const int direct = ::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (direct >= 0) return direct;
  path += "/tessera-XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file >= 0) ::unlink(path.c_str());
  return file;
}

}  // namespace

std::unique_ptr<Source> open_source(const std::string& path) {
  if (path == "-") return standard_input();
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) unreadable(path, errno);
  return file_source(std::move(file), path, 0);
}

std::unique_ptr<Source> spool(Source& pipe) {
  Descriptor file(open_unnamed());
  if (file.get() < 0) throw ResourceError("write_failed", "no temporary file for " + pipe.name() + ": set TMPDIR");
  pipe.seek(0);
  std::vector<char> block(kSourceBlock);
  while (const std::size_t count = pipe.read(block.data(), block.size())) {
    write_all(file.get(), block.data(), count, "the temporary copy of " + pipe.name());
  }
  return file_source(std::move(file), pipe.name(), 0);
}

}  // namespace tessera::media
