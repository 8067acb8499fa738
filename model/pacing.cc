#include "model/pacing.h"

#include <algorithm>

#include "kernels/error.h"

namespace tessera {
namespace {

constexpr double kNewest = 0.125;  // the weight of the newest measurement in an average
constexpr double kUnknownRate = 0.5;
constexpr double kLeastPause = 32;
constexpr double kMostPause = 4096;
constexpr double kTrialsCost = 100;  // steps' worth of useful work for one step lost on trials

double average(double before, double now) { return before + kNewest * (now - before); }

}  // namespace

DraftPacing::DraftPacing(int most) {
  if (most < 0) throw ArgumentError("drafts a step are 0 or more");
  const auto places = static_cast<std::size_t>(most);
  lengths_.resize(places + 1);
  rates_.resize(places, kUnknownRate);
  drafted_.resize(places);
  accepted_.resize(places);
}

// Ids a second.
double DraftPacing::speed(int drafts) const {
  double ids = 1;
  double all_so_far = 1;
  for (int k = 0; k < drafts; ++k) ids += all_so_far *= rates_[static_cast<std::size_t>(k)];
  return ids / std::max(lengths_[static_cast<std::size_t>(drafts)].seconds, 1e-9);
}

// Of lengths to `limit`. Long ones first: they tell how short ones would fare. -1: all were tried.
int DraftPacing::untried(int limit) const {
  int d = limit;
  while (d >= 0 && lengths_[static_cast<std::size_t>(d)].steps > 0) --d;
  return d;
}

// Of those tried; -1: there is none.
int DraftPacing::best(int limit, int other_than) const {
  int best = -1;
  for (int d = 0; d <= limit; ++d) {
    if (d == other_than || lengths_[static_cast<std::size_t>(d)].steps == 0) continue;
    if (best < 0 || speed(d) > speed(best)) best = d;
  }
  return best;
}

int DraftPacing::next(int room) {
  const int limit = std::clamp(room, 0, most());
  const int drafts = untried(limit);
  return drafts >= 0 ? drafts : std::max(best(limit, step_ >= next_trial_ ? winner_ : -1), 0);
}

// Twice the pause before, until what a trial of the runner-up loses is a hundredth of it.
void DraftPacing::plan_trial(int winner) {
  const bool changed = winner != winner_;
  winner_ = winner;
  const int other = best(most(), winner);
  double longest = kLeastPause;
  if (other >= 0) {
    const double steps = lengths_[static_cast<std::size_t>(other)].seconds /
                         std::max(lengths_[static_cast<std::size_t>(winner)].seconds, 1e-9);
    longest = std::clamp(kTrialsCost * steps * (1 - speed(other) / speed(winner)), kLeastPause, kMostPause);
  }
  pause_ = static_cast<std::int64_t>(changed ? kLeastPause : std::min(2.0 * static_cast<double>(pause_), longest));
  next_trial_ = step_ + pause_;
}

void DraftPacing::record(int drafts, int accepted, double seconds) {
  for (int k = 0; k < drafts && k <= accepted; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const bool hit = k < accepted;
    rates_[at] = average(rates_[at], hit ? 1 : 0);
    ++drafted_[at];
    accepted_[at] += hit ? 1 : 0;
  }
  const bool due = step_ >= next_trial_;
  if (step_++ == 0) return;  // it finds cold caches: its time says nothing
  Length& length = lengths_[static_cast<std::size_t>(drafts)];
  length.seconds = length.steps == 0 ? seconds : average(length.seconds, seconds);
  ++length.steps;
  const int winner = best(most(), -1);
  if (winner != winner_ || (due && drafts != winner)) plan_trial(winner);
}

}  // namespace tessera
