#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::detail {

/// A token that is cut out of the text before anything else happens to it.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space in front of it along
  bool rstrip = false;       ///< and behind it
  bool normalized = false;   ///< looked for after the normalizer
  bool special = false;
};

/// Finds added tokens: leftmost, then longest, one after another.
class AddedTokenFinder {
 public:
  /// Called for each part in order: text between tokens (id -1), or a token.
  using Sink = std::function<void(std::string_view part, std::int32_t id)>;

  AddedTokenFinder();
  /// `content` as it stands in the text to search; empty ones are never found.
  void add(const AddedToken& token, std::string_view content);
  void split(std::string_view text, const Sink& sink) const;

 private:
  struct Match {
    std::size_t end;
    const AddedToken* token;
  };
  [[nodiscard]] bool find(std::string_view text, std::size_t& begin, Match& match) const;
  [[nodiscard]] const AddedToken* longest(std::string_view text, std::size_t begin, std::size_t& end) const;

  bool starts_[256] = {};
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte: node
  std::vector<std::int32_t> token_at_;                      // of a node, -1: none
  std::vector<AddedToken> tokens_;
};

}  // namespace tessera::detail
