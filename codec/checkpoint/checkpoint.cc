#include "codec/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "codec/checkpoint/json.h"
#include "codec/checkpoint/quantized.h"
#include "codec/checkpoint/weights.h"
#include "codec/checkpoint/widen.h"
#include "kernels/narrow.h"

namespace tessera {
namespace {

using detail::quote;
using Type = StoredTensor::Type;

constexpr std::size_t kMostNamed = 10;
constexpr const char* kBlockScale = "_scale_inv";
constexpr const char* kMxScale = "_scale";

/// Stored data has no alignment: every element is copied out.
template <std::uint32_t (*widen)(std::uint16_t)>
void widen_all(const std::byte* from, std::vector<float>& to) {
  for (float& value : to) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, from, sizeof bits);
    const std::uint32_t wide = widen(bits);
    std::memcpy(&value, &wide, sizeof wide);
    from += sizeof bits;
  }
}

std::vector<float> widened(const StoredTensor& tensor, std::size_t count) {
  std::vector<float> out(count);
  if (tensor.type == Type::f16) {
    widen_all<detail::widen_f16>(tensor.data, out);
  } else if (tensor.type == Type::bf16) {
    widen_all<detail::widen_bf16>(tensor.data, out);
  } else if (count > 0) {
    std::memcpy(out.data(), tensor.data, tensor.bytes);
  }
  return out;
}

std::uint64_t seed_of(std::string_view name) {
  std::uint64_t seed = 1;
  for (const char c : name) seed = seed * 1099511628211U + static_cast<unsigned char>(c);
  return seed;
}

// A sum of four uniform numbers is normal enough; no zeros, of which networks have few, and rounded to what every type
// holds. Biases are zeros: one of a router would choose the same experts for all ids.
std::vector<float> noise(std::string_view name, const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  if (name.ends_with("bias")) return values;
  const float spread = shape.size() < 2 ? 1.0F : 1.0F / std::sqrt(static_cast<float>(shape.back()));
  const float step = spread / 512.0F;
  std::uint64_t state = seed_of(name);
  for (float& value : values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t bits = state >> 24;
    const std::uint64_t sum = (bits & 1023) + (bits >> 10 & 1023) + (bits >> 20 & 1023) + (bits >> 30);
    value = float_from_bf16(bf16_from_float(step * (static_cast<float>(sum) - 2045.5F)));
  }
  return values;
}

bool widens(Type type) { return type == Type::f32 || type == Type::f16 || type == Type::bf16; }

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& path) : name_(path.string()) {
  const detail::Weights weights = detail::find_weights(path);
  for (const auto& file : weights.files) {
    for (const auto& [name, tensor] : files_.emplace_back(file).tensors()) {
      if (!tensors_.emplace(name, &tensor).second) refuse("tensor " + quote(name) + " is in two shards");
    }
  }
  for (const auto& [name, position] : weights.promised) {
    if (files_[position].tensors().contains(name)) continue;
    refuse("tensor " + quote(name) + " is not in " + weights.files[position].filename().string() +
           ", where model.safetensors.index.json promises it");
  }
}

void Checkpoint::refuse(const std::string& what) const { throw CheckpointError(name_ + ": " + what); }

const StoredTensor& Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse("tensor " + quote(name) + " is missing");
  return *found->second;
}

Checkpoint Checkpoint::random(std::string name, DType type, std::set<std::string, std::less<>> has) {
  Checkpoint checkpoint;
  checkpoint.name_ = std::move(name);
  checkpoint.random_ = type;
  checkpoint.promised_ = std::move(has);
  return checkpoint;
}

bool Checkpoint::has(std::string_view name) const { return tensors_.contains(name) || promised_.contains(name); }

const StoredTensor& Checkpoint::use(std::string_view name, const Shape& shape) {
  const StoredTensor& tensor = find(name);
  if (tensor.shape != shape) {
    refuse("tensor " + quote(name) + " has shape " + to_string(tensor.shape) + ", must be " + to_string(shape));
  }
  used_.emplace(name);
  release_last();
  last_ = &tensor;
  return tensor;
}

// Loaders pack a tensor before they ask for the next: without this a checkpoint is in memory twice, mapped and packed.
void Checkpoint::release_last() const noexcept {
  if (last_ == nullptr) return;
  for (const SafetensorsFile& file : files_) file.release(*last_);
}

std::vector<float> Checkpoint::floats(std::string_view name, const Shape& shape, std::int64_t pieces) {
  const bool first = !used_.contains(name);
  if (random_) {
    if (first) parameters_ += element_count(shape);
    used_.emplace(name);
    return noise(name, shape);
  }
  const bool packed = is_mxfp4(name);
  if (packed && (shape.size() != 2 || shape[1] % detail::kMxBlock != 0)) {
    refuse("tensor " + quote(name) + " is MXFP4, and " + to_string(shape) + " is no matrix of whole blocks of 32");
  }
  const StoredTensor& tensor = use(name, packed ? Shape{shape[0], shape[1] / 2} : shape);
  const std::int64_t count = element_count(shape);
  if (first) parameters_ += count;
  if (packed) return from_mxfp4(name);
  if (tensor.type == Type::f8_e4m3) return from_e4m3(name, pieces);
  if (!widens(tensor.type)) {
    refuse("tensor " + quote(name) + " is stored as " + name_of(tensor.type) + ", must be F32, F16 or BF16");
  }
  return widened(tensor, static_cast<std::size_t>(count));
}

TensorRows Checkpoint::rows(std::string_view name, const Shape& shape) {
  TensorRows rows;
  const auto found = tensors_.find(name);
  if (found != tensors_.end() && widens(found->second->type)) {
    const bool first = !used_.contains(name);
    rows.stored = {use(name, shape).data, stored_type(name), shape.front()};
    if (first) parameters_ += element_count(shape);
    return rows;
  }
  if (is_e4m3(name) && shape.size() == 2) {
    const bool first = !used_.contains(name);
    const StoredTensor& tensor = use(name, shape);
    if (first) parameters_ += element_count(shape);
    rows.owned = scales_of(name, 1);
    rows.stored = detail::coded_rows(tensor, {scale_rows_, scale_columns_}, 1, rows.owned).front();
    return rows;
  }
  rows.owned = floats(name, shape);
  rows.stored = {reinterpret_cast<const std::byte*>(rows.owned.data()), DType::f32, shape.front()};
  return rows;
}

void Checkpoint::set_scale_blocks(std::int64_t rows, std::int64_t columns) {
  if (rows <= 0 || columns <= 0) throw ArgumentError("a scale block has rows and columns");
  scale_rows_ = rows;
  scale_columns_ = columns;
}

bool Checkpoint::is_mxfp4(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found != tensors_.end() && found->second->type == Type::u8 && has(std::string(name) + kMxScale);
}

bool Checkpoint::has_pieces(std::string_view name, const Shape& shape, std::int64_t pieces) const {
  const auto weight = tensors_.find(name);
  const auto scales = tensors_.find(std::string(name) + kBlockScale);
  if (weight == tensors_.end() || scales == tensors_.end() || scale_rows_ == 0) return true;
  return weight->second->type != Type::f8_e4m3 ||
         scales->second->shape == detail::scales_shape({scale_rows_, scale_columns_}, shape, pieces);
}

bool Checkpoint::is_e4m3(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found != tensors_.end() && found->second->type == Type::f8_e4m3;
}

std::vector<float> Checkpoint::from_e4m3(std::string_view name, std::int64_t pieces) {
  const std::vector<float> scales = scales_of(name, pieces);
  return detail::widen_blocks(find(name), {scale_rows_, scale_columns_}, pieces, scales);
}

// Of E4M3 by blocks.
std::vector<float> Checkpoint::scales_of(std::string_view name, std::int64_t pieces) {
  const StoredTensor& tensor = find(name);
  if (scale_rows_ == 0) {
    refuse("tensor " + quote(name) + " is stored as F8_E4M3, and config.json has no quantization_config");
  }
  if (tensor.shape.size() != 2) refuse("tensor " + quote(name) + " is F8_E4M3, and no matrix");
  if (tensor.shape[0] % pieces != 0) refuse("tensor " + quote(name) + " does not fall into equal pieces");
  const detail::BlockSize blocks{scale_rows_, scale_columns_};
  const std::string scale_name = std::string(name) + kBlockScale;
  const StoredTensor& scales = use(scale_name, detail::scales_shape(blocks, tensor.shape, pieces));
  if (!widens(scales.type)) refuse("tensor " + quote(scale_name) + " is stored as " + name_of(scales.type));
  return widened(scales, static_cast<std::size_t>(element_count(scales.shape)));
}

std::vector<float> Checkpoint::from_mxfp4(std::string_view name) {
  const StoredTensor& codes = find(name);
  const std::string scale_name = std::string(name) + kMxScale;
  const StoredTensor& scales = use(scale_name, {codes.shape[0], codes.shape[1] * 2 / detail::kMxBlock});
  if (scales.type != Type::u8 && scales.type != Type::f8_e8m0) {
    refuse("tensor " + quote(scale_name) + " is stored as " + name_of(scales.type) + ", must be U8 or F8_E8M0");
  }
  return detail::widen_mxfp4(codes, scales);
}

DType Checkpoint::stored_type(std::string_view name) const {
  if (random_) return *random_;
  const Type type = find(name).type;
  if (type == Type::f16) return DType::f16;
  // Two bits and an exponent.
  return type == Type::bf16 || is_mxfp4(name) ? DType::bf16 : DType::f32;
}

const Shape& Checkpoint::shape_of(std::string_view name) const { return find(name).shape; }

void Checkpoint::ignore_suffix(std::string_view suffix) { ignored_.emplace_back(suffix); }

void Checkpoint::ignore_prefix(std::string_view prefix) { ignored_prefixes_.emplace_back(prefix); }

void Checkpoint::ignore_outside(std::string_view prefix) { prefix_ = prefix; }

bool Checkpoint::expected(std::string_view name) const {
  return used_.contains(name) || !name.starts_with(prefix_) ||
         std::any_of(ignored_.begin(), ignored_.end(),
                     [name](const std::string& suffix) { return name.ends_with(suffix); }) ||
         std::any_of(ignored_prefixes_.begin(), ignored_prefixes_.end(),
                     [name](const std::string& prefix) { return name.starts_with(prefix); });
}

void Checkpoint::finish() const {
  std::vector<std::string_view> surplus;
  for (const auto& [name, tensor] : tensors_) {
    if (!expected(name)) surplus.push_back(name);
  }
  if (surplus.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min(surplus.size(), kMostNamed); ++i) list += (i ? ", " : "") + quote(surplus[i]);
  if (surplus.size() > kMostNamed) list += " and " + std::to_string(surplus.size() - kMostNamed) + " more";
  refuse("tensors that this loader does not know: " + list);
}

}  // namespace tessera
