#include <nlohmann/json.hpp>

#include "cli/codes_record.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/picture_model.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

/// The ids of one level: `first` … `first + count - 1`.
struct Range {
  std::string name;
  std::int64_t first;
  std::int64_t count;
  int level;
  std::string codec;  ///< "audio" or "image"
};

std::vector<Range> ranges_of(const std::string& codec, const std::vector<int>& codebook_sizes) {
  std::vector<Range> ranges;
  std::int64_t first = 0;
  for (const int count : codebook_sizes) {
    const auto level = static_cast<int>(ranges.size());
    ranges.push_back({codec + "." + std::to_string(level), first, count, level, codec});
    first += count;
  }
  return ranges;
}

std::vector<Range> ranges_of(const CommonOptions& options) {
  if (!is_picture_model(options)) return ranges_of("audio", open_session(options).codec->info().codebook_sizes);
  const auto context = make_context(options);
  return ranges_of("image", open_picture_model(*context, model_path(options)).codec->info().codebook_sizes);
}

std::int64_t size_of(const std::vector<Range>& ranges) {
  return ranges.empty() ? 0 : ranges.back().first + ranges.back().count;
}

ordered_json vocabulary_json(const std::vector<Range>& ranges) {
  ordered_json list = ordered_json::array();
  for (const Range& range : ranges) {
    list.push_back({{"name", range.name},
                    {"first", range.first},
                    {"count", range.count},
                    {"codec", range.codec},
                    {"level", range.level}});
  }
  return {{"size", size_of(ranges)}, {"ranges", list}, {"specials", ordered_json::object()}, {"layout", "flat"}};
}

std::string vocabulary_text(const std::vector<Range>& ranges) {
  std::string text = std::to_string(size_of(ranges)) + " ids, flat: every code of every level has its own\n";
  for (const Range& range : ranges) {
    text += range.name + "\t" + std::to_string(range.first) + " to " + std::to_string(range.first + range.count - 1) +
            "\t" + std::to_string(range.count) + " codes\n";
  }
  return text;
}

std::int64_t read_id(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == text.npos;
  if (!digits) throw UsageError("\"" + text + "\" is not an id");
  return std::stoll(text);
}

const Range* range_of(const std::vector<Range>& ranges, std::int64_t id) {
  for (const Range& range : ranges) {
    if (id >= range.first && id < range.first + range.count) return &range;
  }
  return nullptr;
}

class Vocab final : public Command {
 public:
  void declare(OptionList& list) override {
    list.positional("ID", ids_, "ids to explain");
    declare_common(list, common_);
  }

  int run() override {
    check_common(common_);
    std::vector<std::int64_t> ids;
    for (const std::string& id : ids_) ids.push_back(read_id(id));
    refuse_existing(common_.output, common_.overwrite);
    const std::vector<Range> ranges = ranges_of(common_);
    output_ = std::make_unique<LineOutput>(common_.output, common_.overwrite);
    if (ids.empty()) output_->write(common_.json ? line_of(vocabulary_json(ranges)) : vocabulary_text(ranges));
    for (const std::int64_t id : ids) explain(ranges, id);
    output_->finish();
    return any_bad_ ? kBadInput : kDone;
  }

 private:
  void explain(const std::vector<Range>& ranges, std::int64_t id) {
    const Range* range = range_of(ranges, id);
    if (range == nullptr) return unknown(ranges, id);
    const std::int64_t code = id - range->first;
    output_->write(
        common_.json
            ? line_of(
                  {{"id", id}, {"name", range->name}, {"codec", range->codec}, {"level", range->level}, {"code", code}})
            : std::to_string(id) + "\t" + range->name + "\tcode " + std::to_string(code) + "\n");
  }

  void unknown(const std::vector<Range>& ranges, std::int64_t id) {
    any_bad_ = true;
    const std::string message =
        std::to_string(id) + ": no such id: the vocabulary has " + std::to_string(size_of(ranges));
    complain(message);
    if (!common_.json) return;
    output_->write(line_of({{"id", id}, {"status", "error"}, {"error", message}, {"reason", "bad_id"}}));
  }

  CommonOptions common_;
  std::vector<std::string> ids_;
  std::unique_ptr<LineOutput> output_;
  bool any_bad_ = false;
};

}  // namespace

const CommandInfo kVocab = {
    "vocab",
    "[ID...]",
    "the id contract",
    "Prints the ranges of ids that a checkpoint uses, or explains single ids. A codec alone has a flat vocabulary: its "
    "levels follow each other, so that id = first of the level + code.",
    "  tessera vocab --json\n"
    "  tessera vocab 0 1024\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Vocab>()); },
};

}  // namespace tessera::cli
