// Which ids drafts choose from.

#include "model/likely_ids.h"

#include <gtest/gtest.h>

#include <vector>

#include "model/logits.h"

namespace tessera {
namespace {

using Ids = std::vector<std::int32_t>;
using Ranges = std::vector<IdRange>;
constexpr std::int64_t kVocabulary = 40960;  // blocks of 160 ids
const Ranges kAll{{0, kVocabulary}};
const Ranges kFirstQuarter{{0, 10240}};

TEST(LikelyIds, AreTheFirstQuarterBeforeAnythingIsKnown) {
  EXPECT_EQ(LikelyIds(kVocabulary).of(kAll), kFirstQuarter);
  for (const std::int64_t vocabulary : {1, 15, 16, 100, 4096, 4100, 151936}) {
    const Ranges likely = LikelyIds(vocabulary).of(Ranges{{0, vocabulary}});
    EXPECT_GE(4 * count_of(likely), vocabulary) << vocabulary;
    EXPECT_LE(count_of(likely), std::max<std::int64_t>(vocabulary / 4 + 64 * 16, 16)) << vocabulary;
  }
}

TEST(LikelyIds, AreThoseOfRecentBlocksToo) {
  LikelyIds likely(kVocabulary);
  Ids ids{30000};
  likely.observe(ids);
  EXPECT_EQ(likely.of(kAll), kFirstQuarter) << "one id is no habit";
  ids.insert(ids.end(), {5, 30001});
  likely.observe(ids);
  EXPECT_EQ(likely.of(kAll), (Ranges{{0, 10240}, {29920, 160}}));
  ids.push_back(40959);
  ids.push_back(40900);
  likely.observe(ids);
  EXPECT_EQ(likely.of(kAll), (Ranges{{0, 10240}, {29920, 160}, {40800, 160}}));
  ids.resize(ids.size() + 500, 5);
  likely.observe(ids);
  EXPECT_EQ(likely.of(kAll), kFirstQuarter);
}

TEST(LikelyIds, StayWithinWhatIsWanted) {
  const LikelyIds likely(kVocabulary);
  const Ranges few{{16, 32}, {30000, 160}};
  EXPECT_EQ(likely.of(few), few) << "no more than a quarter";
  const Ranges behind{{20480, 20480}};
  EXPECT_EQ(likely.of(behind), behind) << "none of them is likely";
  EXPECT_EQ(likely.of(Ranges{{48, 320}, {9600, 20000}}), (Ranges{{48, 320}, {9600, 640}}));
}

}  // namespace
}  // namespace tessera
