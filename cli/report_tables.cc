#include "cli/report_tables.h"

#include "cli/codec_rates.h"
#include "cli/html.h"

namespace tessera::cli {
namespace {

using Cells = std::vector<std::string>;

void append(Cells& cells, const Cells& more) { cells.insert(cells.end(), more.begin(), more.end()); }

Cells quality_names() { return {"mel distance", "SI-SDR, dB", "SNR, dB", "STOI"}; }

Cells quality_cells(const Quality& quality) {
  return {html_number(quality.mel_distance, 3), html_number(quality.si_sdr_db, 2), html_number(quality.snr_db, 2),
          html_number(quality.stoi, 3)};
}

std::string times(double seconds, double work) { return html_number(seconds / work, 1) + "×"; }

int level_count(const ReportCodec& codec) { return codec.levels > 0 ? codec.levels : codec.info().levels; }

std::string codec_row(const ReportCodec& codec) {
  const AudioCodecInfo& info = codec.info();
  const int levels = level_count(codec);
  Cells cells = {html_text(codec.label),
                 html_text(info.family),
                 std::to_string(info.sample_rate),
                 std::to_string(info.channels),
                 html_number(info.frame_rate(), 2),
                 std::to_string(levels),
                 html_number(kilobits_per_second(info, levels), 3),
                 html_number(entropy_kbps(codec.use), 3)};
  append(cells, quality_cells(mean_of(codec.qualities)));
  append(cells, {times(codec.seconds, codec.encode_seconds), times(codec.seconds, codec.decode_seconds)});
  return html_row(cells);
}

}  // namespace

std::string codecs_table(const std::vector<ReportCodec>& codecs) {
  Cells names = {
      "codec", "family", "Hz", "channels", "frames a second", "levels", "kbit/s, nominal", "kbit/s, entropy-coded"};
  append(names, quality_names());
  append(names, {"encode", "decode"});
  std::string html = "<table>" + html_row(names, true);
  for (const ReportCodec& codec : codecs) html += codec_row(codec);
  std::vector<std::pair<std::string, std::string>> models;
  for (const ReportCodec& codec : codecs) models.emplace_back(codec.label, codec.model);
  return html + "</table>\n" + models_list(models);
}

std::string models_list(const std::vector<std::pair<std::string, std::string>>& models) {
  std::string html = "<ul>";
  for (const auto& [label, model] : models) html += "<li>" + html_text(label) + ": " + html_text(model) + "</li>";
  return html + "</ul>\n";
}

std::string inputs_table(const std::string& rows) {
  Cells names = {"input", "codec", "seconds", "frames"};
  append(names, quality_names());
  return "<table>" + html_row(names, true) + rows + "</table>\n";
}

std::string input_row(const std::string& path, const ReportCodec& codec, const ReportClip& clip) {
  Cells cells = {html_text(path), html_text(codec.label), html_number(clip.seconds, 2),
                 std::to_string(clip.codes.frames())};
  append(cells, quality_cells(clip.quality));
  return html_row(cells);
}

std::string report_definitions(int threads) {
  return "<p>Figures of quality compare the reconstruction with what this codec was given: the sound at its own "
         "rate and in its own channels. So mel distances of codecs of different rates are of different bands, and "
         "between codecs only STOI can be compared, whose bands end at 4.3 kHz, from a rate of 10 kHz up. Above: "
         "the mean over all inputs; a dash: no finite value. Of several channels, the mean of their figures.</p>\n"
         "<ul><li>mel distance: mean absolute difference of natural-log mel magnitudes (80 bands from 0 to half "
         "the rate, window 1024, hop 256); 0 is best.</li>\n"
         "<li>SNR, SI-SDR: signal to error in dB, as it is, and without means and with the best scale.</li>\n"
         "<li>STOI: short-time objective intelligibility; 1 is best. Meant for speech.</li>\n"
         "<li>kbit/s, nominal: log2(codebook) bits a code. Entropy-coded: the entropy of how often each level's "
         "codes occur in all inputs together, with no other model. Little sound makes it too low: n codes have at "
         "most log2(n) bits each.</li>\n"
         "<li>encode, decode: times real time in this run, " +
         std::to_string(threads) + (threads == 1 ? " thread" : " threads") + ", all inputs, one run each.</li></ul>\n";
}

std::string code_use_table(const std::string& label, const CodeUse& code_use) {
  std::string html = "<h2>Use of the codes: " + html_text(label) + "</h2>\n<table>" +
                     html_row({"level", "codebook", "codes", "entries used", "share", "entropy, bits"}, true);
  int level = 0;
  for (const LevelUse& use : code_use.levels()) {
    html +=
        html_row({std::to_string(level++), std::to_string(use.codebook), std::to_string(use.ids),
                  std::to_string(use.used), html_number(100.0 * static_cast<double>(use.used) / use.codebook, 1) + " %",
                  html_number(use.entropy_bits, 2)});
  }
  return html + "</table>\n";
}

}  // namespace tessera::cli
