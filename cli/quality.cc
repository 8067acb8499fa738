#include "cli/quality.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/figure.h"
#include "cli/mean_of_finite.h"
#include "kernels/constants.h"
#include "kernels/error.h"
#include "media/channels.h"

namespace tessera::cli {
namespace {

constexpr std::int64_t kBlockFrames = 256;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double decibels(double signal, double noise) {
  const double ratio = signal / noise;
  return ratio > 0 && std::isfinite(ratio) ? 10 * exact_log(ratio) / exact_log(10) : kNone;
}

std::optional<StoiTables> stoi_tables(Context& context, int sample_rate) {
  try {
    return std::optional<StoiTables>(std::in_place, context, sample_rate);
  } catch (const ArgumentError&) {
    return std::nullopt;
  }
}

void append(std::vector<float>& to, std::span<const float> samples) {
  to.insert(to.end(), samples.begin(), samples.end());
}

/// Calls `visit(channel, its samples)`.
template <class Visit>
void for_each_channel(std::span<const float> interleaved, std::size_t channels, const Visit& visit) {
  if (channels == 1) return visit(std::size_t{0}, interleaved);
  std::vector<float> samples(interleaved.size() / channels);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    media::take_channel(interleaved.data(), static_cast<std::int64_t>(samples.size()), static_cast<int>(channels),
                        static_cast<int>(channel), samples.data());
    visit(channel, std::span<const float>(samples));
  }
}

}  // namespace

nlohmann::ordered_json to_json(const Quality& quality) {
  return {{"mel_distance", figure(quality.mel_distance)},
          {"si_sdr_db", figure(quality.si_sdr_db)},
          {"snr_db", figure(quality.snr_db)},
          {"stoi", figure(quality.stoi)}};
}

Quality mean_of(const std::vector<Quality>& all) {
  return {mean_of_finite(all, &Quality::mel_distance), mean_of_finite(all, &Quality::snr_db),
          mean_of_finite(all, &Quality::si_sdr_db), mean_of_finite(all, &Quality::stoi)};
}

QualityTables::QualityTables(Context& context, int sample_rate)
    : mel(context, sample_rate), stoi(stoi_tables(context, sample_rate)) {}

QualityMeter::QualityMeter(const QualityTables& tables) : mel_(tables.mel) {
  if (tables.stoi) stoi_.emplace(*tables.stoi);
}

void QualityMeter::original(std::span<const float> samples) {
  append(x_, samples);
  compare();
}

void QualityMeter::reconstruction(std::span<const float> samples) {
  append(y_, samples);
  compare();
}

void QualityMeter::add_sums(std::size_t count) {
  for (std::size_t i = summed_; i < count; ++i) {
    const double x = x_[i];
    const double y = y_[i];
    sx_ += x;
    sy_ += y;
    sxx_ += x * x;
    sxy_ += x * y;
    syy_ += y * y;
    sdd_ += (x - y) * (x - y);
  }
  if (stoi_) stoi_->add({x_.data() + summed_, count - summed_}, {y_.data() + summed_, count - summed_});
  count_ += static_cast<double>(count - summed_);
  summed_ = count;
}

void QualityMeter::add_mel(std::int64_t frames) {
  const std::vector<float> original = mel_.of(x_.data(), frames);
  const std::vector<float> copy = mel_.of(y_.data(), frames);
  for (std::size_t i = 0; i < original.size(); ++i) mel_sum_ += std::abs(double{original[i]} - copy[i]);
  mel_count_ += static_cast<std::int64_t>(original.size());
  const auto used = static_cast<std::ptrdiff_t>(frames * LogMel::kHop);
  x_.erase(x_.begin(), x_.begin() + used);
  y_.erase(y_.begin(), y_.begin() + used);
  summed_ -= static_cast<std::size_t>(used);
}

void QualityMeter::compare() {
  add_sums(std::min(x_.size(), y_.size()));
  const auto most = [&] { return (static_cast<std::int64_t>(summed_) - LogMel::kWindow) / LogMel::kHop + 1; };
  while (static_cast<std::int64_t>(summed_) >= LogMel::kWindow) add_mel(std::min(most(), kBlockFrames));
}

Quality QualityMeter::finish() {
  constexpr auto overlap = static_cast<std::size_t>(LogMel::kWindow - LogMel::kHop);
  const bool rest = mel_count_ == 0 ? summed_ > 0 : summed_ > overlap;
  if (rest) {
    x_.resize(summed_);
    y_.resize(summed_);
    x_.resize(LogMel::kWindow);
    y_.resize(LogMel::kWindow);
    summed_ = LogMel::kWindow;
    add_mel(1);
  }
  const double xx = sxx_ - sx_ * sx_ / count_;
  const double xy = sxy_ - sx_ * sy_ / count_;
  const double yy = syy_ - sy_ * sy_ / count_;
  const double target = xy * xy / xx;
  return {mel_sum_ / static_cast<double>(mel_count_), decibels(sxx_, sdd_), decibels(target, yy - target),
          stoi_ ? stoi_->finish() : kNone};
}

void ChannelsMeter::original(std::span<const float> samples) {
  for_each_channel(samples, meters_.size(), [&](std::size_t channel, auto part) { meters_[channel].original(part); });
}

void ChannelsMeter::reconstruction(std::span<const float> samples) {
  for_each_channel(samples, meters_.size(),
                   [&](std::size_t channel, auto part) { meters_[channel].reconstruction(part); });
}

Quality ChannelsMeter::finish() {
  std::vector<Quality> all;
  for (QualityMeter& meter : meters_) all.push_back(meter.finish());
  return mean_of(all);
}

void Reconstruction::codes(const Codes& codes) {
  use_.add(codes);
  meter_.reconstruction(stream_->push(codes));
}

nlohmann::ordered_json Reconstruction::finish() {
  meter_.reconstruction(stream_->finish());
  nlohmann::ordered_json json = to_json(meter_.finish());
  put_json(use_, codec_.info(), json);
  return json;
}

}  // namespace tessera::cli
