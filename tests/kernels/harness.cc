#include "tests/kernels/harness.h"

#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "kernels/cuda/runtime.h"

namespace tessera::harness {
namespace {

constexpr std::uint32_t kGuard = 0xdeadbeef;
constexpr std::size_t kGuardWords = 16;
#if defined(TESSERA_EMULATION)
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif
bool bench = false;

using Words = std::vector<std::uint32_t>;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string first_difference(const std::vector<float>& expected, const std::vector<float>& got) {
  if (expected.size() != got.size()) {
    return "expected " + std::to_string(expected.size()) + " values, got " + std::to_string(got.size());
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool both_nan = expected[i] != expected[i] && got[i] != got[i];
    if (both_nan || std::bit_cast<std::uint32_t>(expected[i]) == std::bit_cast<std::uint32_t>(got[i])) continue;
    char text[128];
    std::snprintf(text, sizeof text, "element %zu of %zu: expected %a, got %a", i, got.size(), expected[i], got[i]);
    return text;
  }
  return {};
}

void time(const std::string& name, const Backend& backend, const Prepared& prepared) {
  double best = 1e9;
  const double until = seconds() + 0.2;
  for (int i = 0; i < 3 || seconds() < until; ++i) {
    const double start = seconds();
    prepared.run();
    best = std::min(best, seconds() - start);
  }
  std::printf("%-44s %-16s %10.2f us", name.c_str(), backend.name.c_str(), best * 1e6);
  if (prepared.flops > 0) std::printf(" %8.1f GFLOP/s", prepared.flops / best * 1e-9);
  std::printf("\n");
}

std::vector<Backend> find_backends() {
  std::vector<Backend> found;
  const char* only = std::getenv("TESSERA_ISA");
  for (const Isa isa : supported_isas()) {
    if (only != nullptr && isa != isa_from_name(only)) continue;
    for (const int threads : {1, 3}) {
      found.push_back({std::string(name_of(isa)) + " x" + std::to_string(threads), {Device{}, threads, isa}});
    }
  }
  // The emulation's times say nothing, and large shapes would take it minutes.
  const bool timing_emulation = bench && kEmulated;
  if (cuda::device_memory != nullptr && !timing_emulation)
    found.push_back({"cuda", {Device{Device::Kind::cuda, 0}, 1, {}}});
  return found;
}

}  // namespace

struct Probe::Array {
  Tensor memory;
  Words words;        // what memory should hold, guards included
  std::size_t first;  // first word of the payload
  std::vector<bool> writable;
  [[nodiscard]] std::byte* payload() const { return memory.bytes() + first * 4; }
};

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all = find_backends();
  return all;
}

bool benchmarking() { return bench; }

Probe::Probe(const Backend& backend) : context_(backend.options) {}
Probe::~Probe() = default;

Probe::Array& Probe::add(const void* values, std::size_t count) {
  auto array = std::make_unique<Array>();
  array->first = kGuardWords + arrays_.size() % 5;  // off alignment by 0…4 floats
  array->words.assign(array->first + count + kGuardWords, kGuard);
  if (values != nullptr && count != 0) std::memcpy(array->words.data() + array->first, values, count * 4);
  array->writable.assign(array->words.size(), false);
  array->memory = context_.allocate({static_cast<std::int64_t>(array->words.size())});
  context_.upload(array->words.data(), array->memory.bytes(), array->words.size() * 4);
  arrays_.push_back(std::move(array));
  return *arrays_.back();
}

const float* Probe::input(const std::vector<float>& values) {
  return reinterpret_cast<const float*>(add(values.data(), values.size()).payload());
}

ConstMatrix Probe::input(const std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  return {input(values), rows, columns};
}

const std::int32_t* Probe::input(const std::vector<std::int32_t>& values) {
  return reinterpret_cast<const std::int32_t*>(add(values.data(), values.size()).payload());
}

Matrix Probe::output(std::int64_t rows, std::int64_t columns, std::int64_t row_step) {
  if (row_step < 0) row_step = columns;
  const std::int64_t count = rows == 0 ? 0 : (rows - 1) * row_step + columns;
  Array& array = add(nullptr, static_cast<std::size_t>(count));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      array.writable[array.first + static_cast<std::size_t>(r * row_step + c)] = true;
    }
  }
  return {reinterpret_cast<float*>(array.payload()), rows, columns, row_step};
}

Matrix Probe::in_place(const std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  const Matrix m = output(rows, columns);
  context_.upload(values.data(), reinterpret_cast<std::byte*>(m.data), values.size() * 4);
  return m;
}

std::int32_t* Probe::int_output(std::int64_t count) { return reinterpret_cast<std::int32_t*>(output(count, 1).data); }

std::vector<float> Probe::read(ConstMatrix m) {
  std::vector<float> values;
  std::vector<float> row(static_cast<std::size_t>(m.columns));
  for (std::int64_t r = 0; r < m.rows; ++r) {
    context_.download(reinterpret_cast<const std::byte*>(m.row(r)), row.data(), row.size() * 4);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

std::vector<std::int32_t> Probe::read(const std::int32_t* at, std::int64_t count) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  context_.download(reinterpret_cast<const std::byte*>(at), values.data(), values.size() * 4);
  return values;
}

std::string Probe::damage() {
  for (std::size_t a = 0; a < arrays_.size(); ++a) {
    const Array& array = *arrays_[a];
    Words now(array.words.size());
    context_.download(array.memory.bytes(), now.data(), now.size() * 4);
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (array.writable[i] || now[i] == array.words[i]) continue;
      return "array " + std::to_string(a) + ": word " +
             std::to_string(static_cast<long>(i) - static_cast<long>(array.first)) + " was overwritten";
    }
  }
  return {};
}

void expect_bits(const std::string& name, const std::vector<float>& expected,
                 const std::function<Prepared(Probe&)>& prepare, const std::vector<Backend>& on) {
  for (const Backend& backend : on) {
    Probe probe(backend);
    const Prepared prepared = prepare(probe);
    prepared.run();
    EXPECT_EQ(first_difference(expected, probe.read(prepared.result)), "") << name << " on " << backend.name;
    EXPECT_EQ(probe.damage(), "") << name << " on " << backend.name;
    if (bench && !testing::Test::HasFailure()) time(name, backend, prepared);
  }
}

std::int64_t Random::integer(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
}

std::int64_t Random::extent(std::int64_t most, bool zero) {
  static constexpr std::int64_t kEdges[] = {0, 1, 2, 3, 15, 16, 17, 31, 33, 255, 256, 257};
  for (;;) {
    const std::int64_t n = coin() ? kEdges[integer(0, 11)] : integer(1, most);
    if (n <= most && (zero || n != 0)) return n;
  }
}

std::vector<float> Random::floats(std::int64_t count, float scale) {
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(engine_);
  return values;
}

}  // namespace tessera::harness

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--bench") tessera::harness::bench = true;
    if (flag.rfind("--isa=", 0) == 0) setenv("TESSERA_ISA", flag.c_str() + 6, 1);
  }
  return RUN_ALL_TESTS();
}
