#include "cli/picture_report.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/code_use_plot.h"
#include "cli/figure.h"
#include "cli/html.h"
#include "cli/png.h"
#include "cli/report_tables.h"
#include "cli/signals.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;
using PictureCells = std::vector<std::string>;

double seconds_from(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

ReportPicture make_picture(const PictureReportCodec& codec, const std::string& path) {
  const ImageCodec& network = *codec.model->codec;
  const PictureInput input = read_picture(*codec.model, *codec.context, path, false, PictureWork::both);
  check_interrupted();
  ReportPicture picture;
  picture.original = media::apply_geometry(input.processor, input.image);
  const FloatPicture values = to_input(input.processor, input.image);
  auto start = std::chrono::steady_clock::now();
  picture.codes = network.encode(*codec.context, values);
  picture.encode_seconds = seconds_from(start);
  start = std::chrono::steady_clock::now();
  const FloatPicture decoded = network.decode(*codec.context, picture.codes);
  picture.decode_seconds = seconds_from(start);
  picture.copy = to_image(input.processor, decoded);
  picture.quality = compare(picture.original, picture.copy);
  return picture;
}

int largest_difference(const ReportPicture& picture) {
  int largest = 0;
  for (std::size_t i = 0; i < picture.original.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(picture.original.pixels[i] - picture.copy.pixels[i]));
  }
  return largest;
}

/// What brings the largest difference of all codecs near white, so that they can be compared with each other.
int common_scale(const std::vector<ReportPicture>& pictures) {
  int largest = 1;
  for (const ReportPicture& picture : pictures) largest = std::max(largest, largest_difference(picture));
  return 255 / largest;
}

Picture drawn(const media::Image& image) { return {image.columns, image.rows, image.pixels}; }

Picture difference(const ReportPicture& picture, int scale) {
  Picture out = drawn(picture.original);
  for (std::size_t i = 0; i < out.rgb.size(); ++i) {
    out.rgb[i] = static_cast<std::uint8_t>(scale * std::abs(out.rgb[i] - picture.copy.pixels[i]));
  }
  return out;
}

void add_picture(PictureReportCodec& codec, const ReportPicture& picture) {
  codec.use.add(picture.codes);
  codec.qualities.push_back(picture.quality);
  codec.pixels += static_cast<double>(picture.original.pixels.size()) / 3;
  codec.encode_seconds += picture.encode_seconds;
  codec.decode_seconds += picture.decode_seconds;
}

ordered_json record_of(const std::string& path, const PictureReportCodec& codec, const ReportPicture& picture) {
  ordered_json quality = to_json(picture.quality);
  CodeUse use(codec.info());
  use.add(picture.codes);
  put_picture_json(use, quality);
  return {{"input", path},
          {"status", "ok"},
          {"kind", "report"},
          {"model", codec.path},
          {"codec", codec.info().family},
          {"width", picture.original.columns},
          {"height", picture.original.rows},
          {"grid", {picture.codes.grid.rows, picture.codes.grid.columns}},
          {"levels", picture.codes.rows.size()},
          {"quality", quality},
          {"encode_s", figure(picture.encode_seconds)},
          {"decode_s", figure(picture.decode_seconds)}};
}

PictureCells quality_cells(const PictureQuality& quality) {
  return {html_number(quality.psnr_db, 2), html_number(quality.ssim, 4)};
}

std::string codec_row(const PictureReportCodec& codec) {
  const ImageCodecInfo& info = codec.info();
  PictureCells cells = {html_text(codec.label),
                        html_text(info.family),
                        std::to_string(info.factor) + " × " + std::to_string(info.factor),
                        std::to_string(info.levels),
                        html_number(codec.use.nominal_rate(), 4),
                        html_number(codec.use.entropy_rate(), 4)};
  for (const std::string& cell : quality_cells(mean_of(codec.qualities))) cells.push_back(cell);
  for (const double seconds : {codec.encode_seconds, codec.decode_seconds}) {
    cells.push_back(html_number(codec.pixels / seconds / 1e6, 3));
  }
  return html_row(cells);
}

std::string picture_codecs_table(const std::vector<PictureReportCodec>& codecs) {
  std::string html =
      "<table>" + html_row({"codec", "family", "pixels a code", "levels", "bits a pixel, nominal",
                            "bits a pixel, entropy-coded", "PSNR, dB", "SSIM", "encode, Mpixel/s", "decode, Mpixel/s"},
                           true);
  std::vector<std::pair<std::string, std::string>> models;
  for (const PictureReportCodec& codec : codecs) {
    html += codec_row(codec);
    models.emplace_back(codec.label, codec.path);
  }
  return html + "</table>\n" + models_list(models);
}

std::string picture_row(const std::string& path, const PictureReportCodec& codec, const ReportPicture& picture) {
  PictureCells cells = {html_text(path), html_text(codec.label), std::to_string(picture.original.columns),
                        std::to_string(picture.original.rows), std::to_string(picture.codes.frames())};
  for (const std::string& cell : quality_cells(picture.quality)) cells.push_back(cell);
  return html_row(cells);
}

std::string picture_definitions(int threads) {
  return "<p>Pictures: figures compare the reconstruction with what this codec was given, sized and cut as its "
         "checkpoint says, as 8-bit samples. Above: the mean over all inputs; a dash: no finite value.</p>\n"
         "<ul><li>PSNR: 255² to the mean squared difference of all samples, in dB.</li>\n"
         "<li>SSIM: structural similarity, windows of 7 by 7 pixels, the mean over windows and channels; 1 is "
         "best.</li>\n"
         "<li>bits a pixel, nominal: log2(codebook) bits a code. Entropy-coded: the entropy of how often each "
         "level's codes occur in all inputs together, with no other model: of few codes too low.</li>\n"
         "<li>encode, decode: millions of pixels a second in this run, " +
         std::to_string(threads) + (threads == 1 ? " thread" : " threads") + ", one run each.</li></ul>\n";
}

}  // namespace

PictureReportCodec::PictureReportCodec(const PictureModel& model_, Context& context_, std::string path_)
    : model(&model_), context(&context_), path(std::move(path_)), label(report_label(path, 0)), use(info()) {}

PictureReport::PictureReport(std::vector<PictureReportCodec> codecs, ReportFolder& folder)
    : codecs_(std::move(codecs)), folder_(&folder) {
  make_labels_unique(codecs_);
}

std::string PictureReport::figures(const PictureReportCodec& codec, const ReportPicture& picture,
                                   const std::string& stem, int scale) {
  const std::string label = codecs_.size() == 1 ? "" : codec.label;
  const auto show = [&](const std::string& name, const std::string& caption, const Picture& image) {
    return folder_->picture(stem, label, name, caption, png_bytes(image), "photo");
  };
  return report_title(codec.label, codecs_.size()) + "<div class=\"beside\">" +
         show("original", "original", drawn(picture.original)) +
         show("reconstruction", "reconstruction", drawn(picture.copy)) +
         show("difference", "difference × " + std::to_string(scale), difference(picture, scale)) + "</div>\n";
}

std::vector<ordered_json> PictureReport::add(const std::string& path) {
  std::vector<ReportPicture> pictures;
  for (const PictureReportCodec& codec : codecs_) pictures.push_back(make_picture(codec, path));
  const std::string stem = folder_->stem_for(path);
  const int scale = common_scale(pictures);
  std::vector<ordered_json> records;
  sections_ += "<h2>" + html_text(path) + "</h2>\n";
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    sections_ += figures(codecs_[i], pictures[i], stem, scale);
    add_picture(codecs_[i], pictures[i]);
    rows_ += picture_row(path, codecs_[i], pictures[i]);
    records.push_back(record_of(path, codecs_[i], pictures[i]));
  }
  return records;
}

std::string PictureReport::use_plots(const PictureReportCodec& codec, const std::string& stem) {
  std::string html = code_use_table(codec.label, codec.use);
  const std::size_t levels = codec.use.levels().size();
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string of_level = levels == 1 ? "" : ", level " + std::to_string(level);
    const CodeUsePlot plot = draw_code_use(codec.use.counts(level));
    html += folder_->picture(stem, codecs_.size() == 1 ? "" : codec.label,
                             levels == 1 ? "entries" : "entries." + std::to_string(level),
                             "entries by use" + of_level + ": " + plot.caption, png_bytes(plot.picture));
  }
  return html;
}

std::string PictureReport::html() {
  std::string page = picture_codecs_table(codecs_) + picture_definitions(codecs_.front().context->threads()) +
                     "<h2>Pictures</h2>\n<table>" +
                     html_row({"input", "codec", "width", "height", "codes", "PSNR, dB", "SSIM"}, true) + rows_ +
                     "</table>\n";
  const std::string stem = folder_->stem_for("code_use");
  for (const PictureReportCodec& codec : codecs_) page += use_plots(codec, stem);
  return page + sections_;
}

}  // namespace tessera::cli
