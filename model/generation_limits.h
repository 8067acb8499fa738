#pragma once

#include <cstdint>
#include <vector>

#include "model/generate.h"

namespace tessera {

/// Whether a second prompt is read.
[[nodiscard]] bool is_guided(const GenerateOptions& options) noexcept;

/// Bytes of the caches of a prompt of `prompt` ids behind which `generated` ids come: of its sequence, of guidance's,
/// and of the drafts' when `drafts` is not null. Saturates.
[[nodiscard]] std::int64_t generation_bytes(const Decoder& decoder, const DraftSource* drafts, std::int64_t prompt,
                                            std::int64_t generated, const GenerateOptions& options);

/// How many ids may be generated behind a prompt: what was asked for, or what the context leaves. Throws as Generation
/// says, before any memory is taken.
[[nodiscard]] std::int64_t most_ids(const Context& context, const Decoder& decoder, const DraftSource* drafts,
                                    const std::vector<std::int32_t>& prompt, const GenerateOptions& options);

}  // namespace tessera
