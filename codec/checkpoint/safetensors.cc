#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "codec/checkpoint/checkpoint.h"
#include "codec/checkpoint/json.h"
#include "codec/checkpoint/mapped_file.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and used as it lies");

using detail::describe;
using detail::quote;
using nlohmann::json;
using Bytes = std::span<const std::byte>;
using Tensors = std::map<std::string, StoredTensor, std::less<>>;
using Type = StoredTensor::Type;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr int kHeaderDepth = 8;
constexpr std::size_t kMaxRank = 16;
constexpr std::uint64_t kMaxInteger = INT64_MAX;

struct TypeFacts {
  Type type;
  const char* name;
  std::int64_t bytes;
};

constexpr std::array<TypeFacts, 17> kTypes = {{{Type::f32, "F32", 4},
                                               {Type::f16, "F16", 2},
                                               {Type::bf16, "BF16", 2},
                                               {Type::f64, "F64", 8},
                                               {Type::i64, "I64", 8},
                                               {Type::i32, "I32", 4},
                                               {Type::i16, "I16", 2},
                                               {Type::i8, "I8", 1},
                                               {Type::u64, "U64", 8},
                                               {Type::u32, "U32", 4},
                                               {Type::u16, "U16", 2},
                                               {Type::u8, "U8", 1},
                                               {Type::boolean, "BOOL", 1},
                                               {Type::f8_e4m3, "F8_E4M3", 1},
                                               {Type::f8_e5m2, "F8_E5M2", 1},
                                               {Type::f8_e8m0, "F8_E8M0", 1},
                                               {Type::c64, "C64", 8}}};

/// One entry of the header. Every message names the file and the tensor.
class Entry {
 public:
  Entry(std::string where, const json& value) : where_(std::move(where)), value_(value) {
    if (!value_.is_object()) refuse("must be an object, is " + describe(value_));
  }

  [[nodiscard]] StoredTensor read(Bytes data) const {
    const TypeFacts& facts = type();
    Shape dims = shape();
    const std::uint64_t bytes = byte_count(facts, dims);
    const auto [begin, end] = offsets(data.size());
    if (end - begin != bytes) {
      refuse(facts.name + std::string(" ") + to_string(dims) + " takes " + std::to_string(bytes) +
             " bytes, data_offsets give " + std::to_string(end - begin));
    }
    return {facts.type, std::move(dims), data.data() + begin, bytes};
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw CheckpointError(where_ + ": " + what); }

  [[nodiscard]] const json& member(const char* key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) refuse("has no " + quote(key));
    return *found;
  }

  [[nodiscard]] const TypeFacts& type() const {
    const json& name = member("dtype");
    if (!name.is_string()) refuse("\"dtype\" must be a string, is " + describe(name));
    const auto& text = name.get_ref<const std::string&>();
    const auto* const found =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeFacts& t) { return text == t.name; });
    if (found == kTypes.end()) refuse("unknown dtype " + quote(text));
    return *found;
  }

  /// Integers from 0 that fit std::int64_t.
  [[nodiscard]] std::vector<std::int64_t> integers(const char* key, std::size_t most) const {
    const json& list = member(key);
    if (!list.is_array() || list.size() > most) {
      refuse(quote(key) + " must be an array of at most " + std::to_string(most) + ", is " + describe(list));
    }
    std::vector<std::int64_t> out;
    for (const json& item : list) out.push_back(integer(key, item));
    return out;
  }

  [[nodiscard]] std::int64_t integer(const char* key, const json& item) const {
    if (item.is_number_unsigned() && item.get<std::uint64_t>() <= kMaxInteger) return item.get<std::int64_t>();
    refuse(quote(key) + " must hold integers from 0 to 2^63 - 1, holds " + describe(item));
  }

  [[nodiscard]] Shape shape() const { return integers("shape", kMaxRank); }

  [[nodiscard]] std::uint64_t byte_count(const TypeFacts& facts, const Shape& dims) const {
    std::int64_t bytes = facts.bytes;
    for (const std::int64_t dim : dims) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) refuse("shape " + to_string(dims) + " overflows");
    }
    return static_cast<std::uint64_t>(bytes);
  }

  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> offsets(std::uint64_t size) const {
    const std::vector<std::int64_t> pair = integers("data_offsets", 2);
    if (pair.size() != 2)
      refuse("\"data_offsets\" must be an array of 2, is an array of " + std::to_string(pair.size()));
    const std::string text = "data_offsets " + to_string(pair);
    const auto begin = static_cast<std::uint64_t>(pair[0]);
    const auto end = static_cast<std::uint64_t>(pair[1]);
    if (begin > end) refuse(text + " run backwards");
    if (end > size) refuse(text + " end beyond the " + std::to_string(size) + " bytes of data: the file is cut short");
    return {begin, end};
  }

  std::string where_;
  const json& value_;
};

/// Splits a file into header and data, and reads the header.
class Reader {
 public:
  Reader(const std::string& name, Bytes file) : name_(name), file_(file) {}

  void read(Tensors& tensors, std::map<std::string, std::string>& metadata) {
    const json header = this->header();
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__") {
        read_metadata(value, metadata);
      } else {
        tensors.emplace(key, Entry(name_ + ": tensor " + quote(key), value).read(data_));
      }
    }
    check_layout(tensors);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw CheckpointError(name_ + ": " + what); }

  [[nodiscard]] std::string_view text(std::size_t begin, std::size_t size) const {
    return std::string_view(reinterpret_cast<const char*>(file_.data()), file_.size()).substr(begin, size);
  }

  /// Sets data_.
  [[nodiscard]] json header() {
    const std::uint64_t size = header_bytes();
    const std::string_view header = text(kLengthBytes, size);
    if (!header.starts_with('{')) refuse("not a safetensors file: the header does not begin with '{'");
    data_ = file_.subspan(kLengthBytes + size);
    return detail::parse_json(header, name_ + ": header", kHeaderDepth);
  }

  [[nodiscard]] std::uint64_t header_bytes() const {
    if (text(0, 23) == "version https://git-lfs") refuse("a Git LFS pointer, not the weights: run git lfs pull");
    if (file_.size() < kLengthBytes) refuse("not a safetensors file: shorter than 8 bytes");
    std::uint64_t size = 0;
    std::memcpy(&size, file_.data(), kLengthBytes);
    const std::string claim = "not a safetensors file: its header would take " + std::to_string(size) + " bytes, ";
    if (size > kMaxHeaderBytes) refuse(claim + "more than the " + std::to_string(kMaxHeaderBytes) + " allowed");
    if (size > file_.size() - kLengthBytes) refuse(claim + "more than the file has");
    return size;
  }

  void read_metadata(const json& value, std::map<std::string, std::string>& metadata) const {
    if (!value.is_object()) refuse("\"__metadata__\" must be an object, is " + describe(value));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) refuse("\"__metadata__\": " + quote(key) + " must be a string, is " + describe(text));
      metadata.emplace(key, text.get<std::string>());
    }
  }

  /// The tensors must tile the data: no byte in two of them, no byte in none.
  void check_layout(const Tensors& tensors) const {
    std::vector<Tensors::const_pointer> order;
    for (const auto& entry : tensors) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
      return std::pair(a->second.data, a->second.bytes) < std::pair(b->second.data, b->second.bytes);
    });
    const std::byte* covered = data_.data();
    for (const auto* entry : order) {
      check_join(covered, *entry);
      covered = entry->second.data + entry->second.bytes;
    }
    const auto rest = data_.data() + data_.size() - covered;
    if (rest > 0) refuse("the last " + std::to_string(rest) + " bytes belong to no tensor");
  }

  void check_join(const std::byte* covered, Tensors::const_reference entry) const {
    const std::ptrdiff_t gap = entry.second.data - covered;
    if (gap < 0) refuse("tensor " + quote(entry.first) + " overlaps the one before it");
    if (gap > 0) refuse(std::to_string(gap) + " bytes before tensor " + quote(entry.first) + " belong to no tensor");
  }

  const std::string& name_;
  Bytes file_;
  Bytes data_;
};

}  // namespace

const char* name_of(StoredTensor::Type type) noexcept {
  for (const TypeFacts& facts : kTypes) {
    if (facts.type == type) return facts.name;
  }
  return "unknown";
}

struct SafetensorsFile::Impl {
  detail::MappedFile file;
  Tensors tensors;
  std::map<std::string, std::string> metadata;

  Impl() = default;
  explicit Impl(const std::filesystem::path& path) : file(path) {}
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {
  Reader(path.string(), impl_->file.bytes()).read(impl_->tensors, impl_->metadata);
}

SafetensorsFile::SafetensorsFile(const std::byte* data, std::size_t size, const std::string& name)
    : impl_(std::make_unique<Impl>()) {
  Reader(name, {data, size}).read(impl_->tensors, impl_->metadata);
}

SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

void SafetensorsFile::release(const StoredTensor& tensor) const noexcept {
  impl_->file.release({tensor.data, tensor.bytes});
}

const Tensors& SafetensorsFile::tensors() const noexcept { return impl_->tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const noexcept { return impl_->metadata; }

}  // namespace tessera
