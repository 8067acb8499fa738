#include "model/generation_limits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/error.h"
#include "kernels/memory_limit.h"

namespace tessera {
namespace {

// More positions than any memory holds; their bytes do not overflow.
constexpr std::int64_t kManyPositions = std::int64_t{1} << 32;

void check_prompt(const std::string& name, const std::vector<std::int32_t>& prompt, const Decoder& decoder,
                  std::int64_t context) {
  const std::int64_t vocabulary = decoder.config().vocabulary;
  if (prompt.empty()) throw InputError("empty_prompt", "the " + name + " is empty: give at least one id");
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] >= 0 && prompt[i] < vocabulary) continue;
    throw InputError("bad_ids", name + ", position " + std::to_string(i) + ": id " + std::to_string(prompt[i]) +
                                    " is outside the vocabulary of " + std::to_string(vocabulary));
  }
  if (std::ssize(prompt) > context) {
    throw InputError("context_overflow", "the " + name + " has " + std::to_string(prompt.size()) +
                                             " ids, the context " + std::to_string(context) +
                                             ": shorten the prompt or ask for more context");
  }
}

std::string counted(std::int64_t bytes) { return bytes_text(bytes) + " (" + std::to_string(bytes) + " bytes)"; }

// The most of `wanted` ids whose caches fit `limit`; -1: not even the prompt's do.
template <class Bytes>
std::int64_t most_that_fit(std::int64_t wanted, std::int64_t limit, const Bytes& bytes) {
  std::int64_t fit = -1;
  for (std::int64_t beyond = wanted; beyond - fit > 1;) {
    const std::int64_t middle = fit + (beyond - fit) / 2;
    (bytes(middle) <= limit ? fit : beyond) = middle;
  }
  return fit;
}

// `bytes`: of so many ids behind a prompt of `prompt` ids.
template <class Bytes>
void require_memory(std::int64_t prompt, std::int64_t wanted, std::int64_t limit, const Bytes& bytes) {
  const std::int64_t needed = bytes(wanted);
  if (needed <= limit) return;
  const std::int64_t fit = most_that_fit(wanted, limit, bytes);
  const std::string most =
      fit > 0 ? "ask for fewer ids (at most " + std::to_string(fit) + " fit)" : "shorten the prompt";
  throw InputError("too_large", "the caches of a prompt of " + std::to_string(prompt) + " ids and " +
                                    std::to_string(wanted) + " ids behind it take " + counted(needed) +
                                    " of memory, and there are " + counted(limit) + ": " + most +
                                    ", or generate on a machine with more memory");
}

}  // namespace

bool is_guided(const GenerateOptions& options) noexcept { return options.guidance.scale != 1; }

std::int64_t generation_bytes(const Decoder& decoder, const DraftSource* drafts, std::int64_t prompt,
                              std::int64_t generated, const GenerateOptions& options) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::int64_t other = is_guided(options) ? std::ssize(options.guidance.prompt) : 0;
  if (std::max({prompt, generated, other}) >= kManyPositions) return kMost;
  std::int64_t bytes = Sequence::bytes(decoder.config(), prompt + generated);
  if (other > 0) bytes += Sequence::bytes(decoder.config(), other + generated);
  if (drafts != nullptr) bytes += drafts->bytes(prompt + generated);
  return bytes;
}

std::int64_t most_ids(const Context& context, const Decoder& decoder, const DraftSource* drafts,
                      const std::vector<std::int32_t>& prompt, const GenerateOptions& options) {
  if (options.max_tokens < 0) throw ArgumentError("max_tokens is 0 or more");
  if (!std::isfinite(options.guidance.scale)) throw ArgumentError("the scale of guidance is finite");
  const std::int64_t positions = options.context > 0 ? options.context : decoder.config().positions;
  check_prompt("prompt", prompt, decoder, positions);
  std::int64_t longest = std::ssize(prompt);
  if (is_guided(options)) {
    check_prompt("prompt of guidance", options.guidance.prompt, decoder, positions);
    longest = std::max<std::int64_t>(longest, std::ssize(options.guidance.prompt));
  }
  const std::int64_t most = std::min(options.max_tokens, positions - longest);
  const std::int64_t limit = options.memory >= 0 ? options.memory : available_bytes(context.device());
  require_memory(std::ssize(prompt), most, limit,
                 [&](std::int64_t ids) { return generation_bytes(decoder, drafts, std::ssize(prompt), ids, options); });
  return most;
}

}  // namespace tessera
