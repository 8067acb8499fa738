#include "model/pacing.h"

#include <algorithm>

#include "kernels/error.h"

namespace tessera {
namespace {

constexpr double kNewest = 0.125;  // the weight of the newest measurement in an average
constexpr double kMostPause = 4096;
constexpr double kLeastPause = 16;
constexpr double kTrialsCost = 100;  // steps' worth of useful work for one step lost on trials

double average(double before, double now, bool is_first) { return is_first ? now : before + kNewest * (now - before); }

}  // namespace

DraftPacing::DraftPacing(int most) {
  if (most < 0) throw ArgumentError("drafts a step are 0 or more");
  const auto places = static_cast<std::size_t>(most);
  lengths_.resize(places + 1);
  rates_.resize(places);
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

int DraftPacing::best() const {
  int best = 0;
  for (int d = 1; d < static_cast<int>(lengths_.size()); ++d) {
    if (speed(d) > speed(best)) best = d;
  }
  return best;
}

// A length whose turn to be tried has come; -1: none. Long ones first: they tell how short ones would fare.
int DraftPacing::due() const {
  for (int d = static_cast<int>(lengths_.size()) - 1; d >= 0; --d) {
    const Length& length = lengths_[static_cast<std::size_t>(d)];
    if (length.steps == 0 || step_ - length.last_step > length.pause) return d;
  }
  return -1;
}

int DraftPacing::next(int room) {
  const int waiting = due();
  return std::clamp(waiting >= 0 ? waiting : best(), 0, std::max(room, 0));
}

void DraftPacing::record(int drafts, int accepted, double seconds) {
  for (int k = 0; k < drafts && k <= accepted; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const bool hit = k < accepted;
    rates_[at] = average(rates_[at], hit ? 1 : 0, drafted_[at] == 0);
    ++drafted_[at];
    accepted_[at] += hit ? 1 : 0;
  }
  Length& length = lengths_[static_cast<std::size_t>(drafts)];
  length.seconds = average(length.seconds, seconds, length.steps == 0);
  ++length.steps;
  length.last_step = ++step_;
  const int winner = best();
  const double lost = 1 - speed(drafts) / speed(winner);
  const double dearness = length.seconds / std::max(lengths_[static_cast<std::size_t>(winner)].seconds, 1e-9);
  const double pause = kTrialsCost * static_cast<double>(lengths_.size()) * lost * dearness;
  length.pause = static_cast<std::int64_t>(std::clamp(pause, kLeastPause, kMostPause));
}

}  // namespace tessera
