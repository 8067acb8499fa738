#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "codec/checkpoint/json.h"
#include "kernels/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/json_fields.h"

namespace tessera {
namespace {

using detail::BpeDescription;
using detail::JsonFields;
using detail::quote;
using nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr std::int32_t kMaxIds = std::int32_t{1} << 21;
constexpr std::size_t kMaxTemplateIds = 4096;
constexpr std::size_t kMaxReplacements = 64;

/// Puts a token at its id. False when another one is there.
bool place(BpeDescription& parts, std::int64_t id, const std::string& token, bool in_model) {
  const auto at = static_cast<std::size_t>(id);
  if (at >= parts.tokens.size()) {
    parts.tokens.resize(at + 1);
    parts.in_model.resize(at + 1);
  }
  if (!parts.tokens[at].empty()) return parts.tokens[at] == token;
  parts.tokens[at] = token;
  parts.in_model[at] = in_model;
  return true;
}

void read_vocab(const JsonFields& model, BpeDescription& parts) {
  const JsonFields vocab = model.object("vocab");
  for (const auto& [token, value] : vocab.json().items()) {
    const std::string where = vocab.where() + "[" + quote(token) + "]";
    const std::int64_t id = JsonFields::checked(value, where, 0, kMaxIds - 1);
    if (token.empty()) throw CheckpointError(where + ": a token is empty");
    if (!place(parts, id, token, true)) throw CheckpointError(where + ": its id is that of another token");
  }
}

/// Both forms of an entry of "merges": "left right" and ["left", "right"].
std::pair<std::string, std::string> pair_of(const json& value, const std::string& where) {
  if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
    return {value[0].get<std::string>(), value[1].get<std::string>()};
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const std::size_t blank = text.find(' ');
    if (blank != text.npos && text.find(' ', blank + 1) == text.npos) {
      return {text.substr(0, blank), text.substr(blank + 1)};
    }
  }
  throw CheckpointError(where + " is not a pair of tokens but " + detail::describe(value));
}

void read_merges(const JsonFields& model, BpeDescription& parts) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (std::size_t id = 0; id < parts.tokens.size(); ++id) ids.emplace(parts.tokens[id], static_cast<std::int32_t>(id));
  const json& list = model.array("merges");
  parts.merges = detail::MergeTable(list.size());
  std::int32_t rank = 0;
  const auto id_of = [&](const std::string& token, const std::string& where) {
    const auto found = ids.find(token);
    if (token.empty() || found == ids.end())
      throw CheckpointError(where + ": " + quote(token) + " is not in the vocabulary");
    return found->second;
  };
  for (const json& value : list) {
    const std::string where = model.path("merges") + "[" + std::to_string(rank) + "]";
    const auto [left, right] = pair_of(value, where);
    parts.merges.add(id_of(left, where), id_of(right, where), {rank, id_of(left + right, where)});
    ++rank;
  }
}

void refuse_present(const JsonFields& fields, const char* key) {
  const json* value = fields.find(key);
  const bool nothing = value == nullptr || (value->is_string() && value->get_ref<const std::string&>().empty()) ||
                       (value->is_number() && value->get<double>() == 0);
  if (!nothing) throw CheckpointError(fields.path(key) + ": " + detail::describe(*value) + " is not supported");
}

void read_model(const JsonFields& model, BpeDescription& parts) {
  const std::string type = model.string("type", "BPE");
  if (type != "BPE") {
    throw CheckpointError(model.path("type") + ": " + quote(type) + " is not supported: only BPE is" +
                          (type == "Unigram" ? "; load the SentencePiece model beside it (tokenizer.model)" : ""));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix", "dropout"}) refuse_present(model, key);
  read_vocab(model, parts);
  read_merges(model, parts);
  parts.ignore_merges = model.boolean("ignore_merges", false);
  parts.byte_fallback = model.boolean("byte_fallback", false);
  parts.fuse_unknown = model.boolean("fuse_unk", false);
  if (model.find("unk_token") == nullptr) return;
  const std::string unknown = model.string("unk_token");
  const auto found = std::find(parts.tokens.begin(), parts.tokens.end(), unknown);
  if (unknown.empty() || found == parts.tokens.end())
    model.refuse("names " + quote(unknown) + " as unk_token, which it does not have");
  parts.unknown = static_cast<std::int32_t>(found - parts.tokens.begin());
}

detail::AddedToken added_token(const JsonFields& fields) {
  detail::AddedToken token;
  token.id = static_cast<std::int32_t>(fields.integer("id", 0, kMaxIds - 1));
  token.content = fields.string("content");
  token.single_word = fields.boolean("single_word", false);
  token.lstrip = fields.boolean("lstrip", false);
  token.rstrip = fields.boolean("rstrip", false);
  token.special = fields.boolean("special", false);
  token.normalized = fields.boolean("normalized", !token.special);
  if (token.content.empty()) fields.refuse("is an empty token");
  return token;
}

void read_added(const JsonFields& file, BpeDescription& parts) {
  if (file.find("added_tokens") == nullptr) return;
  std::unordered_map<std::string, std::int32_t> model_ids;
  for (std::size_t id = 0; id < parts.tokens.size(); ++id) {
    if (!parts.tokens[id].empty()) model_ids.emplace(parts.tokens[id], static_cast<std::int32_t>(id));
  }
  std::size_t number = 0;
  for (const json& value : file.array("added_tokens")) {
    const JsonFields fields(value, file.path("added_tokens") + "[" + std::to_string(number++) + "]");
    detail::AddedToken token = added_token(fields);
    const auto known = model_ids.try_emplace(token.content, token.id).first;
    if (known->second != token.id || !place(parts, token.id, token.content, false)) {
      fields.refuse(quote(token.content) + " has an id that does not fit the vocabulary");
    }
    parts.added.push_back(std::move(token));
  }
}

/// The ids that a template names: {"SpecialToken": {"id": "<s>"}} where special_tokens has {"<s>": {"ids": [1]}}.
void append_template_ids(const JsonFields& fields, const std::string& name, const BpeDescription& parts,
                         std::vector<std::int32_t>& ids) {
  const JsonFields names = fields.object("special_tokens");
  const auto found = names.json().find(name);
  if (found == names.json().end()) names.refuse("does not have " + quote(name));
  const JsonFields entry(*found, names.path(quote(name)));
  for (const json& id : entry.array("ids")) {
    const auto most = static_cast<std::int64_t>(parts.tokens.size()) - 1;
    ids.push_back(static_cast<std::int32_t>(JsonFields::checked(id, entry.path("ids"), 0, most)));
    if (ids.size() > kMaxTemplateIds)
      fields.refuse("puts more than " + std::to_string(kMaxTemplateIds) + " ids around a text");
  }
}

void read_template(const JsonFields& fields, BpeDescription& parts) {
  bool behind = false;
  for (const json& value : fields.array("single")) {
    const JsonFields item(value, fields.path("single"));
    if (item.find("Sequence") != nullptr) {
      if (behind) item.refuse("has the text twice");
      behind = true;
      continue;
    }
    const std::string name = item.object("SpecialToken").string("id");
    append_template_ids(fields, name, parts, behind ? parts.suffix : parts.prefix);
  }
}

void read_post_processor(const JsonFields& fields, BpeDescription& parts) {
  const std::string type = fields.string("type");
  if (type == "ByteLevel") return;  // changes offsets only
  if (type == "TemplateProcessing") return read_template(fields, parts);
  if (type != "Sequence") throw CheckpointError(fields.path("type") + ": " + quote(type) + " is not supported");
  for (const json& part : fields.array("processors")) {
    read_post_processor(JsonFields(part, fields.path("processors")), parts);
  }
}

void read_decoder_step(const JsonFields& fields, BpeDescription& parts) {
  const std::string type = fields.string("type");
  if (type == "ByteLevel") {
    parts.byte_level_decoder = true;
  } else if (type == "ByteFallback") {
    parts.byte_fallback_decoder = true;
  } else if (type == "Replace") {
    const std::string from = fields.object("pattern").string("String");
    if (from.empty()) fields.refuse("replaces nothing");
    if (parts.decoder_replacements.size() == kMaxReplacements) fields.refuse("is one replacement too many");
    parts.decoder_replacements.emplace_back(from, fields.string("content"));
  } else if (type == "Strip") {
    const bool known =
        fields.string("content") == " " && fields.integer("start", 0, 1) == 1 && fields.integer("stop", 0, 0) == 0;
    if (known) parts.drops_first_blank = true;
  } else if (type == "Sequence") {
    for (const json& part : fields.array("decoders"))
      read_decoder_step(JsonFields(part, fields.path("decoders")), parts);
  } else if (type != "Fuse") {
    throw CheckpointError(fields.path("type") + ": " + quote(type) + " is not supported");
  }
}

void read_decoder(const JsonFields& file, BpeDescription& parts) {
  read_decoder_step(file.object("decoder"), parts);
  const bool other = parts.byte_fallback_decoder || parts.drops_first_blank || !parts.decoder_replacements.empty();
  if (parts.byte_level_decoder == other || parts.byte_level_decoder != parts.pre_tokenizer.byte_level()) {
    throw CheckpointError(file.path("decoder") + " does not undo what the pre_tokenizer does");
  }
}

}  // namespace

std::unique_ptr<TextTokenizer> parse_tokenizer_json(std::string_view text, const std::string& name) {
  const json root = detail::parse_json(text, name, kMaxDepth);
  const JsonFields file(root, name + ": ");
  BpeDescription parts;
  parts.name = name;
  read_model(file.object("model"), parts);
  read_added(file, parts);
  parts.normalizer = detail::Normalizer(file.find("normalizer"), file.path("normalizer"));
  parts.pre_tokenizer = detail::PreTokenizer(file.find("pre_tokenizer"), file.path("pre_tokenizer"));
  if (file.find("post_processor") != nullptr) read_post_processor(file.object("post_processor"), parts);
  read_decoder(file, parts);
  return std::make_unique<detail::BpeTokenizer>(std::move(parts));
}

}  // namespace tessera
