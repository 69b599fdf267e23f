#include "server/service/generation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/service/picture_events.h"

namespace easel {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

// A store and generations for it.
class GenerationStoreTest : public ::testing::Test {
 protected:
  explicit GenerationStoreTest(GenerationStore::Options options = {absl::Seconds(600), 20'000, 3})
      : store(options) {}

  std::shared_ptr<Generation> Make(const std::string& id) {
    Generation::Options options;
    options.id = id;
    options.now = [] { return kStart; };
    options.pool = &pool_;
    options.observer = &observer_;
    auto generation = std::make_shared<Generation>(PlanOf(1), std::move(options));
    generation->Begin({});
    return generation;
  }
  // The id of the one that comes back, else the code.
  std::string Add(const std::string& id, const std::string& tenant, const std::string& name = "",
                  uint64_t body = 0) {
    const auto added = store.Add(Make(id), {tenant, name, body});
    return added.ok() ? (*added)->id() : absl::StatusCodeToString(added.status().code());
  }
  bool Has(const std::string& tenant, const std::string& id) {
    const auto found = store.Find(tenant, id);
    EXPECT_TRUE(found.ok() || absl::IsNotFound(found.status())) << found.status();
    return found.ok();
  }

  GenerationStore store;

 private:
  ThreadPool pool_{1};
  ServiceObserver observer_;
};

TEST_F(GenerationStoreTest, AnotherTenantsIsNotFound) {
  EXPECT_EQ(Add("1", "a"), "1");
  EXPECT_TRUE(Has("a", "1"));
  EXPECT_FALSE(Has("b", "1"));
  EXPECT_FALSE(Has("", "1"));
  EXPECT_FALSE(Has("a", "2"));
}

TEST_F(GenerationStoreTest, TheSameNameAndBodyJoins) {
  EXPECT_EQ(Add("1", "a", "name", 7), "1");
  EXPECT_EQ(Add("2", "a", "name", 7), "1");
  EXPECT_FALSE(Has("a", "2"));
  store.Ended("1", 10, kStart);
  EXPECT_EQ(Add("3", "a", "name", 7), "1");  // while it is kept
  store.Expire(kStart + absl::Seconds(600));
  EXPECT_EQ(Add("4", "a", "name", 7), "4");
}

TEST_F(GenerationStoreTest, AnotherBodyUnderTheNameAlreadyExists) {
  EXPECT_EQ(Add("1", "a", "name", 7), "1");
  EXPECT_EQ(Add("2", "a", "name", 8), "ALREADY_EXISTS");
  EXPECT_FALSE(Has("a", "2"));
}

TEST_F(GenerationStoreTest, NamesOfDifferentTenantsDoNotMeet) {
  EXPECT_EQ(Add("1", "a", "name", 7), "1");
  EXPECT_EQ(Add("2", "b", "name", 8), "2");
  EXPECT_EQ(Add("3", "b", "name", 8), "2");
}

TEST_F(GenerationStoreTest, WithoutANameNothingJoins) {
  EXPECT_EQ(Add("1", "a"), "1");
  EXPECT_EQ(Add("2", "a"), "2");
}

TEST_F(GenerationStoreTest, AFailedOneGivesUpItsName) {
  EXPECT_EQ(Add("1", "a", "name", 7), "1");
  (*store.Find("a", "1"))->Cancel(absl::CancelledError());
  EXPECT_EQ(Add("2", "a", "name", 8), "2");
  EXPECT_EQ(Add("3", "a", "name", 8), "2");
  EXPECT_TRUE(Has("a", "1"));
  store.Remove("1");  // takes no name with it that is another's by now
  EXPECT_EQ(Add("4", "a", "name", 8), "2");
}

TEST_F(GenerationStoreTest, ARefusedOneLeavesNothing) {
  EXPECT_EQ(Add("1", "a", "name", 7), "1");
  store.Remove("1");
  EXPECT_FALSE(Has("a", "1"));
  EXPECT_EQ(Add("2", "a", "name", 8), "2");
  store.Ended("1", 10, kStart);  // nobody minds
  store.Expire(absl::InfiniteFuture());
  EXPECT_TRUE(Has("a", "2"));
}

TEST_F(GenerationStoreTest, ResultsAreKeptForTheirTimeAndWhatRunsForGood) {
  Add("1", "a");
  Add("2", "a");
  Add("3", "a");
  store.Ended("2", 10, kStart);
  store.Ended("1", 10, kStart + absl::Seconds(1));
  store.Expire(kStart + absl::Seconds(600) - absl::Nanoseconds(1));
  EXPECT_TRUE(Has("a", "2"));
  store.Expire(kStart + absl::Seconds(600));
  EXPECT_FALSE(Has("a", "2"));
  EXPECT_TRUE(Has("a", "1"));
  store.Expire(kStart + absl::Hours(100));
  EXPECT_FALSE(Has("a", "1"));
  EXPECT_TRUE(Has("a", "3"));
}

TEST_F(GenerationStoreTest, BytesAreBoundedAndTheOldestGoesFirst) {
  Add("1", "a");
  Add("2", "a");
  Add("3", "a");
  Add("4", "a");
  store.Ended("2", 8000, kStart);
  store.Ended("1", 8000, kStart);
  EXPECT_TRUE(Has("a", "2"));
  store.Ended("3", 3000, kStart);  // with what each costs beside, more than 20,000
  EXPECT_FALSE(Has("a", "2"));
  EXPECT_TRUE(Has("a", "1") && Has("a", "3"));
  store.Ended("4", 30'000, kStart);  // more than all together may
  EXPECT_FALSE(Has("a", "1") || Has("a", "3") || Has("a", "4"));
}

TEST_F(GenerationStoreTest, OnesWithoutPicturesAreBoundedToo) {
  for (int i = 0; i < 100; ++i) {
    Add(absl::StrCat(i), "a");
    store.Ended(absl::StrCat(i), 2000, kStart);  // itself
  }
  EXPECT_FALSE(Has("a", "90"));
  EXPECT_TRUE(Has("a", "99"));
  EXPECT_LT(store.Alive().size(), 10u);
}

TEST_F(GenerationStoreTest, AForgottenOneIsAliveWhileAReaderHoldsIt) {
  Add("1", "a");
  std::shared_ptr<Generation> held = *store.Find("a", "1");
  store.Ended("1", 10, kStart);
  store.Expire(absl::InfiniteFuture());
  EXPECT_FALSE(Has("a", "1"));
  EXPECT_THAT(store.Alive(), testing::ElementsAre(held));
  held = nullptr;
  EXPECT_THAT(store.Alive(), testing::IsEmpty());
}

TEST_F(GenerationStoreTest, TenantsAreBounded) {
  for (const char* tenant : {"a", "b", "c"}) Add(tenant, tenant);
  EXPECT_EQ(Add("d", "d"), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(Add("e", "a"), "e");
  store.Ended("b", 10, kStart);
  store.Expire(absl::InfiniteFuture());
  EXPECT_EQ(Add("d", "d"), "d");
}

}  // namespace
}  // namespace easel
