#include "cli/codes_array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/codes_file.h"
#include "codec/checkpoint/checkpoint.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kNpyPreamble = 10;  // magic, version, header length
constexpr std::int64_t kMaxLevels = 1024;

bool is_rectangular(const Codes& codes) {
  return std::all_of(codes.rows.begin(), codes.rows.end(),
                     [&](const auto& row) { return row.size() == codes.rows.front().size(); });
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

template <class Element>
void append(std::string& out, const std::vector<Element>& elements) {
  out.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(Element));
}

void append_rows(std::string& out, const Codes& codes) {
  for (const auto& row : codes.rows) append(out, row);
}

/// Of four bytes an element, as all tensors here have.
ordered_json tensor_json(const char* dtype, ordered_json shape, std::size_t& offset, std::size_t elements) {
  const std::size_t begin = offset;
  offset += elements * 4;
  return {{"dtype", dtype}, {"shape", std::move(shape)}, {"data_offsets", {begin, offset}}};
}

/// Every field but the codes, as strings: all that the format's metadata can hold.
ordered_json metadata_of(const CodesRecord& record) {
  CodesRecord bare = record;
  bare.codes = {};
  bare.codes.samples = record.codes.samples;
  bare.codes.grid = record.codes.grid;
  bare.has_codes = false;
  ordered_json metadata = {{"format", "tessera.codes"}};
  const ordered_json fields = to_json(bare, nullptr);
  for (const auto& [key, value] : fields.items()) {
    metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return metadata;
}

void put_rows(const Codes& codes, ordered_json& header, std::size_t& offset) {
  const auto& rows = codes.rows;
  if (is_rectangular(codes)) {
    header["codes"] = tensor_json("I32", {rows.size(), rows.front().size()}, offset, rows.size() * rows.front().size());
    return;
  }
  for (std::size_t level = 0; level < rows.size(); ++level) {
    header["codes." + std::to_string(level)] = tensor_json("I32", {rows[level].size()}, offset, rows[level].size());
  }
}

/// Names the tensors in the order of append_tensors().
ordered_json header_of(const CodesRecord& record) {
  ordered_json header = {{"__metadata__", metadata_of(record)}};
  const Codes& codes = record.codes;
  std::size_t offset = 0;
  put_rows(codes, header, offset);
  if (!codes.chunks.empty()) header["chunks"] = tensor_json("I32", {codes.chunks.size()}, offset, codes.chunks.size());
  if (!codes.scales.empty()) header["scales"] = tensor_json("F32", {codes.scales.size()}, offset, codes.scales.size());
  return header;
}

void append_tensors(std::string& out, const Codes& codes) {
  append_rows(out, codes);
  append(out, std::vector<std::int32_t>(codes.chunks.begin(), codes.chunks.end()));
  append(out, codes.scales);
}

/// The value behind 'KEY': in the header, a Python dictionary as text.
std::string npy_field(const std::string& header, const std::string& key, const std::string& path) {
  std::size_t at = header.find("'" + key + "'");
  if (at != std::string::npos) at = header.find(':', at);
  if (at == std::string::npos) bad_codes(path, "the NumPy header lacks '" + key + "'");
  at = header.find_first_not_of(' ', at + 1);
  const std::size_t end = header.find(at != std::string::npos && header[at] == '(' ? ')' : ',', at);
  if (end == std::string::npos) bad_codes(path, "the NumPy header is cut short");
  return header.substr(at, end - at);
}

/// "(8, 25" → 8, 25.
std::pair<std::int64_t, std::int64_t> npy_shape(const std::string& text, const std::string& path) {
  std::int64_t levels = -1;
  std::int64_t frames = -1;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + std::min<std::size_t>(1, text.size()), end, levels);
  const char* next = std::find_if(first.ptr, end, [](char c) { return c != ',' && c != ' '; });
  const auto second = std::from_chars(next, end, frames);
  const bool whole = second.ec == std::errc() && second.ptr == end;
  if (!whole || levels < 1 || levels > kMaxLevels || frames < 0) bad_codes(path, "the array is not [levels, frames]");
  return {levels, frames};
}

template <class Integer>
std::vector<std::int32_t> widen(const char* data, std::int64_t count, const std::string& path) {
  std::vector<std::int32_t> row(static_cast<std::size_t>(count));
  for (std::int32_t& id : row) {
    Integer value;
    std::memcpy(&value, data, sizeof value);
    data += sizeof value;
    const auto wide = static_cast<std::int64_t>(value);
    if (wide < 0 || wide > std::numeric_limits<std::int32_t>::max()) {
      bad_codes(path, std::to_string(wide) + " is no code");
    }
    id = static_cast<std::int32_t>(wide);
  }
  return row;
}

struct NpyType {
  const char* name;
  std::int64_t size;
  std::vector<std::int32_t> (*widen)(const char*, std::int64_t, const std::string&);
};

NpyType npy_type(const std::string& name, const std::string& path) {
  constexpr NpyType types[] = {{"'<i4'", 4, widen<std::int32_t>},
                               {"'<i8'", 8, widen<std::int64_t>},
                               {"'<i2'", 2, widen<std::int16_t>},
                               {"'<u2'", 2, widen<std::uint16_t>}};
  for (const NpyType& type : types) {
    if (name == type.name) return type;
  }
  bad_codes(path, "elements of type " + name + " are no codes: save them as int32");
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) throw InputError("unreadable", path + ": cannot be read");
  return bytes;
}

Codes npy_codes(const std::string& bytes, const std::string& path) {
  if (bytes.size() < kNpyPreamble || bytes[6] != 1) bad_codes(path, "not NumPy format 1.0");
  const std::size_t length = static_cast<unsigned char>(bytes[8]) | static_cast<unsigned char>(bytes[9]) << 8;
  const std::size_t start = kNpyPreamble + length;
  if (bytes.size() < start) bad_codes(path, "the NumPy header is cut short");
  const std::string header = bytes.substr(kNpyPreamble, length);
  if (npy_field(header, "fortran_order", path) != "False") bad_codes(path, "the array is in Fortran order");
  const NpyType type = npy_type(npy_field(header, "descr", path), path);
  const auto [levels, frames] = npy_shape(npy_field(header, "shape", path), path);
  const auto held = static_cast<std::int64_t>(bytes.size() - start) / type.size;
  if (held / levels < frames) bad_codes(path, "the file is shorter than its header says");
  Codes codes;
  for (std::int64_t level = 0; level < levels; ++level) {
    codes.rows.push_back(
        type.widen(bytes.data() + start + static_cast<std::size_t>(level * frames * type.size), frames, path));
  }
  return codes;
}

/// The metadata as the JSON object it was made of, so that one parser checks both.
std::string record_text(const std::map<std::string, std::string>& metadata) {
  constexpr std::array numbers = {"sample_rate", "channels",    "samples", "frame_rate", "frames",
                                  "levels",      "level_rates", "width",   "height",     "grid"};
  ordered_json object = ordered_json::object();
  for (const auto& [key, value] : metadata) {
    const bool is_number = std::find(numbers.begin(), numbers.end(), key) != numbers.end();
    object[key] = is_number ? ordered_json::parse(value, nullptr, false) : ordered_json(value);
  }
  return line_of(object);
}

void append_tensor(const StoredTensor& tensor, Codes& codes, const std::string& path) {
  const Shape& shape = tensor.shape;
  const bool fits = tensor.type == StoredTensor::Type::i32 && (shape.size() == 1 || shape.size() == 2);
  const std::int64_t rows = fits && shape.size() == 2 ? shape[0] : 1;
  if (!fits || rows > kMaxLevels) bad_codes(path, "a tensor of codes is not I32 [levels, frames]");
  const std::int64_t frames = shape.back();
  const auto* data = reinterpret_cast<const char*>(tensor.data);
  for (std::int64_t row = 0; row < rows; ++row) {
    codes.rows.push_back(widen<std::int32_t>(data + row * frames * 4, frames, path));
  }
}

void read_chunks(const StoredTensor& tensor, Codes& codes, const std::string& path) {
  if (tensor.type != StoredTensor::Type::i32 || tensor.shape.size() != 1) bad_codes(path, "\"chunks\" is not I32 [n]");
  const auto* data = reinterpret_cast<const char*>(tensor.data);
  const auto frames = widen<std::int32_t>(data, tensor.shape[0], path);
  codes.chunks.assign(frames.begin(), frames.end());
}

void read_scales(const StoredTensor& tensor, Codes& codes, const std::string& path) {
  if (tensor.type != StoredTensor::Type::f32 || tensor.shape.size() != 1) bad_codes(path, "\"scales\" is not F32 [n]");
  codes.scales.resize(static_cast<std::size_t>(tensor.shape[0]));
  if (!codes.scales.empty()) std::memcpy(codes.scales.data(), tensor.data, tensor.bytes);
}

Codes safetensors_codes(const SafetensorsFile& file, const std::string& path) {
  Codes codes;
  const auto& tensors = file.tensors();
  const auto whole = tensors.find("codes");
  if (whole != tensors.end()) append_tensor(whole->second, codes, path);
  for (std::size_t level = codes.rows.size(); whole == tensors.end(); ++level) {
    const auto found = tensors.find("codes." + std::to_string(level));
    if (found == tensors.end()) break;
    append_tensor(found->second, codes, path);
  }
  if (codes.rows.empty()) bad_codes(path, "holds no codes: no tensor of that name");
  if (const auto chunks = tensors.find("chunks"); chunks != tensors.end()) read_chunks(chunks->second, codes, path);
  if (const auto scales = tensors.find("scales"); scales != tensors.end()) read_scales(scales->second, codes, path);
  return codes;
}

SafetensorsFile open_safetensors(const std::string& path) {
  try {
    return SafetensorsFile(path);
  } catch (const CheckpointError& error) {
    throw InputError("bad_codes", error.what());
  }
}

}  // namespace

std::string npy_bytes(const CodesRecord& record) {
  const auto& rows = record.codes.rows;
  if (!is_rectangular(record.codes)) {
    throw InputError("ragged_codes", record.input + ": rows of unequal length do not fit in .npy: use safetensors");
  }
  if (record.codes.grid.positions() != 0) {
    throw InputError("gridded_codes", record.input + ": a picture's grid does not fit in .npy: use safetensors");
  }
  if (!record.codes.chunks.empty()) {
    throw InputError("segmented_codes", record.input + ": chunks and scales do not fit in .npy: use safetensors");
  }
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (" + std::to_string(rows.size()) + ", " +
                       std::to_string(rows.front().size()) + "), }";
  header.append(63 - (kNpyPreamble + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = std::string("\x93NUMPY\x01\x00", 8) + little_endian(header.size(), 2) + header;
  append_rows(bytes, record.codes);
  return bytes;
}

std::string safetensors_bytes(const CodesRecord& record) {
  std::string header = header_of(record).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string bytes = little_endian(header.size(), 8) + header;
  append_tensors(bytes, record.codes);
  return bytes;
}

CodesRecord read_npy(const std::string& path) {
  CodesRecord record;
  record.input = path;
  record.codes = npy_codes(read_all(path), path);
  record.has_codes = true;
  return record;
}

CodesRecord read_safetensors(const std::string& path) {
  const SafetensorsFile file = open_safetensors(path);
  CodesRecord record = parse_record(record_text(file.metadata()), path);
  if (record.input.empty()) record.input = path;
  const std::int64_t samples = record.codes.samples;
  const Codes::Grid grid = record.codes.grid;
  record.codes = safetensors_codes(file, path);
  record.codes.samples = samples;
  record.codes.grid = grid;
  record.has_codes = true;
  check_shape(record, path);
  return record;
}

}  // namespace tessera::cli
