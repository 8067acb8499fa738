#include "cli/inspect_report.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/picture_report.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

struct ModelName {
  std::string path;
  int levels = 0;
};

/// MODEL or MODEL@LEVELS.
ModelName parse_model(const std::string& text) {
  std::error_code ignored;
  if (fs::exists(text, ignored)) return {text, 0};
  const std::size_t at = text.rfind('@');
  const std::string digits = at == text.npos ? "" : text.substr(at + 1);
  const bool number = !digits.empty() && digits.size() < 5 && digits.find_first_not_of("0123456789") == digits.npos;
  return number ? ModelName{text.substr(0, at), std::stoi(digits)} : ModelName{text, 0};
}

void check_levels(const ModelName& model, int levels) {
  if (model.levels <= levels) return;
  throw UsageError(std::to_string(model.levels) + " levels: " + model.path + " has " + std::to_string(levels));
}

class ReportWriter {
 public:
  ReportWriter(const ReportRequest& request, const CommonOptions& common, const ReportSink& sink)
      : request_(request), common_(common), sink_(sink), folder_(request.folder, common.overwrite) {}

  void run();

 private:
  void choose_models();
  void choose_inputs();
  void open_sounds();
  void open_pictures();
  [[nodiscard]] bool is_for_pictures(const Input& input) const { return input.picture || sounds_.empty(); }
  [[nodiscard]] std::vector<nlohmann::ordered_json> add(const Input& input);
  void add_guarded(const Input& input);

  const ReportRequest& request_;
  const CommonOptions& common_;
  const ReportSink& sink_;
  ReportFolder folder_;
  std::vector<ModelName> sounds_;
  std::vector<ModelName> pictures_;
  std::vector<Input> inputs_;
  std::unique_ptr<Context> meter_;
  std::unique_ptr<Context> picture_context_;
  std::vector<Session> sessions_;
  std::vector<PictureModel> picture_models_;
  std::optional<SoundReport> sound_report_;
  std::optional<PictureReport> picture_report_;
};

void ReportWriter::choose_models() {
  std::vector<ModelName> models;
  if (!named_model(common_).empty()) {
    models.push_back({named_model(common_), request_.levels});
  } else {
    models.push_back({model_path(common_), request_.levels});
    if (!embedded_model_path("image_codec").empty()) models.push_back({picture_model_path(common_), 0});
  }
  for (const std::string& text : request_.compare) models.push_back(parse_model(text));
  for (const ModelName& model : models) (is_image_codec(model.path) ? pictures_ : sounds_).push_back(model);
}

void ReportWriter::choose_inputs() {
  inputs_ = expand_inputs({.paths = request_.paths,
                           .lists = {},
                           .recursive = request_.recursive,
                           .sounds = !sounds_.empty(),
                           .pictures = !pictures_.empty()});
  for (Input& input : inputs_) {
    input.picture = !pictures_.empty() && input.error.empty() && media::is_image_file(input.path);
  }
}

void ReportWriter::open_sounds() {
  CommonOptions cpu = common_;
  cpu.device = "cpu";
  meter_ = make_context(cpu);
  sessions_.reserve(sounds_.size());
  std::vector<ReportCodec> codecs;
  for (const ModelName& model : sounds_) {
    CommonOptions options = common_;
    options.model = model.path;
    const Session& session = sessions_.emplace_back(open_session(options));
    check_levels(model, session.codec->info().levels);
    codecs.emplace_back(session, *meter_, model.path, model.levels);
  }
  sound_report_.emplace(std::move(codecs), folder_);
}

void ReportWriter::open_pictures() {
  picture_context_ = make_context(common_);
  picture_models_.reserve(pictures_.size());
  std::vector<PictureReportCodec> codecs;
  for (const ModelName& name : pictures_) {
    const PictureModel& model = picture_models_.emplace_back(open_picture_model(*picture_context_, name.path));
    const ImageCodecInfo& info = model.codec->info();
    check_levels(name, info.levels);
    if (!info.decodes) throw UsageError("--report: " + name.path + ": this checkpoint has no decoder");
    codecs.emplace_back(model, *picture_context_, name.path);
  }
  picture_report_.emplace(std::move(codecs), folder_);
}

std::vector<nlohmann::ordered_json> ReportWriter::add(const Input& input) {
  if (!input.error.empty()) throw InputError(input.reason, input.error);
  if (is_for_pictures(input)) return picture_report_->add(input.path);
  SourceOptions options;
  options.read.start = request_.start;
  options.read.duration = request_.duration;
  return sound_report_->add(input.path, options);
}

void ReportWriter::add_guarded(const Input& input) {
  try {
    for (const nlohmann::ordered_json& record : add(input)) sink_.line(record);
  } catch (const InputError& error) {
    check_interrupted();
    sink_.bad(input.path, error.what(), error.reason());
  }
}

void ReportWriter::run() {
  refuse_existing(folder_.index(), common_.overwrite);
  choose_models();
  choose_inputs();
  const auto for_pictures = [&](const Input& input) { return is_for_pictures(input); };
  if (!std::all_of(inputs_.begin(), inputs_.end(), for_pictures)) open_sounds();
  if (std::any_of(inputs_.begin(), inputs_.end(), for_pictures)) open_pictures();
  make_folder(request_.folder);
  for (const Input& input : inputs_) add_guarded(input);
  folder_.write_page((sound_report_ ? sound_report_->html() : "") + (picture_report_ ? picture_report_->html() : ""));
  if (!common_.quiet) say("tessera: the report is " + folder_.index() + "\n");
}

}  // namespace

void write_report(const ReportRequest& request, const CommonOptions& common, const ReportSink& sink) {
  ReportWriter(request, common, sink).run();
}

}  // namespace tessera::cli
