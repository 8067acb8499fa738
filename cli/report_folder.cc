#include "cli/report_folder.h"

#include <filesystem>

#include "cli/html.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostShown = std::size_t{64} << 20;

constexpr const char* kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tessera report</title>\n"
    "<style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:80em;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2em .7em;text-align:right}"
    "td:first-child{text-align:left}img{width:100%;height:160px;image-rendering:pixelated}"
    ".photo img{height:auto}"
    "figure{margin:.6em 0}.beside{display:flex;flex-wrap:wrap;gap:1em}.beside figure{flex:1 1 18em}"
    "audio{display:block}</style></head><body>\n<h1>What the codec keeps</h1>\n";

}  // namespace

ReportFolder::ReportFolder(const std::string& folder, bool overwrite)
    : folder_(folder), overwrite_(overwrite), names_(folder, "") {}

std::string ReportFolder::index() const { return (fs::path(folder_) / "index.html").string(); }

std::string ReportFolder::picture(const std::string& stem, const std::string& label, const std::string& name,
                                  const std::string& caption, const std::string& png, const std::string& css) {
  const std::string path = stem + (label.empty() ? "" : "." + label) + "." + name + ".png";
  write_file(path, png, overwrite_);
  if (shown_ + png.size() > kMostShown) {
    return html_figure(caption, "in " + html_text(fs::path(path).filename().string()), css);
  }
  shown_ += png.size();
  return html_figure(caption, html_image(caption, png), css);
}

void ReportFolder::write_page(const std::string& body) const {
  write_file(index(), kHead + body + "</body></html>\n", overwrite_);
}

std::string report_label(const std::string& model, int levels) {
  fs::path path = fs::path(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string() + (levels > 0 ? "@" + std::to_string(levels) : "");
}

std::string report_title(const std::string& label, std::size_t codecs) {
  return codecs == 1 ? "" : "<h3>" + html_text(label) + "</h3>\n";
}

}  // namespace tessera::cli
