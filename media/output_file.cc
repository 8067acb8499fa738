#include "media/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "kernels/error.h"

namespace tessera::media {
namespace {

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::string temporary_beside(const std::string& path) {
  const std::string folder = folder_of(path);
  return folder + "." + path.substr(folder.size()) + ".tmp-" + std::to_string(::getpid());
}

/// A device, a named pipe, a socket: nothing that a rename could replace.
bool is_special(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// So that the new name survives a power cut; some file systems cannot, which is no error.
void sync_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  const Descriptor handle(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() >= 0) ::fsync(handle.get());
}

/// For file systems that only know how to replace: a second name, which must be new, and the first one removed.
bool link_new(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) return false;
  ::unlink(from.c_str());
  return true;
}

/// For those without links too: an empty file of our own, which must be new, is what gets replaced.
bool replace_placeholder(const std::string& from, const std::string& to) {
  const Descriptor placeholder(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (placeholder.get() < 0) return false;
  if (::rename(from.c_str(), to.c_str()) == 0) return true;
  const int error = errno;
  ::unlink(to.c_str());
  errno = error;
  return false;
}

/// False with errno EEXIST when `to` exists, whatever it is.
bool rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  const bool unknown = errno == EINVAL || errno == ENOSYS || errno == ENOTSUP;
  if (!unknown) return false;
  return link_new(from, to) || (errno != EEXIST && replace_placeholder(from, to));
}

bool rename_over(const std::string& from, const std::string& to) { return ::rename(from.c_str(), to.c_str()) == 0; }

}  // namespace

OutputFile::OutputFile(std::string path, bool overwrite) : path_(std::move(path)), overwrite_(overwrite) {
  if (path_ == "-") {
    path_ = "standard output";
    file_ = Descriptor(::dup(STDOUT_FILENO));
  } else if (is_special(path_)) {
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  } else {
    if (is_folder(path_)) write_failed(path_, EISDIR);
    temporary_ = temporary_beside(path_);
    file_ = Descriptor(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  }
  if (file_.get() < 0) write_failed(path_, errno);
}

OutputFile::~OutputFile() {
  if (is_regular() && !committed_) ::unlink(temporary_.c_str());
}

void OutputFile::write(const void* data, std::size_t bytes) { write_all(file_.get(), data, bytes, path_); }

void OutputFile::write_at(std::int64_t position, const void* data, std::size_t bytes) {
  const ssize_t written = ::pwrite(file_.get(), data, bytes, static_cast<off_t>(position));
  if (written != static_cast<ssize_t>(bytes)) write_failed(path_, written < 0 ? errno : ENOSPC);
}

void OutputFile::commit() {
  if (is_regular()) {
    if (::fsync(file_.get()) != 0) write_failed(path_, errno);
    const bool renamed = overwrite_ ? rename_over(temporary_, path_) : rename_new(temporary_, path_);
    if (!renamed && errno == EEXIST && !overwrite_) {
      throw ResourceError("output_exists", path_ + ": exists already and is left as it is");
    }
    if (!renamed) write_failed(path_, errno);
    committed_ = true;
    sync_folder(path_);
  }
  file_ = Descriptor();
}

}  // namespace tessera::media
