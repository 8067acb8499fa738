#include "kernels/memory_limit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "kernels/arena.h"
#include "kernels/context.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

/// A tree of the files that tell, removed behind the test.
class MemoryLimit : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tessera-limit-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    write("proc/meminfo", "MemTotal:       900 kB\nMemAvailable:     500 kB\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  [[nodiscard]] std::int64_t available() const { return available_bytes_under(root_.string()); }

  fs::path root_;
};

TEST_F(MemoryLimit, WhatTheSystemHasLeft) {
  EXPECT_EQ(available(), 500 * 1024);
  fs::remove(root_ / "proc/meminfo");
  EXPECT_EQ(available(), std::numeric_limits<std::int64_t>::max());
}

TEST_F(MemoryLimit, GroupsOfVersion2AndAllAroundThem) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/memory.max", "max\n");
  write("sys/fs/cgroup/a/memory.current", "400000\n");
  EXPECT_EQ(available(), 500 * 1024);
  write("sys/fs/cgroup/a/b/memory.max", "100000\n");
  write("sys/fs/cgroup/a/b/memory.current", "70000\n");
  EXPECT_EQ(available(), 30000);
  write("sys/fs/cgroup/a/b/memory.stat", "anon 50000\ninactive_file 15000\n");
  EXPECT_EQ(available(), 45000);
  write("sys/fs/cgroup/a/memory.max", "410000\n");
  EXPECT_EQ(available(), 10000);
  write("sys/fs/cgroup/a/memory.current", "420000\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(MemoryLimit, AContainerSeesItsOwnGroupAsTheTop) {
  write("proc/self/cgroup", "0::/elsewhere/of/the/host\n");
  write("sys/fs/cgroup/memory.max", "3000\n");
  write("sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(available(), 2000);
}

TEST_F(MemoryLimit, GroupsOfVersion1) {
  write("proc/self/cgroup", "9:name=systemd:/\n4:cpuset,memory:/job\n2:cpu:/job\n0::/\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "90000\n");
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "80000\n");
  write("sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 20000\n");
  EXPECT_EQ(available(), 30000);
}

TEST(AvailableBytes, SaysSomethingOfThisMachine) {
  EXPECT_GT(available_bytes({}), std::int64_t{1} << 20);
  EXPECT_LT(available_bytes({}), std::int64_t{1} << 50);
}

TEST(CountedMemory, RemembersTheMost) {
  CountedMemory memory(memory_of(Device{}));
  std::byte* a = memory.allocate(1000);
  std::byte* b = memory.allocate(500);
  memory.release(a, 1000);
  a = memory.allocate(600);
  EXPECT_EQ(memory.peak(), 1500U);
  memory.release(a, 600);
  memory.release(b, 500);
}

TEST(Measuring, TakesButTouchesNothing) {
  ContextOptions options;
  options.measure = true;
  options.threads = 3;
  Context context(options);
  EXPECT_TRUE(context.measures());
  EXPECT_EQ(context.threads(), 3);
  {
    const Tensor huge = context.scratch({1 << 20, 1 << 20});
    const Tensor cache = context.allocate({1 << 20});
    context.zero(huge.bytes(), std::size_t{1} << 42);
    context.parallel_for(10, 1, [](auto, auto) { ADD_FAILURE(); });
  }
  EXPECT_EQ(context.peak_bytes(), (std::size_t{1} << 42) + (std::size_t{1} << 22));
  const Tensor again = context.scratch({1 << 20, 1 << 20});
  EXPECT_EQ(context.peak_bytes(), (std::size_t{1} << 42) + (std::size_t{1} << 22));
}

}  // namespace
}  // namespace tessera
