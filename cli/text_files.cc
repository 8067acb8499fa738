#include "cli/text_files.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/codes_record.h"
#include "cli/exit_code.h"
#include "cli/language_model.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

std::unique_ptr<TextTokenizer> tokenizer_of(const CommonOptions& options) {
  const std::string path = named_model(options);
  auto tokenizer = open_tokenizer(path);
  if (!tokenizer) throw CheckpointError(path + ": there is no tokenizer.json or tokenizer.model");
  return tokenizer;
}

ordered_json text_json(const TextTokenizer& tokenizer, const Input& input) {
  if (!input.error.empty()) throw InputError(input.reason, input.error);
  std::vector<std::int32_t> ids;
  try {
    tokenizer.encode(read_text(input.path), ids, true);
  } catch (const InputError& error) {
    throw InputError(error.reason(), input.path + ": " + error.what());
  }
  return {{"input", input.path}, {"status", "ok"}, {"kind", "text"}, {"ids", ids}};
}

/// One line of ids.
struct TextRecord {
  std::string input;
  std::vector<std::int32_t> ids;
};

std::int32_t read_id(const json& value, std::int32_t size, const std::string& where) {
  const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() < size;
  if (!fits) bad_codes(where, value.dump() + " is no id of the " + std::to_string(size) + " that the tokenizer has");
  return value.get<std::int32_t>();
}

TextRecord read_record(const std::string& line, std::int32_t size, const std::string& where) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) bad_codes(where, "not a JSON object");
  TextRecord record{object.value("input", json("text")).is_string() ? object.value("input", "text") : "text", {}};
  if (object.value("status", json("ok")) != "ok") throw InputError("skipped", where + ": passed over: " + record.input);
  const auto ids = object.find("ids");
  if (ids == object.end() || !ids->is_array()) bad_codes(where, "\"ids\" is not a list");
  for (const json& id : *ids) record.ids.push_back(read_id(id, size, where));
  return record;
}

class TextWriter {
 public:
  explicit TextWriter(const CommonOptions& options)
      : options_(options), to_folder_(is_folder_path(options.output)), names_(options.output, ".txt") {
    if (options.output.empty()) throw UsageError("-o is missing: a folder, a text file, or - for standard output");
    if (to_folder_) {
      make_folder(options.output);
      return;
    }
    refuse_existing(options.output, options.overwrite);
    one_ = std::make_unique<LineOutput>(options.output, options.overwrite);
  }

  void write(const std::string& input, const std::string& text) {
    if (!to_folder_) return one_->write(text);
    const std::string name = names_.name_for(input);
    refuse_existing(name, options_.overwrite);
    write_file(name, text, options_.overwrite);
  }

  void finish() {
    if (one_) one_->finish();
  }

 private:
  const CommonOptions& options_;
  bool to_folder_;
  OutputNames names_;
  std::unique_ptr<LineOutput> one_;
};

/// Calls `take(line, where)` for every line of a file that is not empty.
template <class Take>
void for_each_line(const std::string& path, const Take& take) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  std::error_code ignored;
  if (!in || fs::is_directory(path, ignored)) throw InputError("unreadable", path + ": cannot be read");
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    check_interrupted();
    if (!line.empty()) take(line, path + ", line " + std::to_string(number));
  }
}

}  // namespace

std::string read_text(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path, std::ios::binary);
  std::error_code ignored;
  if (!file || fs::is_directory(path, ignored)) throw InputError("unreadable", path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int tokenize_texts(const CommonOptions& options, const std::vector<Input>& inputs) {
  const auto tokenizer = tokenizer_of(options);
  LineOutput lines(options.output, options.overwrite);
  bool any_bad = false;
  for (const Input& input : inputs) {
    check_interrupted();
    try {
      lines.write(line_of(text_json(*tokenizer, input)));
    } catch (const InputError& error) {
      any_bad = true;
      lines.write(line_of(error_json(input.path, error.what(), error.reason())));
      complain(error.what());
    }
  }
  lines.finish();
  return any_bad ? kBadInput : kDone;
}

int detokenize_texts(const CommonOptions& options, const std::vector<std::string>& paths) {
  const auto tokenizer = tokenizer_of(options);
  TextWriter writer(options);
  bool any_bad = false;
  const auto guarded = [&](const auto& work) {
    try {
      work();
    } catch (const InputError& error) {
      any_bad = true;
      complain(error.what());
    }
  };
  for (const std::string& path : paths) {
    guarded([&] {
      for_each_line(path, [&](const std::string& line, const std::string& where) {
        guarded([&] {
          const TextRecord record = read_record(line, tokenizer->size(), where);
          writer.write(record.input, decode_text(*tokenizer, record.ids, true));
        });
      });
    });
  }
  writer.finish();
  return any_bad ? kBadInput : kDone;
}

}  // namespace tessera::cli
