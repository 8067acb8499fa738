#include "kernels/product_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace tessera {
namespace {

constexpr std::int64_t kInputs = 100000;  // every product is worth sharing

struct Shape {
  std::int64_t rows;
  std::int64_t panels;
};

class ProductPlans : public testing::TestWithParam<Shape> {
 protected:
  ProductPlans() {
    weights_.inputs = kInputs;
    weights_.outputs = GetParam().panels * 16;
    x_.run_length = x_.step = kInputs;
    out_.rows = GetParam().rows;
  }
  ProductJob job() const { return {x_, &weights_, {}, out_}; }

  PackedWeights weights_;
  Rows x_;
  Matrix out_;
};

// A tile's sums and staged rows lie in buffers of fixed size.
TEST_P(ProductPlans, TilesAreWithinTheirSizesAndCoverEveryOutputOnce) {
  for (const TileSizes& sizes : {kStagedTiles, kTilesInPlace}) {
    for (int threads : {1, 2, 3, 7, 16, 64}) {
      const ProductPlan plan(job(), threads, sizes);
      std::vector<int> hits(static_cast<std::size_t>(GetParam().rows * GetParam().panels));
      for (std::int64_t i = 0; i < plan.tiles(); ++i) {
        const ProductTile tile = plan.tile(i);
        ASSERT_LE(tile.rows, sizes.rows);
        ASSERT_LE(tile.panels, sizes.panels);
        ASSERT_GT(tile.rows * tile.panels, 0);
        for (std::int64_t r = tile.first_row; r < tile.first_row + tile.rows; ++r) {
          for (std::int64_t p = tile.first_panel; p < tile.first_panel + tile.panels; ++p) {
            ++hits[static_cast<std::size_t>(r * GetParam().panels + p)];
          }
        }
      }
      for (int hit : hits) ASSERT_EQ(hit, 1) << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ProductPlans,
                         testing::Values(Shape{1, 1}, Shape{1, 32}, Shape{1, 257}, Shape{2, 47}, Shape{12, 16},
                                         Shape{13, 33}, Shape{97, 31}, Shape{191, 12}, Shape{193, 13}, Shape{256, 16},
                                         Shape{512, 32}, Shape{1025, 65}));

TEST(ProductPlan, LargeProductsAreSharedInEqualParts) {
  PackedWeights weights;
  weights.inputs = 512, weights.outputs = 512;
  Rows x;
  x.run_length = x.step = 512;
  Matrix out;
  out.rows = 512;
  const ProductJob job{x, &weights, {}, out};
  const ProductPlan plan(job, 2, tile_sizes(job));
  ASSERT_EQ(plan.tiles() % 2, 0);
  for (std::int64_t i = 0; i < plan.tiles(); ++i) {
    EXPECT_NEAR(static_cast<double>(plan.tile(i).rows), 512.0 / static_cast<double>(plan.tiles()), 12);
  }
}

}  // namespace
}  // namespace tessera
