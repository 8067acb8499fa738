// Any bytes are either refused with a CheckpointError or describe tensors that tile the data.

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codec/checkpoint/checkpoint.h"

namespace {

using tessera::StoredTensor;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Reads every byte, so that a sanitizer sees a range that is not there.
std::size_t touched(const StoredTensor& tensor) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < tensor.bytes; ++i) sum += static_cast<unsigned>(tensor.data[i]);
  return sum <= 255 * tensor.bytes ? tensor.bytes : 0;
}

void check(const tessera::SafetensorsFile& file, std::size_t size) {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    require(tessera::element_count(tensor.shape) <= static_cast<std::int64_t>(tensor.bytes));
    require(std::strcmp(tessera::name_of(tensor.type), "unknown") != 0);
    bytes += touched(tensor);
  }
  require(bytes <= size);
}

void parse(const char* data, std::size_t size) try {
  check({reinterpret_cast<const std::byte*>(data), size, "x"}, size);
} catch (const tessera::CheckpointError& error) {
  // A message goes into a line of JSON: dump() throws when it is not UTF-8.
  require(nlohmann::json(error.what()).dump().starts_with("\"x: "));
}

/// The same bytes as header and data, split at the first NUL, with a length that fits.
std::string framed(const char* data, std::size_t size) {
  const std::string_view all(data, size);
  const std::string_view header = all.substr(0, all.find('\0'));
  const std::uint64_t length = header.size();
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  out += header;
  return header.size() < size ? out.append(all.substr(header.size() + 1)) : out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* const text = reinterpret_cast<const char*>(data);
  parse(text, size);
  const std::string with_length = framed(text, size);
  parse(with_length.data(), with_length.size());
  return 0;
}
