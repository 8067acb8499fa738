#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

/// How many ids to draft a step: what pays, by the acceptance and the times measured so far. A step with d drafts takes
/// step(d) + draft(d) seconds and gives 1 + a_1 + a_1 a_2 + … ids, a_k the share of k-th drafts accepted when those
/// before were, 1/2 before anything is known. Behind a first step that is not timed it tries every length once that
/// there is room for, then takes the best. The most promising of the others is tried again, first soon, then ever more
/// rarely, so that trials cost about one step in a hundred; when a trial changes what is best, soon again.
class DraftPacing {
 public:
  /// `most`: drafts a step, 0 or more.
  explicit DraftPacing(int most);

  [[nodiscard]] int most() const noexcept { return static_cast<int>(rates_.size()); }
  /// Drafts for the next step, at most `room`.
  [[nodiscard]] int next(int room);
  /// What a step did: drafts made, fewer than asked for where there were none to make, those accepted, its seconds in
  /// all.
  void record(int drafts, int accepted, double seconds);

  /// Of all steps, by place in the draft: how many were drafted, and how many accepted.
  [[nodiscard]] const std::vector<std::int64_t>& drafted() const noexcept { return drafted_; }
  [[nodiscard]] const std::vector<std::int64_t>& accepted() const noexcept { return accepted_; }

 private:
  struct Length {
    double seconds = 0;  ///< a step, averaged with the recent weighing more
    std::int64_t steps = 0;
  };
  [[nodiscard]] double speed(int drafts) const;
  [[nodiscard]] int untried(int limit) const;
  [[nodiscard]] int best(int limit, int other_than) const;
  void plan_trial(int winner);

  std::vector<Length> lengths_;  // by drafts: 0 … most
  std::vector<double> rates_;    // acceptance by place, averaged with the recent weighing more
  std::vector<std::int64_t> drafted_;
  std::vector<std::int64_t> accepted_;
  std::int64_t step_ = 0;
  std::int64_t pause_ = 0;  // steps between the last trial and the next
  std::int64_t next_trial_ = 0;
  int winner_ = -1;
};

}  // namespace tessera
