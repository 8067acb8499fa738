#include "media/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

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

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
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
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) write_failed(path_, errno);
    committed_ = true;
    sync_folder(path_);
  }
  file_ = Descriptor();
}

}  // namespace tessera::media
