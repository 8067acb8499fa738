#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/bench.h"
#include "cli/bench_agreement.h"
#include "cli/figure.h"
#include "cli/picture_model.h"
#include "cli/session.h"

namespace tessera::cli {
namespace {

constexpr int kSyntheticSide = 256;

struct Subject {
  std::string name;
  FloatPicture picture;
};

/// Waves of three colours, 256 by 256 or as near to it as whole codes come.
Subject synthetic_picture(const ImageCodecInfo& info) {
  const int side = std::max(1, kSyntheticSide / info.factor) * info.factor;
  FloatPicture picture{1, side, side, {}};
  for (int i = 0; i < side * side * 3; ++i) {
    const double x = i / 3 % side;
    const double y = i / 3 / side;
    picture.values.push_back(static_cast<float>(0.8 * std::sin(0.05 * (i % 3 + 1) * x) * std::cos(0.07 * y)));
  }
  return {"synthetic", std::move(picture)};
}

Subject read_subject(const PictureModel& model, const std::string& path) {
  const media::Image image = media::read_image(path).image;
  return {path, to_input(processor_for(model, {image.rows, image.columns}), image)};
}

void bench_picture(const PictureModel& model, Context& context, const Subject& subject, bool operations,
                   const BenchPrinter& printer) {
  const auto bench = [&](const std::string& name, const std::function<void()>& work) {
    const double seconds = best_seconds(work);
    printer.print_result({{"bench", name},
                          {"threads", context.threads()},
                          {"width", subject.picture.columns},
                          {"height", subject.picture.rows},
                          {"s", rounded(seconds)},
                          {"pictures_per_s", rounded(1 / seconds)}});
    if (operations) bench_operations(context, name, work, printer);
  };
  Codes codes;
  bench("encode " + subject.name, [&] { codes = model.codec->encode(context, subject.picture); });
  if (!model.codec->info().decodes) return;
  bench("decode " + subject.name, [&] { (void)model.codec->decode(context, codes); });
}

/// Fast math beside exact math.
void bench_agreement(const CommonOptions& options, const PictureModel& model, Context& context,
                     const std::vector<Subject>& subjects, const BenchPrinter& printer) {
  CommonOptions as_exact = options;
  as_exact.math = "exact";
  const auto exact_context = make_context(as_exact);
  const PictureModel exact = open_picture_model(*exact_context, model_path(options));
  for (const Subject& subject : subjects) {
    Agreement of;
    of.exact_codes = exact.codec->encode(*exact_context, subject.picture);
    of.fast_codes = model.codec->encode(context, subject.picture);
    if (exact.codec->info().decodes) {
      of.exact_samples = exact.codec->decode(*exact_context, of.exact_codes).values;
      of.fast_samples = model.codec->decode(context, of.exact_codes).values;
    }
    printer.print_result(describe_agreement(subject.name, context, of));
  }
}

}  // namespace

void bench_pictures(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer) {
  const std::string path = model_path(options);
  const auto owner = make_context(options);
  PictureModel model;
  const double load = best_seconds([&] { model = open_picture_model(*owner, path); }, 0);
  const ImageCodecInfo& info = model.codec->info();
  printer.print_result({{"bench", "load"},
                        {"model", path},
                        {"family", info.family},
                        {"parameters", info.parameters},
                        {"s", rounded(load)}});
  std::vector<Subject> subjects;
  for (const std::string& file : files) subjects.push_back(read_subject(model, file));
  if (subjects.empty()) subjects.push_back(synthetic_picture(info));
  if (owner->math() == Math::fast) bench_agreement(options, model, *owner, subjects, printer);
  const int most = thread_count(options);
  std::set<int> counts = {most};
  for (int threads = 1; threads < most; threads *= 2) counts.insert(threads);
  for (const int threads : counts) {
    const auto context = make_context(options, threads);
    for (const Subject& subject : subjects) bench_picture(model, *context, subject, options.verbose, printer);
  }
}

}  // namespace tessera::cli
