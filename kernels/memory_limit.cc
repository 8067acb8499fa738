#include "kernels/memory_limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "kernels/cuda/runtime.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// The number that a file begins with; none for "max" and for what is not there.
std::optional<std::int64_t> number_in(const fs::path& file) {
  std::int64_t value = 0;
  std::ifstream in(file);
  return in >> value ? std::optional(value) : std::nullopt;
}

/// The number behind a word, of lines "WORD NUMBER …".
std::optional<std::int64_t> number_behind(const fs::path& file, const std::string& word) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string first;
    std::int64_t value = 0;
    if (fields >> first >> value && first == word) return value;
  }
  return std::nullopt;
}

struct GroupFiles {
  const char* limit;
  const char* used;
  const char* reclaimable;  // of memory.stat: pages of files that the system drops when it needs room
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};

std::int64_t group_room(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto used = number_in(group / files.used);
  if (!limit || !used) return kNoLimit;
  const std::int64_t held = *used - number_behind(group / "memory.stat", files.reclaimable).value_or(0);
  return std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, held));
}

/// Of a group and of all around it. A container may see its own group as the top: names that are not there are passed.
std::int64_t groups_room(const fs::path& top, const fs::path& name, const GroupFiles& files) {
  std::int64_t room = group_room(top, files);
  fs::path group = top;
  for (const fs::path& part : name.relative_path()) room = std::min(room, group_room(group /= part, files));
  return room;
}

/// Lines "ID:CONTROLLERS:NAME"; version 2 has ID 0 and no controllers.
std::int64_t all_groups_room(const fs::path& root) {
  const fs::path top = root / "sys/fs/cgroup";
  std::int64_t room = kNoLimit;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string name = line.substr(second + 1);
    if (controllers.empty()) room = std::min(room, groups_room(top, name, kVersion2));
    if (("," + controllers + ",").find(",memory,") != line.npos) {
      room = std::min(room, groups_room(top / "memory", name, kVersion1));
    }
  }
  return room;
}

std::int64_t address_space_left() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  const std::int64_t used = number_in("/proc/self/statm").value_or(0) * sysconf(_SC_PAGESIZE);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(limit.rlim_cur) - used);
}

}  // namespace

std::int64_t available_bytes_under(const std::string& root) {
  const auto kilobytes = number_behind(fs::path(root) / "proc/meminfo", "MemAvailable:");
  return std::min(kilobytes ? *kilobytes * 1024 : kNoLimit, all_groups_room(root));
}

std::int64_t available_bytes(Device device) {
  if (device.is_cuda() && cuda::free_bytes != nullptr) {
    return static_cast<std::int64_t>(cuda::free_bytes(device.index));
  }
  return std::min(available_bytes_under("/"), address_space_left());
}

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 999.5 && unit < 4; ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s", unit > 0 && value < 100 ? 1 : 0, value, units[unit]);
  return text;
}

}  // namespace tessera
