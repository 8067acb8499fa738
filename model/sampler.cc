#include "model/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "kernels/constants.h"
#include "kernels/error.h"

namespace tessera {
namespace {

// exp(-kNegligible) is nothing beside 1 in double precision.
constexpr double kNegligible = 60;
// No id's noise is larger: the largest is -log(-log(1 - 2^-54)) = 37.4….
constexpr double kMostNoise = 38;

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("sampler: ") + what);
}

// The finaliser of SplitMix64 (Steele et al. 2014).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

std::uint64_t next_key(std::uint64_t key, std::uint64_t value) { return mix(key + 0x9e3779b97f4a7c15U * (value + 1)); }

// Standard Gumbel noise of random bits. The uniform number is (k + 1/2) / 2^53: never 0 and never 1.
double noise(std::uint64_t bits) {
  const double uniform = (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
  return -exact_log(-exact_log(uniform));
}

// The noise of such bits is less. Behind n leading ones the uniform number u is below 1 - 2^-(n + 1), so that -log(u)
// is above 2^-(n + 1) and the noise below (n + 1) log(2), which is rounded up here.
double noise_bound(std::uint64_t bits) { return 0.6932 * (std::countl_one(bits) + 1); }

// Nothing too for what is no number.
double weight(double logit, double most) { return most - logit <= kNegligible ? exact_exp(logit - most) : 0; }

}  // namespace

// As it begins, behind all that may come.
struct Sampler::Candidate {
  double logit = -std::numeric_limits<double>::infinity();
  std::int32_t id = std::numeric_limits<std::int32_t>::max();
  // Likelier first.
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  }
};

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  require(std::isfinite(options.temperature) && options.temperature >= 0, "the temperature is 0 or more");
  require(options.top_k >= 0, "top_k is 0 (all) or more");
  require(options.top_p > 0 && options.top_p <= 1, "top_p is in (0, 1]");
  require(options.min_p >= 0 && options.min_p <= 1, "min_p is in [0, 1]");
  require(std::isfinite(options.repetition_penalty) && options.repetition_penalty > 0,
          "the repetition penalty is positive");
  require(std::isfinite(options.presence_penalty) && std::isfinite(options.frequency_penalty), "penalties are finite");
}

double Sampler::penalised(double logit, std::int32_t id, const IdCounts& counts) const {
  const auto times = counts.generated.find(id);
  const bool generated = times != counts.generated.end();
  if (options_.repetition_penalty != 1 && (generated || counts.prompt.count(id) != 0)) {
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  if (!generated) return logit;
  return logit - options_.presence_penalty - options_.frequency_penalty * times->second;
}

// Calls `take(candidate)` for every id that may come, ascending within a range.
template <class Take>
void Sampler::for_each(std::span<const float> logits, const IdCounts& counts, std::span<const IdRange> allowed,
                       const Take& take) const {
  const bool penalties =
      options_.repetition_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0;
  const double divisor = options_.temperature > 0 ? options_.temperature : 1;
  const auto size = static_cast<std::int64_t>(logits.size());
  const IdRange whole{0, size};
  for (const IdRange& range : allowed.empty() ? std::span(&whole, 1) : allowed) {
    const std::int64_t end = std::clamp<std::int64_t>(range.first + range.count, 0, size);
    for (std::int64_t i = std::clamp<std::int64_t>(range.first, 0, size); i < end; ++i) {
      const double logit = logits[static_cast<std::size_t>(i)];
      const auto id = static_cast<std::int32_t>(i);
      if (std::isfinite(logit)) take(Candidate{(penalties ? penalised(logit, id, counts) : logit) / divisor, id});
    }
  }
}

void Sampler::keep_top_k(std::vector<Candidate>& all) const {
  if (options_.top_k == 0 || static_cast<std::size_t>(options_.top_k) >= all.size()) return;
  std::nth_element(all.begin(), all.begin() + options_.top_k, all.end());
  all.resize(static_cast<std::size_t>(options_.top_k));
  std::sort(all.begin(), all.end());  // an order of its own: sums follow it
}

void Sampler::keep_likeliest(std::vector<Candidate>& all) const {
  if (options_.top_p == 1 && options_.min_p == 0) return;
  const double most = std::min_element(all.begin(), all.end())->logit;
  double total = 0;
  for (const Candidate& c : all) total += weight(c.logit, most);
  // A heap gives the few that are kept without sorting the many that are not.
  const auto less_likely = [](const Candidate& a, const Candidate& b) { return b < a; };
  std::make_heap(all.begin(), all.end(), less_likely);
  std::vector<Candidate> kept;
  for (double sum = 0; !all.empty() && (kept.empty() || sum < options_.top_p * total); all.pop_back()) {
    std::pop_heap(all.begin(), all.end(), less_likely);
    const double likely = weight(all.back().logit, most);
    if (!kept.empty() && likely < options_.min_p) break;
    kept.push_back(all.back());
    sum += likely;
  }
  all = std::move(kept);
}

// Gumbel-max: the largest logit + noise is a draw from the softmax.
class Sampler::Race {
 public:
  Race(std::uint64_t seed, std::int64_t position)
      : key_(next_key(next_key(0, seed), static_cast<std::uint64_t>(position))) {}
  // Nearly all are out of reach of the best so far, and most of the rest draw little noise: logarithms are dear.
  void take(const Candidate& c) {
    if (c.logit + kMostNoise < best_.logit) return;
    const std::uint64_t bits = next_key(key_, static_cast<std::uint64_t>(c.id));
    if (c.logit + noise_bound(bits) < best_.logit) return;
    best_ = std::min(best_, Candidate{c.logit + noise(bits), c.id});
  }
  [[nodiscard]] Candidate winner() const { return best_; }

 private:
  std::uint64_t key_;
  Candidate best_;
};

Sampler::Candidate Sampler::draw_filtered(std::span<const float> logits, std::int64_t position, const IdCounts& counts,
                                          std::span<const IdRange> allowed) const {
  std::vector<Candidate> all;
  all.reserve(logits.size());
  for_each(logits, counts, allowed, [&](const Candidate& c) { all.push_back(c); });
  if (all.empty()) return {};
  keep_top_k(all);
  keep_likeliest(all);
  Race race(options_.seed, position);
  for (const Candidate& c : all) race.take(c);
  return race.winner();
}

std::int32_t Sampler::draw(std::span<const float> logits, std::int64_t position, const IdCounts& counts,
                           std::span<const IdRange> allowed) const {
  Candidate drawn;
  if (options_.temperature == 0) {
    for_each(logits, counts, allowed, [&](const Candidate& c) { drawn = std::min(drawn, c); });
  } else if (options_.top_k > 0 || options_.top_p < 1 || options_.min_p > 0) {
    drawn = draw_filtered(logits, position, counts, allowed);
  } else {
    Race race(options_.seed, position);
    for_each(logits, counts, allowed, [&](const Candidate& c) { race.take(c); });
    drawn = race.winner();
  }
  require(drawn.id != Candidate().id, "no id may come: nothing is allowed, or no logit is finite");
  return drawn.id;
}

double log_probability(std::span<const float> logits, std::int32_t id) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += weight(logit, most);
  if (!(sum > 0)) return std::numeric_limits<double>::quiet_NaN();
  return logits[static_cast<std::size_t>(id)] - most - exact_log(sum);
}

}  // namespace tessera
