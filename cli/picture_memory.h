#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "codec/image_codec.h"

namespace tessera::cli {

struct PictureModel;

/// What each picture in work may take.
struct MemoryLimit {
  std::int64_t bytes = std::numeric_limits<std::int64_t>::max();
  std::size_t sharers = 1;  ///< pictures in work at once, among whom the memory was shared out
};
[[nodiscard]] MemoryLimit share_of(const MemoryLimit& limit, std::size_t sharers);

enum class PictureWork : std::uint8_t { encode, decode, both };

/// Throws InputError("too_large") when a picture of this size, as the codec sees it, takes more than model.memory: it
/// says what it takes, what there is, about which size would fit and who decides on it. `where` begins the message.
void require_memory(const PictureModel& model, const Context& context, std::int64_t rows, std::int64_t columns,
                    PictureWork work, const std::string& where);

/// {"width", "height", "encode_bytes", "decode_bytes"}: work memory and the values that go in and come out; null for
/// what the codec cannot do. Throws InputError.
[[nodiscard]] nlohmann::ordered_json memory_json(const ImageCodec& codec, const Context& context, std::int64_t rows,
                                                 std::int64_t columns);
/// The same of squares of 256, 512, 1024 and 2048 pixels, or as near above as whole codes come.
[[nodiscard]] nlohmann::ordered_json memory_table(const ImageCodec& codec, const Context& context);
/// One line an entry of what they give, for people.
[[nodiscard]] std::string memory_text(const nlohmann::ordered_json& entry);

}  // namespace tessera::cli
