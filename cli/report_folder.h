#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "cli/output.h"

namespace tessera::cli {

/// The folder that a report goes to: pictures as PNG files and index.html, which needs none of them.
class ReportFolder {
 public:
  ReportFolder(const std::string& folder, bool overwrite);

  [[nodiscard]] std::string index() const;
  /// FOLDER/STEM for the files of an input.
  [[nodiscard]] std::string stem_for(const std::string& input) { return names_.name_for(input); }
  /// Writes STEM.NAME.png, or STEM.LABEL.NAME.png, and gives the captioned figure for the page. Once the page holds
  /// 64 MB of pictures, figures name the file instead. `css` is the figure's class.
  [[nodiscard]] std::string picture(const std::string& stem, const std::string& label, const std::string& name,
                                    const std::string& caption, const std::string& png, const std::string& css = "");
  /// Writes index.html around `body`.
  void write_page(const std::string& body) const;

 private:
  std::string folder_;
  bool overwrite_;
  OutputNames names_;
  std::size_t shown_ = 0;
};

/// The last part of a checkpoint's path, "@LEVELS" behind it unless 0.
[[nodiscard]] std::string report_label(const std::string& model, int levels);

/// Appends "-2", "-3", … to labels that an earlier codec has.
template <class Codec>
void make_labels_unique(std::vector<Codec>& codecs) {
  std::set<std::string> used;
  for (Codec& codec : codecs) {
    const std::string stem = codec.label;
    for (int copy = 2; !used.insert(codec.label).second; ++copy) codec.label = stem + "-" + std::to_string(copy);
  }
}

/// The title of a codec's part among several.
[[nodiscard]] std::string report_title(const std::string& label, std::size_t codecs);

}  // namespace tessera::cli
