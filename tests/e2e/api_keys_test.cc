// Keys: who may come in, whose a call then is, and what others see of its generations.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/batcher.h"
#include "tests/e2e/test_server.h"
#include "tests/server/service/hashed_key.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using Code = absl::StatusCode;

// A server whose keys are "shop-key" and "studio-key", of the tenants shop and studio.
class ApiKeysE2eTest : public testing::Test {
 protected:
  void Start(TestServer::Options options = {}) {
    file_ = absl::StrCat(testing::TempDir(), "/keys-",
                         testing::UnitTest::GetInstance()->current_test_info()->name());
    SetKeys(absl::StrCat(HashedKey("shop-key"), " shop weight=3\n", HashedKey("studio-key"), " studio\n"));
    options.app.secrets.api_keys = file_;
    options.app.refresh_secrets = absl::Hours(1);
    server_ = Serving(std::move(options));
  }
  void SetKeys(const std::string& text) {
    std::ofstream file(file_);
    file << text;
    ASSERT_TRUE(file.flush());
  }
  std::unique_ptr<ImageClient> With(const std::string& key) const {
    return *ImageClient::Create({.server = server_->app->address(), .api_key = key});
  }
  // The status of a method, called without a request's bytes.
  grpc::Status Call(const std::string& method, const std::string& authorization = "") const {
    grpc::GenericStub stub(server_->Channel());
    grpc::ClientContext context;
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

  std::string file_;
  std::unique_ptr<TestServer> server_;
};

std::vector<std::string> Methods() {
  std::vector<std::string> methods;
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("easel.v1.ImageGeneration");
  for (int i = 0; i < service->method_count(); ++i) {
    methods.push_back(absl::StrCat("/", service->full_name(), "/", service->method(i)->name()));
  }
  return methods;
}

TEST_F(ApiKeysE2eTest, WithoutAKeyEveryMethodIsUnauthenticated) {
  TestServer::Options options;
  options.app.reflection = true;
  Start(options);
  std::vector<std::string> methods = Methods();
  EXPECT_EQ(methods.size(), 8u);
  methods.push_back("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  methods.push_back("/some.other.Service/Method");
  for (const std::string& method : methods) {
    for (const char* authorization : {"", "Bearer unknown"}) {
      const grpc::Status status = Call(method, authorization);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
      EXPECT_THAT(status.error_message(), HasSubstr(*authorization == '\0' ? "`authorization: Bearer KEY`"
                                                                           : "not one of this server's"))
          << method;
    }
    EXPECT_NE(Call(method, "Bearer shop-key").error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
  }
}

TEST_F(ApiKeysE2eTest, HealthNeedsNoKey) {
  Start();
  EXPECT_TRUE(*With("")->IsServing(""));
}

TEST_F(ApiKeysE2eTest, TheTenantIsTheKeysWhateverTheHeaderSays) {
  Start();
  const auto client =
      *ImageClient::Create({.server = server_->app->address(), .api_key = "shop-key", .tenant = "studio"});
  ASSERT_TRUE(client->Submit(Staged(2)).ok());
  EXPECT_EQ(server_->log.AwaitGenerations(1)[0].tenant, "shop");
}

TEST_F(ApiKeysE2eTest, AnotherTenantsGenerationIsNotFoundForGet) {
  Start();
  const std::string id = With("shop-key")->Submit(Staged(2))->id();
  EXPECT_EQ(With("studio-key")->Get(id).status().code(), Code::kNotFound);
  EXPECT_TRUE(With("shop-key")->Get(id).ok());
}

TEST_F(ApiKeysE2eTest, AnotherTenantsGenerationIsNotFoundForWatch) {
  Start();
  const std::string id = With("shop-key")->Submit(Staged(2))->id();
  const auto ignore = [](const v1::GenerationEvent&) {};
  EXPECT_EQ(With("studio-key")->Watch(id, ignore).status().code(), Code::kNotFound);
  EXPECT_TRUE(With("shop-key")->Watch(id, ignore).ok());
}

TEST_F(ApiKeysE2eTest, AnotherTenantsGenerationIsNotFoundForCancel) {
  Start();
  server_->gate->Hold();
  const std::string id = With("shop-key")->Submit(Staged(200))->id();
  EXPECT_EQ(With("studio-key")->CancelGeneration(id).status().code(), Code::kNotFound);
  EXPECT_NE(With("shop-key")->Get(id)->state(), v1::GENERATION_STATE_CANCELLED);
  EXPECT_TRUE(With("shop-key")->CancelGeneration(id).ok());
  server_->gate->Release();
}

TEST_F(ApiKeysE2eTest, RequestIdsAreATenantsOwn) {
  Start();
  v1::GenerateRequest request = Staged(2);
  request.set_request_id("order-17");
  const std::string shops = With("shop-key")->Submit(request)->id();
  request.set_num_inference_steps(3);  // another body, which would be ALREADY_EXISTS under the same name
  const auto studios = With("studio-key")->Submit(request);
  ASSERT_TRUE(studios.ok()) << studios.status();
  EXPECT_NE(studios->id(), shops);
  EXPECT_EQ(With("shop-key")->Submit(request).status().code(), Code::kAlreadyExists);
}

// The Batcher, and how far behind its share each who waits is, the first time that two do beside one at work.
class Leads : public Batcher {
 public:
  Leads(int max_rows, std::vector<double>* leads) : Batcher(max_rows), leads_(leads) {}
  std::vector<size_t> Begin(const std::vector<BatchCandidate>& active,
                            const std::vector<BatchCandidate>& waiting) const override {
    if (leads_->empty() && active.size() == 1 && waiting.size() == 2) {
      for (const BatchCandidate& each : waiting) leads_->push_back(each.tenant_lead);
    }
    return Batcher::Begin(active, waiting);
  }

 private:
  std::vector<double>* const leads_;  // of the engine's thread, until it has ended
};

TEST_F(ApiKeysE2eTest, TheKeysWeightIsTheTenantsShare) {
  std::vector<double> leads;
  TestServer::Options options;
  options.engine.policy = [&leads](int max_rows) { return std::make_unique<Leads>(max_rows, &leads); };
  Start(options);
  SetKeys(absl::StrCat(HashedKey("first"), " first\n", HashedKey("heavy"), " heavy weight=3\n",
                       HashedKey("light"), " light\n"));
  server_->app->RefreshSecrets();
  while (!With("light")->ListModels().ok()) {  // until they are read
  }
  server_->gate->Hold();
  ASSERT_TRUE(With("first")->Submit(Staged(8)).ok());
  server_->gate->AwaitForwards(1);
  ASSERT_TRUE(With("heavy")->Submit(Staged(2)).ok());
  ASSERT_TRUE(With("light")->Submit(Staged(2)).ok());
  server_->gate->Release();
  server_->log.AwaitGenerations(3);
  server_->app->Drain(absl::InfiniteFuture());
  ASSERT_EQ(leads.size(), 2u);
  EXPECT_LT(leads[1], 0);
  EXPECT_NEAR(leads[0] / leads[1], 3, 1e-6);
}

TEST_F(ApiKeysE2eTest, ARevokedKeyIsRefusedAndANewOneTakenWithoutARestart) {
  Start();
  const auto client = With("shop-key"), fresh = With("new-key");
  const std::string id = client->Submit(Staged(2))->id();
  EXPECT_EQ(fresh->ListModels().status().code(), Code::kUnauthenticated);
  SetKeys(absl::StrCat(HashedKey("new-key"), " shop\n"));
  server_->app->RefreshSecrets();
  while (client->ListModels().ok()) {  // until the file is read, over the same connection
  }
  EXPECT_EQ(client->ListModels().status().code(), Code::kUnauthenticated);
  EXPECT_EQ(fresh->Get(id)->id(), id);  // the tenant's, by whichever of its keys
}

TEST_F(ApiKeysE2eTest, KeysAreReadAgainByThemselvesWhenTheFileChanges) {
  TestServer::Options options;
  file_ = testing::TempDir() + "/keys-polled";
  SetKeys(absl::StrCat(HashedKey("old"), " shop\n"));
  options.app.secrets.api_keys = file_;
  options.app.refresh_secrets = absl::Milliseconds(10);
  server_ = Serving(options);
  SetKeys(absl::StrCat(HashedKey("new"), " shop\n"));
  const auto fresh = With("new");
  while (!fresh->ListModels().ok()) {
  }
  EXPECT_EQ(With("old")->ListModels().status().code(), Code::kUnauthenticated);
}

TEST(ApiKeysStartTest, AFileThatIsWrongAtStartIsNamedWithItsLine) {
  const std::string file = testing::TempDir() + "/keys-wrong";
  std::ofstream(file) << HashedKey("a") << " shop\nnonsense\n";
  App::Options options;
  options.listen = {"127.0.0.1", 0};
  for (const auto& [name, told] :
       std::map<std::string, std::string>{{file, file + ": line 2: "}, {"/no/such.keys", "/no/such.keys"}}) {
    options.secrets.api_keys = name;
    const absl::Status status = App::Listen(options).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(told));
  }
}

}  // namespace
}  // namespace easel
