#include "tokenizer/sentencepiece.h"

#include "codec/checkpoint/mapped_file.h"
#include "kernels/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

#ifdef TESSERA_SENTENCEPIECE
#include <sentencepiece_processor.h>
#endif

namespace tessera::detail {

#ifdef TESSERA_SENTENCEPIECE

namespace {

constexpr std::string_view kBlank = "\u2581";

std::string with_blanks(std::string text) {
  for (std::size_t at = text.find(kBlank); at != text.npos; at = text.find(kBlank, at + 1)) {
    text.replace(at, kBlank.size(), " ");
  }
  return text;
}

class SentencePiece final : public TextTokenizer {
 public:
  SentencePiece(std::string_view bytes, const std::string& name) {
    const auto status = processor_.LoadFromSerializedProto(bytes);
    if (!status.ok()) throw CheckpointError(name + ": no SentencePiece model: " + status.message());
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      pieces_.push_back(processor_.IdToPiece(id));
      texts_.push_back(text_of_piece(id));
    }
    drops_first_blank_ = drops_blank();
    const auto blank = id_of(kBlank);
    drops_all_blanks_ = drops_first_blank_ && blank && processor_.DecodeIds({*blank, *blank}).empty();
  }

  [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(pieces_.size()); }

  void encode(std::string_view text, std::vector<std::int32_t>& ids, bool /*add_special*/) const override {
    const std::size_t valid = valid_utf8_bytes(text);
    if (valid != text.size()) {
      throw InputError("bad_utf8", "the text is not UTF-8 at byte " + std::to_string(valid));
    }
    std::vector<int> found;
    const auto status = processor_.Encode(text, &found);
    if (!status.ok()) throw InputError("no_token", status.message());
    ids.insert(ids.end(), found.begin(), found.end());
  }

  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const override {
    const int id = processor_.PieceToId(token);
    const bool there = id >= 0 && id < size() && pieces_[static_cast<std::size_t>(id)] == token;
    return there ? std::optional<std::int32_t>(id) : std::nullopt;
  }
  [[nodiscard]] std::string_view token(std::int32_t id) const override { return pieces_[index(id)]; }
  [[nodiscard]] bool drops_all_first_blanks() const override { return drops_all_blanks_; }
  [[nodiscard]] std::string_view text_of(std::int32_t id, bool at_start) const override {
    std::string_view text = texts_[index(id)];
    const bool blank = at_start && drops_first_blank_ && pieces_[index(id)].starts_with(kBlank);
    if (blank) text.remove_prefix(1);
    return text;
  }
  [[nodiscard]] bool is_special(std::int32_t id) const override {
    return processor_.IsControl(static_cast<int>(index(id)));
  }

 private:
  [[nodiscard]] std::size_t index(std::int32_t id) const {
    if (id >= 0 && id < size()) return static_cast<std::size_t>(id);
    throw ArgumentError("id " + std::to_string(id) + ": the tokenizer has " + std::to_string(size()));
  }

  [[nodiscard]] std::string text_of_piece(int id) const {
    if (processor_.IsControl(id)) return {};
    if (processor_.IsUnknown(id)) return processor_.DecodeIds({id});
    const std::string& piece = pieces_.back();
    if (processor_.IsByte(id)) return {static_cast<char>(byte_token(piece).value_or(0))};
    return with_blanks(piece);
  }

  /// The public header does not tell the normaliser's settings, but decoding shows them.
  [[nodiscard]] bool drops_blank() const {
    for (int id = 0; id < size(); ++id) {
      const bool plain = !processor_.IsControl(id) && !processor_.IsUnknown(id) && !processor_.IsByte(id);
      if (plain && texts_[static_cast<std::size_t>(id)].starts_with(' ')) {
        return processor_.DecodeIds({id}) != texts_[static_cast<std::size_t>(id)];
      }
    }
    return false;
  }

  sentencepiece::SentencePieceProcessor processor_;
  std::vector<std::string> pieces_, texts_;
  bool drops_first_blank_ = false, drops_all_blanks_ = false;
};

}  // namespace

std::unique_ptr<TextTokenizer> parse_sentencepiece(std::string_view bytes, const std::string& name) {
  return std::make_unique<SentencePiece>(bytes, name);
}

#else

std::unique_ptr<TextTokenizer> parse_sentencepiece(std::string_view /*bytes*/, const std::string& name) {
  throw CheckpointError(name +
                        ": this build has no SentencePiece. On Debian: apt-get install libsentencepiece-dev, then "
                        "configure and build again");
}

#endif

std::unique_ptr<TextTokenizer> load_sentencepiece(const std::filesystem::path& path) {
  const MappedFile file(path, std::uint64_t{512} << 20U);
  return parse_sentencepiece(file.text(), path.string());
}

}  // namespace tessera::detail
