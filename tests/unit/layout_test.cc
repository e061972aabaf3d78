#include "plan/layout.h"

#include <gtest/gtest.h>

namespace mtpgraft {
namespace {

FilePlan finish(Layout& layout) {
  FilePlan plan;
  std::move(layout).finish(plan);
  return plan;
}

TEST(Layout, JoinsWhatFollowsEachOther) {
  Layout layout;
  layout.begin(Region::Kind::kKey, "a");
  layout.add(Bytes(3));
  layout.begin(Region::Kind::kKey, "b");
  layout.add(Bytes(4));
  layout.add_copy(Source::kTarget, 100, 10);
  layout.begin(Region::Kind::kTensorData, "c");
  layout.add_copy(Source::kTarget, 110, 5);
  const auto plan = finish(layout);
  ASSERT_EQ(plan.segments.size(), 2U);
  EXPECT_EQ(segment_length(plan.segments[0]), 7U);
  EXPECT_EQ(std::get<Copy>(plan.segments[1]).offset, 100U);
  EXPECT_EQ(segment_length(plan.segments[1]), 15U);
  ASSERT_EQ(plan.regions.size(), 3U);
  EXPECT_EQ(plan.regions[1].offset, 3U);
  EXPECT_EQ(plan.regions[1].length, 14U);
  EXPECT_EQ(plan.regions[2].offset, 17U);
  EXPECT_EQ(plan.output_size, 22U);
}

TEST(Layout, KeepsOtherSourcesAndGapsApart) {
  Layout layout;
  layout.begin(Region::Kind::kTensorData, "a");
  layout.add_copy(Source::kTarget, 100, 10);
  layout.add_copy(Source::kDonor, 110, 5);
  layout.add_copy(Source::kDonor, 116, 5);
  layout.add_copy(Source::kDonor, 110, 0);
  EXPECT_EQ(finish(layout).segments.size(), 3U);
}

TEST(Layout, PadsOnlyWhereNeeded) {
  Layout layout;
  layout.begin(Region::Kind::kTensorData, "a");
  layout.add(Bytes(33));
  layout.pad_up_to(64);
  layout.pad_up_to(64);
  EXPECT_EQ(layout.size(), 64U);
  const auto plan = finish(layout);
  ASSERT_EQ(plan.segments.size(), 2U);
  EXPECT_EQ(std::get<Zero>(plan.segments[1]).length, 31U);
  ASSERT_EQ(plan.regions.size(), 2U);
  EXPECT_EQ(plan.regions[1].kind, Region::Kind::kPadding);
  EXPECT_EQ(plan.regions[1].offset, 33U);
}

}  // namespace
}  // namespace mtpgraft
