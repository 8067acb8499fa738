#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "kernels/tensor.h"
#include "kernels/weight_source.h"

namespace tessera {

/// One tensor of a safetensors file, as stored. The bytes live in the mapped file.
struct StoredTensor {
  enum class Type : std::uint8_t {
    f32,
    f16,
    bf16,
    f64,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean,
    f8_e4m3,
    f8_e5m2,
    f8_e8m0,
    c64
  };
  Type type;
  Shape shape;
  const std::byte* data;
  std::size_t bytes;
};

/// "BF16", as the file spells it.
[[nodiscard]] const char* name_of(StoredTensor::Type type) noexcept;

/// A safetensors file mapped read-only; it must not be shortened while it is open. The header is untrusted: its size,
/// JSON depth, names, dtypes, shapes, offsets, overlaps and holes are all checked before any is used. Format: 8-byte
/// little-endian header length, JSON, then the data (huggingface/safetensors).
class SafetensorsFile {
 public:
  /// Throws CheckpointError that names the file and what is wrong.
  explicit SafetensorsFile(const std::filesystem::path& path);
  /// Parses bytes that the caller keeps alive; for fuzzing and tests.
  SafetensorsFile(const std::byte* data, std::size_t size, const std::string& name);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  [[nodiscard]] const std::map<std::string, StoredTensor, std::less<>>& tensors() const noexcept;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept;
  /// Gives back the memory of a tensor of this file, of others nothing; it is read again when it is touched.
  void release(const StoredTensor& tensor) const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The rows of a tensor, the first axis: in the file, those of FP8 with their scales in `owned`, or widened there.
struct TensorRows {
  std::vector<float> owned;
  StoredRows stored;
};

/// The tensors of a checkpoint folder: model.safetensors, or the shards its model.safetensors.index.json names, or
/// the one .safetensors file of another name.
/// Remembers what was asked for, so that finish() can name what the loader did not expect.
class Checkpoint {
 public:
  /// `path`: a folder, or one .safetensors file. Throws CheckpointError; pickled weights (.bin, .pth, .pt, .th,
  /// .ckpt) are refused with the command that makes safetensors of them.
  explicit Checkpoint(const std::filesystem::path& path);
  /// A checkpoint of no file: every tensor that is asked for is there, normal noise of mean 0 and a spread of
  /// 1 / sqrt(columns), or 1 where it is a vector, values of `type`. `has`: the names that has() knows. For timing.
  [[nodiscard]] static Checkpoint random(std::string name, DType type, std::set<std::string, std::less<>> has);

  [[nodiscard]] bool has(std::string_view name) const;
  /// Whether it lies in a file: its shape is known before it is asked for.
  [[nodiscard]] bool stores(std::string_view name) const { return tensors_.contains(name); }
  /// Widened exactly to float32 (from f32, f16, bf16; f64 is refused), in the stored row-major order. E4M3 is widened
  /// times `name`_scale_inv (see set_scale_blocks), rounded once; MXFP4, two codes a byte, times the exponents in
  /// `name`_scale, a block of 32 each. `pieces`: equal pieces of the rows with scale blocks of their own.
  /// Throws CheckpointError when missing, or when the shape differs: both shapes are named.
  [[nodiscard]] std::vector<float> floats(std::string_view name, const Shape& shape, std::int64_t pieces = 1);
  /// The same for what packs rows: those of f32, f16, bf16 and E4M3 stay where they lie in the mapped file.
  [[nodiscard]] TensorRows rows(std::string_view name, const Shape& shape);
  /// What tensors stored as E4M3 share their scales by; without it they are refused. Throws ArgumentError when not
  /// positive.
  void set_scale_blocks(std::int64_t rows, std::int64_t columns);
  /// False when E4M3 of this shape has scales for another number of pieces.
  [[nodiscard]] bool has_pieces(std::string_view name, const Shape& shape, std::int64_t pieces) const;
  [[nodiscard]] bool is_e4m3(std::string_view name) const;
  /// A dtype that holds its values: bf16 for MXFP4, f32 for anything else that is not f16 or bf16.
  [[nodiscard]] DType stored_type(std::string_view name) const;
  /// The stored shape. Throws CheckpointError when missing.
  [[nodiscard]] const Shape& shape_of(std::string_view name) const;
  /// Marks tensors as expected though unused: names ending in `suffix` (training state, cached windows).
  void ignore_suffix(std::string_view suffix);
  /// The same for names that begin with `prefix`: layers that the loader has no use for.
  void ignore_prefix(std::string_view prefix);
  /// The same for names that do not begin with `prefix`: a codec inside a language model's checkpoint.
  void ignore_outside(std::string_view prefix);
  /// Throws CheckpointError that lists (at most ten of) the tensors nobody asked for.
  void finish() const;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Elements of every tensor asked for.
  [[nodiscard]] std::int64_t parameters() const noexcept { return parameters_; }

 private:
  Checkpoint() = default;
  [[noreturn]] void refuse(const std::string& what) const;
  [[nodiscard]] const StoredTensor& find(std::string_view name) const;
  [[nodiscard]] bool expected(std::string_view name) const;
  [[nodiscard]] bool is_mxfp4(std::string_view name) const;
  [[nodiscard]] std::vector<float> scales_of(std::string_view name, std::int64_t pieces);
  [[nodiscard]] std::vector<float> from_e4m3(std::string_view name, std::int64_t pieces);
  [[nodiscard]] std::vector<float> from_mxfp4(std::string_view name);
  const StoredTensor& use(std::string_view name, const Shape& shape);
  void release_last() const noexcept;

  std::string name_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const StoredTensor*, std::less<>> tensors_;
  std::set<std::string, std::less<>> used_;
  const StoredTensor* last_ = nullptr;  // that was asked for
  std::vector<std::string> ignored_;
  std::vector<std::string> ignored_prefixes_;
  std::string prefix_;
  std::int64_t parameters_ = 0;
  std::int64_t scale_rows_ = 0;
  std::int64_t scale_columns_ = 0;
  std::optional<DType> random_;
  std::set<std::string, std::less<>> promised_;
};

/// config.json with typed access: every size comes from the file, nothing is assumed.
/// Errors name the file and the key.
class Config {
 public:
  /// Reads `folder`/config.json, or the config.json beside a file. Throws CheckpointError.
  static Config read(const std::filesystem::path& folder);
  /// Parses text (at most 16 MiB, depth at most 64). `name` appears in messages.
  static Config parse(std::string_view text, std::string name);
  ~Config();
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;

  /// Present and not null. In every key dots descend: "rope_parameters.rope_theta".
  [[nodiscard]] bool has(std::string_view key) const;
  /// Required values; integers are checked against [least, most], and 24000.0 is one.
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) const;
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] bool boolean(std::string_view key) const;
  [[nodiscard]] std::string string(std::string_view key) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key, std::int64_t least, std::int64_t most) const;
  [[nodiscard]] std::vector<std::string> strings(std::string_view key) const;
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const nlohmann::json& json() const noexcept;
  /// Throws CheckpointError "NAME: `what`" unless it holds.
  void require(bool holds, const std::string& what) const;

 private:
  explicit Config(std::unique_ptr<nlohmann::json> value, std::string name);
  [[nodiscard]] const nlohmann::json& find(std::string_view key) const;

  std::unique_ptr<nlohmann::json> json_;
  std::string name_;
};

}  // namespace tessera
